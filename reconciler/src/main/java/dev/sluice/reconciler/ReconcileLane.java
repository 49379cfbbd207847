package dev.sluice.reconciler;

import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.process.StopSignal;
import dev.sluice.schemas.TableId;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Verifies a lane for as long as it is asked to: the rows that the stream touches, soon after they were touched, and between them every
 * row of every table once in a period, range by range, as the {@link Throttle} lets it. Tables that are dirty come first, then those
 * that were not in sync, which are due a hundred times as often.
 *
 * <p>Threads: the lane's.
 */
final class ReconcileLane {
    private static final Logger log = LoggerFactory.getLogger(ReconcileLane.class);
    private static final int OFTENER = 100;
    private static final Duration SOONEST = Duration.ofSeconds(5);
    /** A table that is always dirty has no more than this part of the time of all passes. */
    private static final int DIRTY_PART = 20;

    private static final Duration POLL = Duration.ofMillis(100);
    private static final long LOOK_NANOS = TimeUnit.SECONDS.toNanos(1);
    private static final long SAVE_NANOS = TimeUnit.SECONDS.toNanos(5);

    /** Until a table of which nothing can be told is looked at again. */
    private static final long UNKNOWN_NANOS = TimeUnit.SECONDS.toNanos(5);

    private final LaneConfig lane;
    private final Duration every;
    private final StopSignal stop;
    private final ReconcileStore store;
    private final TouchedKeys touched;
    private final TouchedProgress progress;
    private final Verification verification;
    private final TouchLog stream;
    private final TouchedRows rows;
    private final Throttle throttle;
    /** When a table is due, or if it is dirty; and when its touched rows may be looked at. Nanoseconds of this JVM's clock. */
    private final Map<TableId, Long> due = new HashMap<>();

    private final Map<TableId, Long> dirtyDue = new HashMap<>();
    private final Map<TableId, Long> lookAt = new HashMap<>();
    private final Map<TableId, String> said = new HashMap<>();
    private Optional<Current> current = Optional.empty();
    private long saveAt = System.nanoTime();

    /** The pass that goes on. */
    private record Current(TablePass pass, StoredDivergences divergences, long began) {}

    ReconcileLane(PipelineConfig config, LaneConfig lane, StopSignal stop) {
        this.lane = lane;
        this.every = config.verify().every();
        this.stop = stop;
        this.store = new ReconcileStore(config, lane);
        this.touched = new TouchedKeys(lane.tables().stream().map(TableMapping::source).toList());
        this.progress = new TouchedProgress(touched);
        this.stream = new TouchLog(config, lane, touched, store.start());
        this.verification = new Verification(config, lane, TablePass.RANGE_ROWS, stream);
        this.rows = new TouchedRows(config, lane, verification, touched, store::looked);
        this.throttle = new Throttle(config.verify(), config.comparedSource());
    }

    /** Returns when a stop was requested. */
    void run() throws InterruptedException {
        long now = System.nanoTime();
        for (TableMapping table : lane.tables()) {
            due.put(table.source(), now + store.sinceVerified(table.source()).map(since -> left(since).toNanos()).orElse(0L));
            dirtyDue.put(table.source(), now);
            lookAt.put(table.source(), now);
        }
        try {
            while (!stop.isRequested()) {
                stream.follow(POLL);
                lookAtTouched();
                goOn();
                save();
                if (!stream.isFollowing()) {
                    stop.await(POLL.toMillis());
                }
            }
        } finally {
            current.ifPresent(one -> one.divergences().close());
            verification.close();
            store.close();
        }
    }

    private Duration left(Duration since) {
        return since.compareTo(every) < 0 ? every.minus(since) : Duration.ZERO;
    }

    // ---- touched rows

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
            stream.position().ifPresent(position -> store.save(progress.verifiedTo(position), touched.size()));
            lane.tables().forEach(table -> rows.also(table.source(), store.openKeys(table.source())));
        }
    }

    // ---- whole tables

    /** Whether the throttle lets it is asked only where there is something to do: asking takes a session of the source. */
    private void goOn() throws InterruptedException {
        Optional<TableMapping> next = current.isPresent() ? Optional.empty() : next();
        if ((current.isPresent() || next.isPresent()) && throttle.isFree()) {
            next.ifPresent(this::begin);
            TablePass pass = current.orElseThrow().pass();
            long start = System.nanoTime();
            long before = pass.rows();
            verification.step(pass);
            throttle.worked(System.nanoTime() - start, pass.rows() - before);
            pass.takeDone().ifPresent(range -> store.saveRange(pass, range));
            if (pass.isDone()) {
                end(pass);
            }
        }
    }

    /** The dirty ones first, then the one that is due for longest. */
    private Optional<TableMapping> next() {
        long now = System.nanoTime();
        return lane.tables().stream()
                .filter(table -> due.get(table.source()) - now <= 0
                        || touched.isDirty(table.source()) && dirtyDue.get(table.source()) - now <= 0)
                .min((one, other) -> {
                    int dirtyFirst = Boolean.compare(touched.isDirty(other.source()), touched.isDirty(one.source()));
                    return dirtyFirst != 0 ? dirtyFirst : Long.compare(due.get(one.source()) - now, due.get(other.source()) - now);
                });
    }

    private void begin(TableMapping table) {
        StoredDivergences divergences = store.divergences();
        // rows that were in flight for a pass that was cut off are among the touched ones, unless something was missed
        boolean isAnyKnown = !touched.isDirty(table.source());
        TablePass pass = verification.pass(
                table, divergences, columns -> store.cutOff(table.source(), columns, every, isAnyKnown));
        touched.cleaning(table.source());
        current = Optional.of(new Current(pass, divergences, System.nanoTime()));
    }

    private void end(TablePass pass) {
        TableId source = pass.mapping().source();
        TableVerification found = pass.isResumed() ? pass.result().andInFlight(touched.size(source)) : pass.result();
        long now = System.nanoTime();
        current.ifPresent(one -> {
            one.divergences().close();
            dirtyDue.put(source, now + Math.max(SOONEST.toNanos(), DIRTY_PART * (now - one.began())));
        });
        current = Optional.empty();
        say(found);
        store.saveResult(pass, found);
        if (!found.isUnknown()) {
            touched.clean(source);
        }
        Duration oftener = every.dividedBy(OFTENER);
        Duration pause = found.isInSync() ? every : oftener.compareTo(SOONEST) < 0 ? SOONEST : oftener;
        due.put(source, now + pause.toNanos());
    }

    /** In the log each verdict that is new, and every one that is good. */
    private void say(TableVerification found) {
        String before = said.put(found.source(), found.verdict());
        if (found.isInSync()) {
            log.info("lane {}: {}", lane.name(), found.headline());
        } else if (!found.verdict().equals(before)) {
            log.warn("lane {}: {}", lane.name(), found.headline());
        }
    }
}
