package dev.sluice.reconciler;

import dev.sluice.schemas.TableId;
import java.util.ArrayList;
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
            parts.add(compared(columns, types, ">=", from));
        }
        if (to != null) {
            parts.add(compared(columns, types, "<", to));
        }
        return parts.isEmpty() ? "" : "\nWHERE " + String.join("\n  AND ", parts);
    }

    private static String compared(List<String> columns, List<String> types, String operator, List<String> border) {
        return "(%s) %s (%s)".formatted(
                columns.stream().map(TableId::quote).collect(Collectors.joining(", ")),
                operator,
                IntStream.range(0, columns.size())
                        .mapToObj(i -> RowCondition.literal(border.get(i)) + "::" + types.get(i))
                        .collect(Collectors.joining(", ")));
    }
}
