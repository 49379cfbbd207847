package dev.sluice.reconciler;

import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Databases;
import dev.sluice.config.TextForm;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/** Connections that read a database in one snapshot, and what becomes of their failures. */
final class Snapshots {
    /**
     * What texts depend on, the same on both sides. Types of other schemas are printed with theirs, since the search
     * path has none.
     */
    private static final String SETTINGS =
            TextForm.sql()
                    + """
            SET search_path = pg_catalog;
            SET xmloption = 'content';
            SET quote_all_identifiers = off;
            SET standard_conforming_strings = on;
            SET statement_timeout = 0;
            SET jit = off;
            """;

    private Snapshots() {}

    static Connection open(DatabaseConfig database) throws SQLException {
        Connection connection = connect(database);
        try (Statement statement = connection.createStatement()) {
            statement.execute(SETTINGS);
            connection.setReadOnly(true);
            connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
            connection.setAutoCommit(false);
            return connection;
        } catch (SQLException e) {
            connection.close();
            throw e;
        }
    }

    private static Connection connect(DatabaseConfig database) throws SQLException {
        try {
            return Databases.connect(patient(database), "sluice-compare");
        } catch (SQLException e) {
            if (!Databases.isAccessRefused(String.valueOf(e.getSQLState()))) {
                throw e;
            }
            String role = database.role();
            throw new Failure.Fatal(
                    Stop.ACCESS,
                    "%s %s: %s".formatted(role, database.address(), e.getMessage()),
                    "correct %s.user and %s.password (or SLUICE_%s_PASSWORD), or allow the role to log in"
                            .formatted(role, role, role.toUpperCase(Locale.ROOT)),
                    e);
        }
    }

    /** A server that sorts a large table says nothing for long. */
    private static DatabaseConfig patient(DatabaseConfig database) {
        Map<String, String> properties = new HashMap<>(database.properties());
        properties.putIfAbsent("socketTimeout", "0");
        return new DatabaseConfig(
                database.role(),
                database.host(),
                database.port(),
                database.database(),
                database.user(),
                database.password(),
                database.sslMode(),
                properties);
    }

    static Failure translate(SQLException e) {
        String state = String.valueOf(e.getSQLState());
        String message = "could not compare: " + Databases.reason(e);
        if (state.startsWith("08") || state.startsWith("57P") || state.startsWith("53")) {
            return new Failure.Retryable(message, e);
        }
        if (state.equals("42501")) {
            return new Failure.Fatal(Stop.SETUP, message, "grant SELECT on the tables", e);
        }
        if (state.equals("3F000") || state.equals("42P01") && e.getMessage().contains("\"sluice.")) {
            return new Failure.Fatal(Stop.SETUP, message, "start `sluice apply`: it makes schema sluice", e);
        }
        return new Failure.Fatal(Stop.FAILED, message, "see the server's message", e);
    }
}
