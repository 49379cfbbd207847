package dev.sluice.config;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Properties;

/**
 * Opens connections to one of the two databases.
 *
 * <p>{@code logServerErrorDetail=false} keeps row values, which the server puts into the detail of constraint errors,
 * out of exception messages and so out of logs.
 */
public final class Databases {

    /**
     * How long a connection waits for the next byte of an answer; longer than any statement may take, so only a server
     * that is gone without a word meets it. {@code properties.socketTimeout} overrides it.
     */
    public static final Duration SOCKET_TIMEOUT = Duration.ofSeconds(330);

    private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(10);
    private static final Duration LOGIN_TIMEOUT = Duration.ofSeconds(20);
    private static final Duration BRIEF_TIMEOUT = Duration.ofSeconds(4);

    private Databases() {}

    public static String url(DatabaseConfig database) {
        String host = database.host().contains(":") ? "[" + database.host() + "]" : database.host();
        return "jdbc:postgresql://" + host + ":" + database.port() + "/"
                + URLEncoder.encode(database.database(), StandardCharsets.UTF_8).replace("+", "%20");
    }

    /**
     * What pgjdbc is given beside the {@link #url}; the configuration's {@code properties} come last and win.
     *
     * @param applicationName as {@code pg_stat_activity} shows it
     */
    public static Properties properties(DatabaseConfig database, String applicationName) {
        Properties properties = new Properties();
        properties.setProperty("user", database.user());
        if (!database.password().value().isEmpty()) {
            properties.setProperty("password", database.password().value());
        }
        properties.setProperty("sslmode", database.sslMode());
        properties.setProperty("ApplicationName", applicationName);
        properties.setProperty("logServerErrorDetail", "false");
        properties.setProperty("tcpKeepAlive", "true");
        properties.setProperty("connectTimeout", Long.toString(CONNECT_TIMEOUT.toSeconds()));
        properties.setProperty("loginTimeout", Long.toString(LOGIN_TIMEOUT.toSeconds()));
        properties.setProperty("socketTimeout", Long.toString(SOCKET_TIMEOUT.toSeconds()));
        database.properties().forEach(properties::setProperty);
        return properties;
    }

    /** One connection outside any pool, in autocommit. */
    public static Connection connect(DatabaseConfig database, String applicationName) throws SQLException {
        return DriverManager.getConnection(url(database), properties(database, applicationName));
    }

    /**
     * A connection for a quick question, by someone who must not be kept waiting: each step fails after some seconds.
     *
     * @param applicationName as {@code pg_stat_activity} shows it
     */
    public static Connection connectBriefly(DatabaseConfig database, String applicationName) throws SQLException {
        Properties properties = properties(database, applicationName);
        for (String timeout : new String[] {"connectTimeout", "loginTimeout", "socketTimeout"}) {
            properties.setProperty(timeout, Long.toString(BRIEF_TIMEOUT.toSeconds()));
        }
        return DriverManager.getConnection(url(database), properties);
    }

    /**
     * Whether who asked was turned away: no connection comes about until a person has changed something.
     *
     * <p>Class 28 is the server's word. 08004 is pgjdbc's: the server asks for a password and none is configured, or does
     * not speak TLS and {@code sslmode} wants it; the server itself never says it.
     */
    public static boolean isAccessRefused(String sqlState) {
        return sqlState.startsWith("28") || sqlState.equals("08004");
    }

    /** What went wrong, with what the network said: the driver itself says only that an attempt has failed. */
    public static String reason(SQLException e) {
        return e.getCause() instanceof IOException cause && !(cause instanceof ConnectException)
                ? "%s (%s: %s)".formatted(e.getMessage(), cause.getClass().getSimpleName(), cause.getMessage())
                : e.getMessage();
    }

    /**
     * A pool that starts without the database: who asks for a connection first learns that it is not there.
     *
     * @param maxSize most connections; as many are kept
     */
    public static HikariDataSource pool(DatabaseConfig database, String applicationName, int maxSize) {
        HikariConfig pool = new HikariConfig();
        pool.setPoolName(applicationName);
        pool.setJdbcUrl(url(database));
        pool.setDataSourceProperties(properties(database, applicationName));
        pool.setMaximumPoolSize(maxSize);
        pool.setInitializationFailTimeout(-1);
        return new HikariDataSource(pool);
    }
}
