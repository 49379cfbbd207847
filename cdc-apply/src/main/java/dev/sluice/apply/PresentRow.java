package dev.sluice.apply;

import dev.sluice.catalog.Catalog;
import dev.sluice.catalog.Column;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Databases;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A row as one of the databases has it at this moment, wherever the lane is.
 *
 * @param values texts by column; empty if there is no such row, or if it could not be looked at
 * @param trouble why it could not be looked at; empty if it could
 */
public record PresentRow(Optional<Map<String, String>> values, String trouble) {

    /** @param keyColumns names that the side has */
    public static PresentRow read(DatabaseConfig side, TableId table, List<String> keyColumns, List<String> key) {
        try (Connection connection = Databases.connectBriefly(side, "sluice-command")) {
            SourceSql.prepare(connection);
            TableShape shape = Catalog.read(connection, List.of(table)).get(table);
            if (shape == null) {
                return new PresentRow(Optional.empty(), "there is no table " + table);
            }
            for (String column : keyColumns) {
                if (shape.column(column).isEmpty()) {
                    return new PresentRow(Optional.empty(), "table %s has no column '%s'".formatted(table, column));
                }
            }
            return new PresentRow(read(connection, table, shape, keyColumns, key), "");
        } catch (SQLException e) {
            return new PresentRow(Optional.empty(), "%s: %s".formatted(side.address(), TargetFailures.message(e)));
        }
    }

    private static Optional<Map<String, String>> read(
            Connection side, TableId table, TableShape shape, List<String> keyColumns, List<String> key) throws SQLException {
        Map<Integer, ColumnType> types =
                ColumnType.read(side, shape.columns().stream().map(Column::typeOid).toList());
        List<String> columns = shape.columns().stream().map(Column::name).toList();
        String sql = "SELECT " + String.join(", ", columns.stream().map(name -> TableId.quote(name) + "::text").toList())
                + " FROM " + table.quoted() + " WHERE " + ColumnType.matches(keyColumns, shape, types);
        try (PreparedStatement query = side.prepareStatement(sql)) {
            for (int i = 0; i < key.size(); i++) {
                query.setString(i + 1, key.get(i));
            }
            try (ResultSet row = query.executeQuery()) {
                if (!row.next()) {
                    return Optional.empty();
                }
                Map<String, String> values = new LinkedHashMap<>();
                for (int i = 0; i < columns.size(); i++) {
                    values.put(columns.get(i), row.getString(i + 1));
                }
                return Optional.of(values);
            }
        }
    }
}
