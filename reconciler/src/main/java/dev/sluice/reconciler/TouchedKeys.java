package dev.sluice.reconciler;

import dev.sluice.schemas.TableId;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The rows that the stream has touched and that have not been compared since: each once, however often it was touched.
 *
 * <p>Memory: {@value #MOST} keys at most. Where that is not enough, and where nobody can tell which row was touched, the table as a
 * whole is dirty until it has been compared.
 *
 * <p>Threads: one.
 */
final class TouchedKeys implements TouchLog.Listener {
    static final int MOST = 300_000;

    private final Map<TableId, Map<String, Span>> pending = new LinkedHashMap<>();
    /** Since which number. */
    private final Map<TableId, Long> dirty = new HashMap<>();
    /** Those that have become dirty since their comparison began. */
    private final Set<TableId> dirtyAgain = new HashSet<>();

    private int size;

    /** Events of a row that have not been verified: from one number of the lane to another. */
    private static final class Span {
        private long first;
        private long last;
        private int looks;

        Span(long seq) {
            first = seq;
            last = seq;
        }
    }

    TouchedKeys(Collection<TableId> tables) {
        tables.forEach(table -> pending.put(table, new LinkedHashMap<>()));
    }

    @Override
    public void touched(Touch touch) {
        if (touch.key().isEmpty()) {
            soil(touch.table(), touch.seq());
        }
        touch.keys().forEach(key -> add(touch.table(), key, touch.seq()));
    }

    private void add(TableId table, String key, long seq) {
        Map<String, Span> keys = pending.get(table);
        int before = keys.size();
        Span span = keys.computeIfAbsent(key, k -> new Span(seq));
        span.last = Math.max(span.last, seq);
        size += keys.size() - before;
        if (size > MOST) {
            forget(largest());
        }
    }

    private TableId largest() {
        return pending.entrySet().stream()
                .max(Comparator.comparingInt(keys -> keys.getValue().size()))
                .orElseThrow()
                .getKey();
    }

    /** Its keys say nothing any more; it is dirty. */
    void forget(TableId table) {
        Map<String, Span> keys = pending.get(table);
        soil(table, keys.values().stream().mapToLong(span -> span.first).min().orElse(0));
        size -= keys.size();
        keys.clear();
    }

    /** Every table is dirty. */
    @Override
    public void gap() {
        pending.keySet().forEach(table -> soil(table, 0));
    }

    private void soil(TableId table, long seq) {
        dirty.merge(table, seq, Math::min);
        dirtyAgain.add(table);
    }

    boolean isDirty(TableId table) {
        return dirty.containsKey(table);
    }

    /** The comparison of all of its rows begins. */
    void cleaning(TableId table) {
        dirtyAgain.remove(table);
    }

    /** It has been compared as a whole; what has made it dirty meanwhile stays. */
    void clean(TableId table) {
        if (!dirtyAgain.contains(table)) {
            dirty.remove(table);
        }
    }

    boolean isAnyOf(TableId table) {
        return !pending.get(table).isEmpty();
    }

    /**
     * Those whose every event the target has, and that are not in flight; the longest known first.
     *
     * @param applied number of the target's last event
     */
    List<String> due(TableId table, InFlight now, long applied, int most) {
        List<String> due = new ArrayList<>();
        Set<String> inFlight = now.keys(table);
        for (Map.Entry<String, Span> entry : pending.get(table).entrySet()) {
            if (entry.getValue().last <= applied && !inFlight.contains(entry.getKey())) {
                due.add(entry.getKey());
                if (due.size() == most) {
                    break;
                }
            }
        }
        return due;
    }

    /** Those that were never at rest in so many looks; they count as looked at once more. */
    List<String> hot(TableId table, int looks, long applied, int most) {
        List<String> hot = new ArrayList<>();
        pending.get(table).forEach((key, span) -> {
            if (span.first <= applied && ++span.looks > looks && hot.size() < most) {
                hot.add(key);
            }
        });
        return hot;
    }

    /** Its row has been compared, with all events up to a number. */
    void verified(TableId table, String key, long applied) {
        Map<String, Span> keys = pending.get(table);
        Span span = keys.get(key);
        if (span == null) {
            return;
        }
        if (span.last <= applied) {
            keys.remove(key);
            size--;
        } else {
            span.first = Math.max(span.first, applied + 1);
            span.looks = 0;
        }
    }

    /** All numbers below it have been verified. */
    long firstPending() {
        long first = dirty.values().stream().mapToLong(Long::longValue).min().orElse(Long.MAX_VALUE);
        for (Map<String, Span> keys : pending.values()) {
            for (Span span : keys.values()) {
                first = Math.min(first, span.first);
            }
        }
        return first;
    }

    int size(TableId table) {
        return pending.get(table).size();
    }

    int size() {
        return size;
    }
}
