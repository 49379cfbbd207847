package dev.sluice.config;

import java.time.Duration;

/**
 * @param checkpointInterval longest time of work that is repeated after a crash; each checkpoint waits for the brokers
 * @param heartbeatInterval pause between the markers that capture writes into the source's WAL, so that an idle or
 *     foreign-busy source still lets the slot move
 * @param pollInterval longest wait of the Debezium engine for the next change; adds to lag, and the shorter it is, the
 *     more an idle capture works: at 5 ms a tenth of a core
 */
public record CaptureConfig(Duration checkpointInterval, Duration heartbeatInterval, Duration pollInterval) {}
