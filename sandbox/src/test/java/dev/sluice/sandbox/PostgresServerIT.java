package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PostgresServerIT {

    @ParameterizedTest
    @ValueSource(strings = {"15", "16", "17", "18"})
    void everyVersionDecodesAndComesBackOnItsPortWithItsData(String version) throws SQLException {
        try (PostgresServer server = Servers.postgres(version)) {
            int port = server.port();
            server.createDatabase("shop");
            execute(server, "CREATE TABLE kept AS SELECT 1 AS n");
            execute(server, "SELECT pg_create_logical_replication_slot('kept', 'pgoutput')");

            server.stop();
            server.start();
            server.stopImmediately();
            server.start();

            assertThat(server.port()).isEqualTo(port);
            assertThat(ask(server, "SHOW server_version")).startsWith(version + ".");
            assertThat(ask(server, "SELECT n FROM kept")).isEqualTo("1");
            assertThat(ask(server, "SELECT plugin FROM pg_replication_slots")).isEqualTo("pgoutput");
        }
    }

    @Test
    void aGivenDirectoryIsKeptAndAServerLeftRunningOnItIsReplaced(@TempDir Path directory) throws SQLException {
        EmbeddedPostgres abandoned = EmbeddedPostgres.builder().directory(directory).start();
        abandoned.createDatabase("shop");
        execute(abandoned, "CREATE TABLE kept AS SELECT 1 AS n");

        try (EmbeddedPostgres next = EmbeddedPostgres.builder().directory(directory).start()) {
            assertThat(ask(next, "SELECT n FROM kept")).isEqualTo("1");
        }

        assertThat(abandoned.postmaster()).isEmpty();
        assertThat(directory.resolve("data")).exists();
    }

    private static void execute(PostgresServer server, String sql) throws SQLException {
        try (Connection connection = server.connect("shop");
                Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    private static String ask(PostgresServer server, String sql) throws SQLException {
        try (Connection connection = server.connect("shop");
                Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery(sql)) {
            row.next();
            return row.getString(1);
        }
    }
}
