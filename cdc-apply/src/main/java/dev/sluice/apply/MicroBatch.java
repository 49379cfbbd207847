package dev.sluice.apply;

import dev.sluice.apply.RowChange.Key;
import dev.sluice.apply.RowChange.Kind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Changes in lane order, folded to the last state of each key.
 *
 * <p>The order of different rows is given up, which is what makes sets of them; whether the result can be written set
 * by set is for the target's constraints to say. A truncation or a change of key keeps its place: what came before it is
 * written before it. What cannot be folded without knowing the row in the target makes {@link #fold} empty.
 *
 * <p>Threads: one.
 */
final class MicroBatch {
    private MicroBatch() {}

    /**
     * One step of writing a batch: truncations, then changes of key in order, then the rows that follow them, and those of
     * tables without a key, in order.
     */
    record Step(
            Set<TargetTable> truncated, List<RowChange> moves, Map<TargetTable, Rows> rows, List<RowChange> keyless) {
        Step() {
            this(new LinkedHashSet<>(), new ArrayList<>(), new LinkedHashMap<>(), new ArrayList<>());
        }

        private boolean hasRows() {
            return !rows.isEmpty() || !keyless.isEmpty();
        }
    }

    /** What becomes of one table's rows. */
    static final class Rows {
        private final Map<Key, RowChange> byKey = new LinkedHashMap<>();

        List<RowChange> of(Kind kind) {
            List<RowChange> some = new ArrayList<>();
            for (RowChange change : byKey.values()) {
                if (change.kind() == kind) {
                    some.add(change);
                }
            }
            return some;
        }
    }

    /** The changes as sets, step by step; empty if one of them needs the order it came in. */
    static Optional<List<Step>> fold(List<RowChange> changes) {
        List<Step> steps = new ArrayList<>();
        Step step = new Step();
        steps.add(step);
        for (RowChange change : changes) {
            if (change.kind() == Kind.TRUNCATE || change.kind() == Kind.MOVE) {
                boolean truncates = change.kind() == Kind.TRUNCATE;
                if (step.hasRows() || truncates && !step.moves().isEmpty()) {
                    step = new Step();
                    steps.add(step);
                }
                if (truncates) {
                    step.truncated().add(change.table());
                } else {
                    step.moves().add(change);
                }
            } else if (change.kind() == Kind.ROW) {
                step.keyless().add(change);
            } else if (!fold(step.rows().computeIfAbsent(change.table(), t -> new Rows()), change)) {
                return Optional.empty();
            }
        }
        return Optional.of(steps);
    }

    private static boolean fold(Rows rows, RowChange change) {
        RowChange before = rows.byKey.get(change.key());
        switch (change.kind()) {
            case UPSERT, DELETE -> rows.byKey.put(change.key(), change);
            case PATCH -> {
                if (before != null && before.kind() == Kind.DELETE) {
                    return false;
                }
                rows.byKey.put(change.key(), before == null ? change : merged(before, change));
            }
            default -> {
                return false;
            }
        }
        return true;
    }

    /** The columns of {@code later}, and those of {@code before} where it does not say. */
    private static RowChange merged(RowChange before, RowChange later) {
        String[] values = new String[Math.max(before.values().length, later.values().length)];
        for (int place = 0; place < values.length; place++) {
            String value = later.value(place);
            values[place] = RowChange.isAbsent(value) ? before.value(place) : value;
        }
        return new RowChange(later.table(), before.kind(), later.key(), values, null);
    }
}
