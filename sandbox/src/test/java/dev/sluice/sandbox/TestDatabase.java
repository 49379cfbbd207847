package dev.sluice.sandbox;

import dev.sluice.config.DatabaseConfig;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

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
