package dev.sluice.reconciler;

import dev.sluice.schemas.TableId;
import java.sql.SQLException;
import java.util.Collection;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.postgresql.core.Utils;

/**
 * Which rows of a table are meant, by their keys. The values are literals and no parameters: expressions of the mapping stand in the
 * same statements, and an operator of theirs may be a question mark.
 */
interface RowCondition {
    RowCondition ALL = (columns, types) -> "";

    /**
     * A WHERE clause, for a session with {@code standard_conforming_strings}.
     *
     * @param columns of the key on one side
     * @param types of these columns there
     */
    String sql(List<String> columns, List<String> types);

    /** A text as SQL writes it. */
    static String literal(String text) {
        try {
            return "'" + Utils.escapeLiteral(null, text, true) + "'";
        } catch (SQLException e) {
            throw new IllegalArgumentException("a key that PostgreSQL cannot have", e);
        }
    }

    /** Rows with one of these keys. */
    record Keys(Collection<List<String>> keys, int width) implements RowCondition {
        @Override
        public String sql(List<String> columns, List<String> types) {
            List<String> names = IntStream.range(0, width).mapToObj(i -> "k" + i).toList();
            return "\nWHERE (%s) IN (SELECT %s FROM unnest(%s) AS asked(%s))"
                    .formatted(
                            columns.stream().map(TableId::quote).collect(Collectors.joining(", ")),
                            IntStream.range(0, width)
                                    .mapToObj(i -> names.get(i) + "::" + types.get(i))
                                    .collect(Collectors.joining(", ")),
                            IntStream.range(0, width).mapToObj(this::values).collect(Collectors.joining(", ")),
                            String.join(", ", names));
        }

        private String values(int column) {
            return keys.stream()
                    .map(key -> literal(key.get(column)))
                    .collect(Collectors.joining(", ", "ARRAY[", "]::text[]"));
        }
    }

    /** Rows that both conditions mean. */
    record Both(RowCondition one, RowCondition other) implements RowCondition {
        @Override
        public String sql(List<String> columns, List<String> types) {
            String first = one.sql(columns, types);
            String second = other.sql(columns, types);
            return first.isEmpty() || second.isEmpty() ? first + second : first + "\n  AND " + second.substring("\nWHERE ".length());
        }
    }
}
