package dev.sluice.sandbox;

import dev.sluice.schemas.TableId;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;

/**
 * What a workload has committed.
 *
 * <p>Threads: written by the workload's, read by any.
 */
public final class WorkloadCounts {
    private final Map<TableId, LongAdder> rows = new ConcurrentHashMap<>();
    private final LongAdder transactions = new LongAdder();
    private final LongAdder rollbacks = new LongAdder();
    private final LongAdder retries = new LongAdder();

    WorkloadCounts() {}

    /** Rows inserted, updated and deleted, cascades included. */
    public long rows() {
        return rows.values().stream().mapToLong(LongAdder::sum).sum();
    }

    /** The same by table, in the tables' order. */
    public Map<TableId, Long> rowsByTable() {
        Map<TableId, Long> sums = new TreeMap<>();
        rows.forEach((table, sum) -> sums.put(table, sum.sum()));
        return sums;
    }

    /** Those that changed any row. */
    public long transactions() {
        return transactions.sum();
    }

    /** Transactions rolled back on purpose. */
    public long rollbacks() {
        return rollbacks.sum();
    }

    /** Transactions made again after a deadlock, a serialization failure or a lost connection. */
    public long retries() {
        return retries.sum();
    }

    void committed(Map<TableId, Integer> counts) {
        counts.forEach((table, count) -> rows.computeIfAbsent(table, t -> new LongAdder()).add(count));
        if (counts.values().stream().anyMatch(count -> count > 0)) {
            transactions.increment();
        }
    }

    void rolledBack() {
        rollbacks.increment();
    }

    void retried() {
        retries.increment();
    }
}
