package dev.sluice.reconciler;

import dev.sluice.config.LaneConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.TableId;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Compares every row of every table of a lane once in a period, and the references of the table behind it: in steps, one range each, as
 * the {@link Throttle} lets it. Tables that are dirty come first, then those that were not in sync, which are due a hundred times as
 * often.
 *
 * <p>Threads: one.
 */
final class Scrub implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Scrub.class);
    private static final int OFTENER = 100;
    private static final Duration SOONEST = Duration.ofSeconds(5);

    /** A table that is always dirty has no more than this part of the time of all passes. */
    private static final int DIRTY_PART = 20;

    private final LaneConfig lane;
    private final Duration every;
    private final Verification verification;
    private final TouchedKeys touched;
    private final ReconcileStore store;
    private final Throttle throttle;
    private final ReconcileMetrics metrics;
    /** When a table is due, or if it is dirty; nanoseconds of this JVM's clock. */
    private final Map<TableId, Long> due = new HashMap<>();

    private final Map<TableId, Long> dirtyDue = new HashMap<>();
    private final Map<String, String> said = new HashMap<>();
    private Optional<Current> current = Optional.empty();
    private final Deque<ReferencePass> references = new ArrayDeque<>();
    private final List<ReferenceVerification> referencesFound = new ArrayList<>();

    /**
     * The pass that goes on.
     *
     * @param isAnyKnown rows that were in flight before it was cut off are among the touched ones
     */
    private record Current(TablePass pass, StoredDivergences divergences, boolean isAnyKnown, long began) {}

    Scrub(
            LaneConfig lane,
            Duration every,
            Verification verification,
            TouchedKeys touched,
            ReconcileStore store,
            Throttle throttle,
            ReconcileMetrics metrics) {
        this.lane = lane;
        this.every = every;
        this.verification = verification;
        this.touched = touched;
        this.store = store;
        this.throttle = throttle;
        this.metrics = metrics;
        long now = System.nanoTime();
        for (TableMapping table : lane.tables()) {
            Duration left = store.sinceVerified(table.source()).map(every::minus).orElse(Duration.ZERO);
            due.put(table.source(), now + left.toNanos());
            dirtyDue.put(table.source(), now);
        }
    }

    /** The next step, if there is one and it is time for it: whether it is, the source is asked in a session of its own. */
    void goOn() throws InterruptedException {
        boolean isAtWork = current.isPresent() || !references.isEmpty();
        Optional<TableMapping> next = isAtWork ? Optional.empty() : next();
        if (!isAtWork && next.isEmpty() || !throttle.isFree()) {
            return;
        }
        long start = System.nanoTime();
        long rows = 0;
        if (current.isPresent()) {
            rows = step(current.get());
        } else if (isAtWork) {
            step(references.element());
        } else {
            begin(next.get());
        }
        throttle.worked(System.nanoTime() - start, rows);
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

    // ---- rows

    private void begin(TableMapping table) {
        StoredDivergences divergences = store.divergences();
        // rows that were in flight for a pass that was cut off are among the touched ones, unless something was missed
        boolean isAnyKnown = !touched.isDirty(table.source());
        TablePass pass = verification.pass(
                table, divergences, columns -> store.cutOff(table.source(), columns, every, isAnyKnown));
        touched.cleaning(table.source());
        current = Optional.of(new Current(pass, divergences, isAnyKnown, System.nanoTime()));
    }

    /** Gives the number of rows. */
    private long step(Current now) throws InterruptedException {
        TablePass pass = now.pass();
        long before = pass.rows();
        verification.step(pass);
        pass.takeDone().ifPresent(range -> store.saveRange(pass, range));
        if (pass.isDone()) {
            end(now);
        }
        return pass.rows() - before;
    }

    private void end(Current ended) throws InterruptedException {
        TablePass pass = ended.pass();
        TableId source = pass.mapping().source();
        TableVerification found = pass.isResumed() ? resumed(ended) : pass.result();
        long now = System.nanoTime();
        ended.divergences().trouble().ifPresent(trouble -> log.warn("lane {}: {}: {}", lane.name(), source, trouble));
        ended.divergences().close();
        current = Optional.empty();
        say(source.toString(), found.verdict(), found.isInSync(), found.headline());
        store.saveResult(pass, found);
        metrics.verified(lane.name(), found);
        if (!found.isUnknown()) {
            touched.clean(source);
        }
        dirtyDue.put(source, now + Math.max(SOONEST.toNanos(), DIRTY_PART * (now - ended.began())));
        Duration oftener = every.dividedBy(OFTENER);
        Duration pause = found.isInSync() ? every : oftener.compareTo(SOONEST) < 0 ? SOONEST : oftener;
        due.put(source, now + pause.toNanos());
        Optional<String> unknown = verification.addReferences(pass.mapping(), references);
        if (unknown.isPresent()) {
            store.saveReferences(source, List.of(ReferenceVerification.unknown(source, unknown.get())));
        }
    }

    /** Rows that were in flight before it was cut off count as such until they were compared, and if they differed then. */
    private TableVerification resumed(Current ended) {
        TableId source = ended.pass().mapping().source();
        if (ended.isAnyKnown() && touched.isDirty(source)) {
            return TableVerification.unknown(source, "which rows were in flight before the pass was cut off is not known any more");
        }
        TableVerification found = ended.pass().result().andInFlight(touched.size(source));
        if (found.isDiverged()) {
            return found;
        }
        return store.open(source)
                .map(open -> found.andInFlight(open.rows()))
                .orElse(TableVerification.unknown(source, "sluice.divergence of the target cannot be read"));
    }

    // ---- references

    private void step(ReferencePass pass) throws InterruptedException {
        verification.step(pass);
        if (pass.isDone()) {
            ReferenceVerification found = pass.result();
            references.remove();
            referencesFound.add(found);
            say(found.reference(), found.verdict(), found.holds(), found.lines().get(0));
        }
        if (references.isEmpty()) {
            TableId child = pass.child().source();
            store.saveReferences(child, referencesFound);
            if (referencesFound.stream().allMatch(found -> found.unknown().isEmpty() || found.isBroken())) {
                metrics.broken(lane.name(), child, referencesFound.stream().mapToLong(ReferenceVerification::broken).sum());
            }
            referencesFound.clear();
        }
    }

    /** In the log each verdict that is new, and every one that is good. */
    private void say(String what, String verdict, boolean isGood, String line) {
        String before = said.put(what, verdict);
        if (isGood) {
            log.info("lane {}: {}", lane.name(), line);
        } else if (!verdict.equals(before)) {
            log.warn("lane {}: {}", lane.name(), line);
        }
    }

    @Override
    public void close() {
        current.ifPresent(one -> one.divergences().close());
    }
}
