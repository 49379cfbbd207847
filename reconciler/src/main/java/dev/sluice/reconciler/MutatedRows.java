package dev.sluice.reconciler;

import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/** Two rows of one side with one too few, one too many, and with the keys of both swapped: digest and rows must look otherwise. */
record MutatedRows(ComparedSide side) {
    private static final List<String> WHAT = List.of("", "a missing row", "a row that is there twice", "two rows whose values are swapped");

    /** What the comparison does not see; empty if it sees everything, or the table has fewer than two rows. */
    Optional<String> unseen(Connection connection, long seed) throws SQLException {
        if (side.columns().isEmpty()) {
            return Optional.empty();
        }
        List<List<String>> looks = new ArrayList<>();
        boolean isSwapped = false;
        try (Statement query = connection.createStatement();
                ResultSet row = query.executeQuery(sql(seed))) {
            while (row.next()) {
                if (row.getInt(2) < 2) {
                    return Optional.empty();
                }
                isSwapped = row.getBoolean(3);
                looks.add(List.of(row.getString(4) + " " + row.getString(5) + " " + row.getString(6), row.getString(7)));
            }
        }
        for (int i = 1; i < (isSwapped ? looks.size() : looks.size() - 1); i++) {
            for (int part = 0; part < 2; part++) {
                if (looks.get(i).get(part).equals(looks.get(0).get(part))) {
                    return Optional.of(WHAT.get(i));
                }
            }
        }
        return Optional.empty();
    }

    /** Rows of: number of what is tried, how many rows there are, whether swapping changes them, the digest, all rows as one text. */
    private String sql(long seed) {
        String number = "n";
        while (side.columns().contains(number)) {
            number += "_";
        }
        List<String> moved = side.hasKey() ? side.key() : side.columns().subList(0, 1);
        List<String> others = side.columns().stream().filter(column -> !moved.contains(column)).toList();
        String columns = quoted(side.columns(), "");
        String two = "SELECT %s FROM two".formatted(columns);
        List<String> states = List.of(
                two,
                two + " WHERE " + number + " = 1",
                two + " UNION ALL " + two + " WHERE " + number + " = 2",
                "SELECT %s FROM two AS one JOIN two AS other ON one.%2$s <> other.%2$s".formatted(swapped(moved), number));
        List<String> looks = new ArrayList<>();
        for (String state : states) {
            String rows = "(%s) AS changed".formatted(state);
            looks.add("SELECT %d AS what, d.*, (SELECT string_agg(r::text, '') FROM (%s) AS r) AS rows FROM (%s) AS d"
                    .formatted(looks.size(), side.rowsSql(rows), side.digestSql(rows, seed)));
        }
        return """
                WITH two AS MATERIALIZED (
                    SELECT row_number() OVER () AS %1$s, first.* FROM (SELECT %2$s FROM %3$s LIMIT 2) AS first),
                about AS (
                    SELECT count(*) AS found, count(DISTINCT ROW(%4$s)::text) = 2 AND count(DISTINCT ROW(%5$s)::text) = 2 AS differ
                    FROM two)
                SELECT looks.what, about.found, about.differ, d1, d2, d3, looks.rows
                FROM about, (%6$s) AS looks (what, d1, d2, d3, rows)
                ORDER BY 1"""
                .formatted(
                        number, columns, side.table().quoted(), quoted(moved, ""), quoted(others, ""), String.join("\nUNION ALL ", looks));
    }

    private String swapped(List<String> moved) {
        return side.columns().stream()
                .map(column -> (moved.contains(column) ? "one." : "other.") + TableId.quote(column))
                .collect(Collectors.joining(", "));
    }

    private static String quoted(List<String> columns, String of) {
        return columns.stream().map(column -> of + TableId.quote(column)).collect(Collectors.joining(", "));
    }
}
