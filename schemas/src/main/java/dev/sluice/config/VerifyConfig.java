package dev.sluice.config;

import java.time.Duration;
import java.util.Optional;

/**
 * How the reconciler verifies.
 *
 * @param every period in which each row is compared at least once
 * @param sharePercent of the time during which a pass over whole tables may have the databases at work, 1 to 100
 * @param rowsPerSecond most rows that such a pass compares; 0 if there is no limit
 * @param pauseAboveSessions such a pass waits while more sessions are at work in the database that is read as the source; 0 if it
 *     never waits
 * @param standby a physical standby of the source that is read in its place
 * @param metricsPort of {@code /metrics}; 0 if there is none
 * @param evidence what is stored of the values of rows that differ
 */
public record VerifyConfig(
        Duration every,
        int sharePercent,
        int rowsPerSecond,
        int pauseAboveSessions,
        Optional<DatabaseConfig> standby,
        int metricsPort,
        Evidence evidence) {
    public static final VerifyConfig DEFAULT =
            new VerifyConfig(Duration.ofHours(24), 5, 0, 50, Optional.empty(), 0, Evidence.HASHES);

    public enum Evidence {
        /** A hash of each, which tells whether two are the same and no more. */
        HASHES,
        /** The values as they are. */
        VALUES
    }
}
