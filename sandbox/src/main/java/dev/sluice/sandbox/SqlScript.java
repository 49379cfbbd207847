package dev.sluice.sandbox;

import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Databases;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/** The {@code .sql} files beside this class. */
final class SqlScript {
    private SqlScript() {}

    /** Runs the file in one transaction unless {@code relation}, which it makes, is there. */
    static void runUnlessThere(DatabaseConfig database, String file, String relation) {
        try (Connection connection = Databases.connect(database, "sandbox");
                Statement statement = connection.createStatement()) {
            if (!exists(connection, relation)) {
                statement.execute(text(file));
            }
        } catch (SQLException e) {
            throw new IllegalStateException("could not run %s in %s".formatted(file, database.address()), e);
        }
    }

    /** Runs the file, where {@code :rows} stands for a number. */
    static void run(DatabaseConfig database, String file, int rows) {
        try (Connection connection = Databases.connect(database, "sandbox");
                Statement statement = connection.createStatement()) {
            statement.execute(text(file).replace(":rows", Integer.toString(rows)));
        } catch (SQLException e) {
            throw new IllegalStateException("could not run %s in %s".formatted(file, database.address()), e);
        }
    }

    private static boolean exists(Connection connection, String relation) throws SQLException {
        try (PreparedStatement query = connection.prepareStatement("SELECT to_regclass(?) IS NOT NULL")) {
            query.setString(1, relation);
            try (ResultSet row = query.executeQuery()) {
                row.next();
                return row.getBoolean(1);
            }
        }
    }

    static String text(String file) {
        try (InputStream sql = SqlScript.class.getResourceAsStream(file)) {
            return new String(sql.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException("could not read " + file, e);
        }
    }
}
