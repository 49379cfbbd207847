package dev.sluice.apply;

import dev.sluice.schemas.TableId;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.Recorder;

/**
 * What the applier has done since it started, for views and metrics.
 *
 * <p>Threads: written by the lanes' threads, read by any.
 */
public final class ApplyStats {
    private final LongAdder events = new LongAdder();
    private final LongAdder transactions = new LongAdder();
    private final Map<TableId, LongAdder> eventsByTable = new ConcurrentHashMap<>();
    private final Recorder lag = new Recorder(3);

    /** Events applied and committed. */
    public long events() {
        return events.sum();
    }

    /** Source transactions applied and committed. */
    public long transactions() {
        return transactions.sum();
    }

    /** Events applied and committed, by source table, in the tables' order. */
    public Map<TableId, Long> eventsByTable() {
        Map<TableId, Long> sums = new TreeMap<>();
        eventsByTable.forEach((table, sum) -> sums.put(table, sum.sum()));
        return sums;
    }

    /**
     * Commit at the source to commit in the target, in microseconds, one value per source transaction, since the last
     * call. Both ends are wall clocks: of the source's server and of this machine.
     */
    public Histogram takeLagMicros() {
        return lag.getIntervalHistogram();
    }

    void applied(Map<TableId, Integer> eventCounts) {
        eventCounts.forEach((table, count) -> {
            events.add(count);
            eventsByTable.computeIfAbsent(table, t -> new LongAdder()).add(count);
        });
    }

    void transactionVisible(long lagMicros) {
        transactions.increment();
        lag.recordValue(Math.max(0, lagMicros));
    }
}
