package dev.sluice.reconciler;

import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.process.StopSignal;
import dev.sluice.schemas.TableId;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Verifies a lane for as long as it is asked to: the rows that the stream touches, soon after they were touched, and between them every
 * row of every table once in a period ({@link Scrub}).
 *
 * <p>Threads: the lane's.
 */
final class ReconcileLane {
    private static final Logger log = LoggerFactory.getLogger(ReconcileLane.class);
    private static final Duration POLL = Duration.ofMillis(100);
    private static final long LOOK_NANOS = TimeUnit.SECONDS.toNanos(1);
    private static final long SAVE_NANOS = TimeUnit.SECONDS.toNanos(5);

    /** Until a table of which nothing can be told is looked at again. */
    private static final long UNKNOWN_NANOS = TimeUnit.SECONDS.toNanos(5);

    private final LaneConfig lane;
    private final StopSignal stop;
    private final ReconcileMetrics metrics;
    private final ReconcileStore store;
    private final TouchedKeys touched;
    private final TouchedProgress progress;
    private final Verification verification;
    private final TouchLog stream;
    private final TouchedRows rows;
    private final Scrub scrub;
    /** When a table's touched rows may be looked at; nanoseconds of this JVM's clock. */
    private final Map<TableId, Long> lookAt = new HashMap<>();

    private final Map<TableId, String> said = new HashMap<>();
    private long saveAt = System.nanoTime();

    ReconcileLane(PipelineConfig config, LaneConfig lane, StopSignal stop, ReconcileMetrics metrics) {
        this.lane = lane;
        this.stop = stop;
        this.metrics = metrics;
        store = new ReconcileStore(config, lane);
        touched = new TouchedKeys(lane.tables().stream().map(TableMapping::source).toList());
        progress = new TouchedProgress(touched);
        stream = new TouchLog(config, lane, touched, store.start());
        verification = Verification.lasting(config, lane, stream);
        rows = new TouchedRows(config, lane, verification, touched, store::looked);
        Throttle throttle = new Throttle(config.verify(), config.comparedSource());
        scrub = new Scrub(lane, config.verify().every(), verification, touched, store, throttle, metrics);
        lane.tables().forEach(table -> lookAt.put(table.source(), System.nanoTime()));
    }

    /** Returns when a stop was requested. */
    void run() throws InterruptedException {
        try (verification;
                store;
                scrub) {
            while (!stop.isRequested()) {
                stream.follow(POLL);
                lookAtTouched();
                scrub.goOn();
                save();
                if (!stream.isFollowing()) {
                    stop.await(POLL.toMillis());
                }
            }
        }
    }

    private void lookAtTouched() throws InterruptedException {
        for (TableMapping table : lane.tables()) {
            TableId source = table.source();
            boolean isAny = rows.isAnyOf(source) || !stream.isFollowing();
            if (isAny && lookAt.get(source) - System.nanoTime() <= 0 && !stop.isRequested()) {
                Optional<String> unknown = rows.look(table);
                unknown.filter(reason -> !reason.equals(said.put(source, reason)))
                        .ifPresent(reason -> log.warn("lane {}: {}: rows that change cannot be verified now: {}", lane.name(), source, reason));
                lookAt.put(source, System.nanoTime() + (unknown.isPresent() ? UNKNOWN_NANOS : LOOK_NANOS));
            }
        }
    }

    private void save() {
        if (saveAt - System.nanoTime() <= 0) {
            saveAt = System.nanoTime() + SAVE_NANOS;
            stream.position().ifPresent(position -> store.save(progress.verifiedTo(position, stream.readTo()), touched.size()));
            for (TableMapping table : lane.tables()) {
                store.open(table.source()).ifPresent(open -> {
                    rows.also(table.source(), open.keys());
                    metrics.open(lane.name(), table.source(), open.rows());
                });
                metrics.pending(lane.name(), table.source(), touched.size(table.source()));
            }
        }
    }
}
