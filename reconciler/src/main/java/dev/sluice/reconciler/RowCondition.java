package dev.sluice.reconciler;

import dev.sluice.schemas.TableId;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Which rows of a table are meant, by their keys. The values are parameters, arrays of texts. */
interface RowCondition {
    RowCondition ALL = new RowCondition() {
        @Override
        public String sql(List<String> columns, List<String> types) {
            return "";
        }

        @Override
        public List<String[]> parameters() {
            return List.of();
        }
    };

    /**
     * A WHERE clause.
     *
     * @param columns of the key on one side
     * @param types of these columns there
     */
    String sql(List<String> columns, List<String> types);

    List<String[]> parameters();

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
                            names.stream().map(name -> "?::text[]").collect(Collectors.joining(", ")),
                            String.join(", ", names));
        }

        @Override
        public List<String[]> parameters() {
            List<String[]> arrays = new ArrayList<>();
            for (int i = 0; i < width; i++) {
                int column = i;
                arrays.add(keys.stream().map(key -> key.get(column)).toArray(String[]::new));
            }
            return arrays;
        }
    }

    /** Rows that both conditions mean. */
    record Both(RowCondition one, RowCondition other) implements RowCondition {
        @Override
        public String sql(List<String> columns, List<String> types) {
            String first = one.sql(columns, types);
            String second = other.sql(columns, types);
            return first.isEmpty() || second.isEmpty() ? first + second : first + second.replace("\nWHERE ", "\n  AND ");
        }

        @Override
        public List<String[]> parameters() {
            List<String[]> all = new ArrayList<>(one.parameters());
            all.addAll(other.parameters());
            return all;
        }
    }
}
