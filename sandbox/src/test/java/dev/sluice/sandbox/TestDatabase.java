package dev.sluice.sandbox;

import dev.sluice.config.DatabaseConfig;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;

/** One database of a test, with a connection of its own for every statement, so that servers may come and go. */
record TestDatabase(PostgresServer server, String name) {

    static TestDatabase create(PostgresServer server, String name) {
        server.createDatabase(name);
        return new TestDatabase(server, name);
    }

    DatabaseConfig config(String role) {
        return server.config(role, name);
    }

    /** Several statements in one text are one transaction. */
    void execute(String sql) {
        try (Connection connection = server.connect(name);
                Statement statement = connection.createStatement()) {
            statement.execute(sql);
        } catch (SQLException e) {
            throw new IllegalStateException(name + ": " + sql, e);
        }
    }

    /** Every table, partitions under their root only, by schema and name. */
    List<TableId> tables() {
        List<TableId> tables = new ArrayList<>();
        try (Connection connection = server.connect(name);
                Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery(
                        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                                + " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition"
                                + " AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2")) {
            while (row.next()) {
                tables.add(new TableId(row.getString(1), row.getString(2)));
            }
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        }
        return tables;
    }

    /** The first value of the first row as text; {@code ""} if there is none. */
    String ask(String sql) {
        try (Connection connection = server.connect(name);
                Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery(sql)) {
            String value = row.next() ? row.getString(1) : null;
            return value == null ? "" : value;
        } catch (SQLException e) {
            throw new IllegalStateException(name + ": " + sql, e);
        }
    }
}
