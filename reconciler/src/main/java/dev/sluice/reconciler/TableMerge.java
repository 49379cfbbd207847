package dev.sluice.reconciler;

import dev.sluice.divergence.Divergence;
import dev.sluice.reconciler.RowDifference.Kind;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.StringJoiner;
import java.util.function.Consumer;
import java.util.function.Predicate;

/** Walks through both sides of one table in the order of their keys and counts what is not the same. */
final class TableMerge {
    private final ComparedTable table;
    private final RowStream source;
    private final RowStream target;
    private final Consumer<Divergence> divergences;
    private final Map<Kind, Long> counts = new EnumMap<>(Kind.class);
    private final List<RowDifference> differences = new ArrayList<>();
    private final Predicate<List<String>> isLeftOut;
    private long sourceRows;
    private long targetRows;

    TableMerge(ComparedTable table, RowStream source, RowStream target, Consumer<Divergence> divergences) {
        this(table, source, target, divergences, key -> false);
    }

    /** @param isLeftOut of a key: its row says nothing; rows of tables without a key are all compared */
    TableMerge(
            ComparedTable table,
            RowStream source,
            RowStream target,
            Consumer<Divergence> divergences,
            Predicate<List<String>> isLeftOut) {
        this.isLeftOut = isLeftOut;
        this.table = table;
        this.source = source;
        this.target = target;
        this.divergences = divergences;
    }

    TableComparison run() throws SQLException {
        if (table.hasKey()) {
            mergeRows();
        } else {
            mergeDigests();
        }
        return new TableComparison(
                table.mapping().source(),
                table.mapping().target(),
                sourceRows,
                targetRows,
                counts.getOrDefault(Kind.MISSING, 0L),
                counts.getOrDefault(Kind.EXTRA, 0L),
                counts.getOrDefault(Kind.DIFFERING, 0L),
                List.copyOf(differences),
                table.notCompared());
    }

    private void mergeRows() throws SQLException {
        int keyWidth = table.key().size();
        while (true) {
            leaveOut(source, keyWidth);
            leaveOut(target, keyWidth);
            if (!source.hasRow() && !target.hasRow()) {
                break;
            }
            int order = RowStream.compareKeys(source, target, keyWidth);
            if (order < 0) {
                found(Kind.MISSING, source, List.of());
                source.next();
            } else if (order > 0) {
                found(Kind.EXTRA, target, List.of());
                target.next();
            } else {
                compareValues(keyWidth);
                source.next();
                target.next();
            }
        }
        sourceRows = source.count();
        targetRows = target.count();
    }

    private void leaveOut(RowStream rows, int keyWidth) throws SQLException {
        while (rows.hasRow() && isLeftOut.test(rows.key(keyWidth))) {
            rows.next();
        }
    }

    private void compareValues(int keyWidth) {
        List<String> columns = new ArrayList<>();
        for (int i = 0; i < table.columns().size(); i++) {
            if (!Objects.equals(source.row()[keyWidth + i], target.row()[keyWidth + i])) {
                columns.add(table.columns().get(i));
            }
        }
        if (!columns.isEmpty()) {
            found(Kind.DIFFERING, source, columns);
        }
    }

    /** A digest stands for any number of equal rows, so each row of the stream is a digest and its number of rows. */
    private void mergeDigests() throws SQLException {
        while (source.hasRow() || target.hasRow()) {
            int order = RowStream.compareKeys(source, target, 1);
            long here = order <= 0 ? Long.parseLong(source.row()[1]) : 0;
            long there = order >= 0 ? Long.parseLong(target.row()[1]) : 0;
            String key = "row of digest " + (order <= 0 ? source : target).row()[0].substring(0, 16);
            if (here > there) {
                count(Kind.MISSING, here - there, key, List.of());
            } else if (there > here) {
                count(Kind.EXTRA, there - here, key, List.of());
            }
            sourceRows += here;
            targetRows += there;
            if (order <= 0) {
                source.next();
            }
            if (order >= 0) {
                target.next();
            }
        }
    }

    private void found(Kind kind, RowStream stream, List<String> columns) {
        List<String> key = stream.key(table.key().size());
        divergences.accept(new Divergence(stored(kind), List.copyOf(key), columns));
        count(kind, 1, text(table.key(), key), columns);
    }

    private static Divergence.Kind stored(Kind kind) {
        return switch (kind) {
            case MISSING -> Divergence.Kind.MISSING;
            case EXTRA -> Divergence.Kind.EXTRA;
            case DIFFERING -> Divergence.Kind.DIFFERENT;
        };
    }

    private void count(Kind kind, long rows, String key, List<String> columns) {
        long before = counts.getOrDefault(kind, 0L);
        counts.put(kind, before + rows);
        if (before < RowComparison.LISTED) {
            differences.add(new RowDifference(kind, key, columns));
        }
    }

    /** {@code order_id=3, line_no=1} */
    static String text(List<String> names, List<String> values) {
        StringJoiner text = new StringJoiner(", ");
        for (int i = 0; i < values.size(); i++) {
            text.add(names.get(i) + "=" + values.get(i));
        }
        return text.toString();
    }
}
