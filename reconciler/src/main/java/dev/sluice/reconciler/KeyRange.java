package dev.sluice.reconciler;

import dev.sluice.schemas.TableId;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Rows whose keys lie between two borders, by the order of the key's types.
 *
 * @param from the first key; null if there is none below
 * @param to behind the last key; null if there is none above
 */
record KeyRange(List<String> from, List<String> to) implements RowCondition {
    static final KeyRange ALL = new KeyRange(null, null);

    @Override
    public String sql(List<String> columns, List<String> types) {
        List<String> parts = new ArrayList<>();
        if (from != null) {
            parts.add(compared(columns, types, ">="));
        }
        if (to != null) {
            parts.add(compared(columns, types, "<"));
        }
        return parts.isEmpty() ? "" : "\nWHERE " + String.join("\n  AND ", parts);
    }

    private static String compared(List<String> columns, List<String> types, String operator) {
        return "(%s) %s (%s)".formatted(
                columns.stream().map(TableId::quote).collect(Collectors.joining(", ")),
                operator,
                IntStream.range(0, columns.size())
                        .mapToObj(i -> "(?::text[])[" + (i + 1) + "]::" + types.get(i))
                        .collect(Collectors.joining(", ")));
    }

    /** Each column's value takes the whole border. */
    @Override
    public List<String[]> parameters() {
        List<String[]> arrays = new ArrayList<>();
        for (List<String> border : Arrays.asList(from, to)) {
            if (border != null) {
                border.forEach(value -> arrays.add(border.toArray(new String[0])));
            }
        }
        return arrays;
    }
}
