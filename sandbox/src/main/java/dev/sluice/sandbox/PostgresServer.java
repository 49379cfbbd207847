package dev.sluice.sandbox;

import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Databases;
import java.sql.Connection;
import java.sql.SQLException;

/**
 * A real PostgreSQL that belongs to this program and can be broken by it.
 *
 * <p>It listens on one loopback port, the same one across restarts, with {@code wal_level=logical}; its superuser is
 * {@value #USER} with password {@value #PASSWORD}, asked for by SCRAM.
 *
 * <p>Threads: one at a time.
 */
public interface PostgresServer extends AutoCloseable {
    String USER = "postgres";
    String PASSWORD = "postgres";

    int port();

    /** Major version, {@code "18"}. */
    String version();

    /** Starts it again on the same data and the same port; returns when it takes connections. */
    void start();

    /**
     * Stops it with a checkpoint, connections cut. A walsender whose client has not acknowledged everything holds this
     * up; after {@code 10 s} the server is stopped as by {@link #stopImmediately}.
     */
    void stop();

    /** Stops it as a crash would: no checkpoint, and recovery at the next start. */
    void stopImmediately();

    /** Stops it and removes its data unless they were asked to be kept. */
    @Override
    void close();

    /**
     * The server as configuration, for the superuser.
     *
     * @param role {@code source} or {@code target}
     */
    default DatabaseConfig config(String role, String database) {
        return Loopback.database(role, port(), database, USER, PASSWORD);
    }

    /** A connection of the superuser, in autocommit. */
    default Connection connect(String database) throws SQLException {
        return Databases.connect(config("source", database), "sandbox");
    }

    /** Makes an empty database unless it is there. */
    default void createDatabase(String name) {
        try (Connection connection = connect("postgres")) {
            Loopback.createDatabase(connection, name);
        } catch (SQLException e) {
            throw new IllegalStateException("could not create database " + name, e);
        }
    }
}
