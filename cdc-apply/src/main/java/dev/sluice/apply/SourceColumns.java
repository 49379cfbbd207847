package dev.sluice.apply;

import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Which columns the rows of each source table had when they were last applied, kept in the target: what the source's catalog
 * says today is not what a change of yesterday has.
 *
 * <p>Threads: one.
 */
final class SourceColumns {
    private final String lane;

    /**
     * @param all as they came
     * @param ignored those of them that the target did not have when they first came, and that are left out
     */
    record Columns(Set<String> all, Set<String> ignored) {}

    /** @param lane unique in the target: pipeline and lane */
    SourceColumns(String lane) {
        this.lane = lane;
    }

    /** By source table; a table of which nothing was ever applied is missing. */
    Map<TableId, Columns> read(Connection target) throws SQLException {
        Map<TableId, Columns> tables = new HashMap<>();
        try (PreparedStatement query = target.prepareStatement(
                "SELECT source_schema, source_table, columns, ignored FROM sluice.source_columns WHERE lane = ?")) {
            query.setString(1, lane);
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    tables.put(
                            new TableId(row.getString(1), row.getString(2)), new Columns(texts(row, 3), texts(row, 4)));
                }
            }
        }
        return tables;
    }

    private static Set<String> texts(ResultSet row, int column) throws SQLException {
        return new LinkedHashSet<>(List.of((String[]) row.getArray(column).getArray()));
    }

    /** Within the caller's transaction. */
    void save(Connection target, TableId table, Columns columns) throws SQLException {
        try (PreparedStatement save = target.prepareStatement(
                """
                INSERT INTO sluice.source_columns (lane, source_schema, source_table, columns, ignored)
                VALUES (?, ?, ?, ?, ?)
                ON CONFLICT (lane, source_schema, source_table)
                DO UPDATE SET columns = EXCLUDED.columns, ignored = EXCLUDED.ignored""")) {
            save.setString(1, lane);
            save.setString(2, table.schema());
            save.setString(3, table.table());
            save.setArray(4, target.createArrayOf("text", columns.all().toArray()));
            save.setArray(5, target.createArrayOf("text", columns.ignored().toArray()));
            save.executeUpdate();
        }
    }
}
