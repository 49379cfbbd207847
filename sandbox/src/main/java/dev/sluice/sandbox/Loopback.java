package dev.sluice.sandbox;

import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Secret;
import dev.sluice.schemas.TableId;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;

/** Ports and connections on this machine. */
final class Loopback {
    static final String HOST = "127.0.0.1";

    /** Below the range from which Linux takes the ports of outgoing connections: a stopped server finds its port free. */
    private static final int FIRST_PORT = 15_000;

    private static final int LAST_PORT = 32_000;

    private Loopback() {}

    static int freePort() {
        for (int attempt = 0; attempt < 1_000; attempt++) {
            int port = ThreadLocalRandom.current().nextInt(FIRST_PORT, LAST_PORT);
            if (isFree(port)) {
                return port;
            }
        }
        throw new IllegalStateException("found no free port on " + HOST);
    }

    private static boolean isFree(int port) {
        try (ServerSocket socket = new ServerSocket()) {
            socket.bind(new InetSocketAddress(InetAddress.getByName(HOST), port));
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    static DatabaseConfig database(String role, int port, String database, String user, String password) {
        return new DatabaseConfig(role, HOST, port, database, user, new Secret(password), "disable", Map.of());
    }

    static void createDatabase(Connection connection, String name) throws SQLException {
        try (PreparedStatement exists = connection.prepareStatement("SELECT 1 FROM pg_database WHERE datname = ?")) {
            exists.setString(1, name);
            if (exists.executeQuery().next()) {
                return;
            }
        }
        try (Statement create = connection.createStatement()) {
            create.execute("CREATE DATABASE " + TableId.quote(name));
        }
    }
}
