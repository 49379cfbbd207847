package dev.sluice.config;

import java.time.Duration;

/**
 * @param batchRows most events written as one set; transactions are not split at it, a larger one is written in
 *     several sets of one target transaction
 * @param batchBytes most bytes of record values in one set
 * @param linger longest wait for further transactions once one is complete
 * @param statementTimeout of each statement in the target
 * @param deadLettersPerMinute more stop the lane; 0 if it stops at the first row that the target cannot take
 */
public record ApplyConfig(int batchRows, int batchBytes, Duration linger, Duration statementTimeout, int deadLettersPerMinute) {}
