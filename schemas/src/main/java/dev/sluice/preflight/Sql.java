package dev.sluice.preflight;

import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.stream.Collectors;

/** Asks the catalog; parameters are texts and lists of texts. */
final class Sql {

    /**
     * The tables of two parameters, {@link #schemas} and {@link #names}, as {@code n} and {@code c}; to follow a
     * SELECT list.
     */
    static final String OF_TABLES =
            """

            FROM unnest(?::text[], ?::text[]) AS wanted (schema_name, table_name)
            JOIN pg_catalog.pg_namespace n ON n.nspname = wanted.schema_name
            JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.table_name
            """;

    interface RowReader<T> {
        T read(ResultSet row) throws SQLException;
    }

    private Sql() {}

    static <T> List<T> list(Connection connection, String sql, RowReader<T> reader, Object... parameters)
            throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int i = 0; i < parameters.length; i++) {
                if (parameters[i] instanceof Collection<?> texts) {
                    statement.setArray(i + 1, connection.createArrayOf("text", texts.toArray()));
                } else {
                    statement.setString(i + 1, (String) parameters[i]);
                }
            }
            List<T> result = new ArrayList<>();
            try (ResultSet rows = statement.executeQuery()) {
                while (rows.next()) {
                    result.add(reader.read(rows));
                }
            }
            return result;
        }
    }

    /** The only row of a query that always has one. */
    static <T> T one(Connection connection, String sql, RowReader<T> reader, Object... parameters) throws SQLException {
        return list(connection, sql, reader, parameters).get(0);
    }

    static List<String> schemas(Collection<TableId> tables) {
        return tables.stream().map(TableId::schema).toList();
    }

    static List<String> names(Collection<TableId> tables) {
        return tables.stream().map(TableId::table).toList();
    }

    static TableId table(ResultSet row, int first) throws SQLException {
        return new TableId(row.getString(first), row.getString(first + 1));
    }

    static List<String> texts(ResultSet row, int column) throws SQLException {
        return List.of((String[]) row.getArray(column).getArray());
    }

    static String quoted(Collection<String> identifiers) {
        return identifiers.stream().map(TableId::quote).collect(Collectors.joining(", "));
    }

    static String quotedTables(Collection<TableId> tables) {
        return tables.stream().map(TableId::quoted).collect(Collectors.joining(", "));
    }

    static String literal(String text) {
        return "'" + text.replace("'", "''") + "'";
    }
}
