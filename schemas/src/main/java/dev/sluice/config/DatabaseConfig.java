package dev.sluice.config;

import java.util.Map;

/**
 * Where one of the two databases is.
 *
 * @param role {@code source} or {@code target}; the configuration key this came from, and the word used in messages
 * @param sslMode pgjdbc's {@code sslmode}
 * @param properties further pgjdbc connection properties
 */
public record DatabaseConfig(
        String role,
        String host,
        int port,
        String database,
        String user,
        Secret password,
        String sslMode,
        Map<String, String> properties) {

    /** The same database on another server. */
    public DatabaseConfig at(String otherHost, int otherPort) {
        return new DatabaseConfig(role, otherHost, otherPort, database, user, password, sslMode, properties);
    }

    /** {@code host:port/database}, for messages. */
    public String address() {
        return host + ":" + port + "/" + database;
    }

    /** Of the properties the names only: {@code sslpassword} may be among them. */
    @Override
    public String toString() {
        return "DatabaseConfig[%s %s, user %s, sslmode %s, properties %s]"
                .formatted(role, address(), user, sslMode, properties.keySet());
    }
}
