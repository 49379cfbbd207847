package dev.sluice.reconciler;

import dev.sluice.reconciler.ComparedSide.Value;
import dev.sluice.schemas.TableId;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * The statement that shows a sample row to the comparison of one side, once as it is and once with each mutation of one column.
 *
 * @param types of the side's columns
 */
record MutatedSample(ComparedSide side, Map<String, ColumnType> types) {
    static final int LOOKED_AT = 1_000;

    /** Of a sample row, as it is stored. */
    private static final int MOST_BYTES = 1_000_000;

    /**
     * Gives rows of: number, what the value really is, the three numbers of the digest, and the texts of the row. The first is the
     * sample; none if the table has no value and none can be made up.
     */
    String sql(Value value, String column, List<Mutations> all, long seed) {
        String quoted = TableId.quote(column);
        List<String> values = new ArrayList<>();
        values.add("s." + quoted + "::" + types.get(column).name());
        all.forEach(mutations -> values.addAll(mutations.values()));
        String numbered = IntStream.range(0, values.size())
                .mapToObj(i -> "(%d, %s)".formatted(i, values.get(i)))
                .collect(Collectors.joining(",\n    "));
        String changed = "(SELECT %s) AS changed".formatted(side.columns().stream()
                .map(name -> name.equals(column) ? "m.value AS " + quoted : "s." + TableId.quote(name))
                .collect(Collectors.joining(", ")));
        return """
                SELECT m.n, %s, d.*, r.*
                FROM (%s) AS s
                CROSS JOIN LATERAL (VALUES
                    %s) AS m(n, value)
                CROSS JOIN LATERAL (
                %s) AS d
                CROSS JOIN LATERAL (
                %s) AS r
                ORDER BY m.n"""
                .formatted(really("m.value"), sample(value, column), numbered, side.digestSql(changed, seed), side.rowsSql(changed));
    }

    /** The sample's value, for {@link Mutations}. */
    String sampled(String column) {
        return "s." + TableId.quote(column);
    }

    /** Another value of the table, or NULL. */
    String other(String column) {
        String quoted = TableId.quote(column);
        return "SELECT %1$s FROM %2$s WHERE pg_column_size(%1$s) < %3$d AND concat(%1$s) <> concat(%4$s) LIMIT 1"
                .formatted(quoted, first(quoted), MOST_BYTES / 10, sampled(column));
    }

    /** By the type's output function, which the stream goes through too; no cast takes its place. */
    private static String really(String value) {
        return "CASE WHEN %1$s IS NOT DISTINCT FROM NULL THEN '' ELSE encode(sha256(convert_to(concat(%1$s), 'UTF8')), 'hex') END"
                .formatted(value);
    }

    /** A row with a value in the column; else one that is made up. */
    private String sample(Value value, String column) {
        String found = "SELECT %s FROM %s WHERE %s IS DISTINCT FROM NULL AND %s < %d LIMIT 1"
                .formatted(columns(), first(columns()), TableId.quote(column), bytes(), MOST_BYTES);
        Optional<String> literal = Mutations.madeUp(types.get(column));
        if (value.only().isPresent()) {
            return "SELECT " + madeUp(column, value.only().get());
        }
        return literal.isEmpty()
                ? found
                : "(%1$s) UNION ALL SELECT %2$s WHERE NOT EXISTS (%1$s)".formatted(found, madeUp(column, literal.get()));
    }

    private String madeUp(String column, String literal) {
        return side.columns().stream()
                .map(name -> (name.equals(column) ? literal : types.get(name).nothing()) + " AS " + TableId.quote(name))
                .collect(Collectors.joining(", "));
    }

    private String columns() {
        return side.columns().stream().map(TableId::quote).collect(Collectors.joining(", "));
    }

    private String bytes() {
        return side.columns().stream()
                .map(name -> "coalesce(pg_column_size(" + TableId.quote(name) + "), 0)::int8")
                .collect(Collectors.joining(" + "));
    }

    private String first(String columns) {
        return "(SELECT %s FROM %s LIMIT %d) AS first".formatted(columns, side.table().quoted(), LOOKED_AT);
    }
}
