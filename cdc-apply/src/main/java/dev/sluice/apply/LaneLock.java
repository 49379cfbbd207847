package dev.sluice.apply;

import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Databases;
import dev.sluice.config.TextForm;
import dev.sluice.process.StopSignal;
import dev.sluice.schemas.Failure;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Properties;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The right to write a lane: an advisory lock of the very session that writes.
 *
 * <p>Lock and session end together, so whoever lost the lock cannot commit. The server itself ends the session of a
 * process that does not move for {@link #SILENCE}: a paused or unreachable writer does not keep the lane from the next
 * one.
 *
 * <p>Source: PostgreSQL 18 manual, 9.28.10 "Advisory Lock Functions" and 19.11 "Client Connection Defaults"
 * ({@code idle_session_timeout}, {@code idle_in_transaction_session_timeout}).
 *
 * <p>Threads: one.
 */
final class LaneLock implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(LaneLock.class);

    /** After so long without a statement the server ends the session. */
    static final Duration SILENCE = Duration.ofSeconds(8);

    private static final long KEEP_NANOS = Duration.ofSeconds(2).toNanos();
    private static final int SOCKET_TIMEOUT_SECONDS = 330;

    private final Connection connection;
    private final boolean held;
    private long usedAt = System.nanoTime();
    private boolean isMarked;

    private LaneLock(Connection connection, boolean held) {
        this.connection = connection;
        this.held = held;
    }

    /** Stands by until the lock is free; not held if a stop was requested meanwhile. */
    static LaneLock take(DatabaseConfig target, String lane, StopSignal stop) throws InterruptedException {
        Connection connection = null;
        try {
            connection = open(target, lane);
            boolean said = false;
            while (!stop.isRequested()) {
                if (tryLock(connection, lane)) {
                    if (said) {
                        log.info("lane {}: taking over", lane);
                    }
                    connection.setAutoCommit(false);
                    return new LaneLock(connection, true);
                }
                if (!said) {
                    said = true;
                    log.info("lane {}: standing by, another applier holds the lane in the target", lane);
                }
                stop.await(500);
            }
            return new LaneLock(connection, false);
        } catch (SQLException e) {
            close(connection);
            throw TargetFailures.translate("taking lane " + lane, e);
        }
    }

    private static Connection open(DatabaseConfig target, String lane) throws SQLException {
        Properties properties = Databases.properties(target, "sluice-apply " + lane);
        properties.setProperty("socketTimeout", Integer.toString(SOCKET_TIMEOUT_SECONDS));
        Connection connection = DriverManager.getConnection(Databases.url(target), properties);
        try (Statement set = connection.createStatement()) {
            long silence = SILENCE.toMillis();
            set.execute("SET idle_session_timeout = " + silence);
            set.execute("SET idle_in_transaction_session_timeout = " + silence);
            set.execute("SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3");
            // rows and progress are kept or lost together, and Kafka has the rest
            set.execute("SET synchronous_commit = off");
            // the arrays of a set have no size the planner could know; the plan by key is right for all of them
            set.execute("SET plan_cache_mode = force_generic_plan");
            set.execute("SET lock_timeout = '30s'");
            // how the source printed the values; rows without a key are found by it
            set.execute(TextForm.sql() + " SET xmloption = content; SET array_nulls = on");
        }
        return connection;
    }

    static boolean tryLock(Connection connection, String lane) throws SQLException {
        try (PreparedStatement lock =
                connection.prepareStatement("SELECT pg_try_advisory_lock(hashtextextended('sluice.apply ' || ?, 0))")) {
            lock.setString(1, lane);
            try (ResultSet row = lock.executeQuery()) {
                row.next();
                return row.getBoolean(1);
            }
        }
    }

    /** Whether any session of the target's server has the lane; who asks needs no rights. */
    static boolean isTaken(Connection target, String lane) throws SQLException {
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT EXISTS (
                  SELECT 1 FROM pg_catalog.pg_locks l, pg_catalog.hashtextextended('sluice.apply ' || ?, 0) AS key
                  WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
                    AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
                    AND l.classid::bigint << 32 | l.objid::bigint = key)""")) {
            query.setString(1, lane);
            try (ResultSet row = query.executeQuery()) {
                row.next();
                return row.getBoolean(1);
            }
        }
    }

    boolean isHeld() {
        return held;
    }

    Connection connection() {
        return connection;
    }

    /** Whether the session has an origin, {@link LaneOrigin}. */
    boolean isMarked() {
        return isMarked;
    }

    void isMarked(boolean marked) {
        isMarked = marked;
    }

    /** The transaction's commit gets the time at which it happens, also if the session has an origin. */
    void ownCommitTime() throws SQLException {
        if (isMarked) {
            try (Statement reset = connection.createStatement()) {
                reset.execute("SELECT pg_catalog.pg_replication_origin_xact_reset()");
            }
        }
    }

    /** Notes that the session was used. */
    void used() {
        usedAt = System.nanoTime();
    }

    /** Shows the server that this process lives, if nothing else has lately. */
    void keep(boolean inTransaction) throws SQLException {
        if (System.nanoTime() - usedAt > KEEP_NANOS) {
            try (Statement ping = connection.createStatement()) {
                ping.execute("SELECT 1");
            }
            if (!inTransaction) {
                connection.commit();
            }
            used();
        }
    }

    @Override
    public void close() {
        close(connection);
    }

    private static void close(Connection connection) {
        try {
            if (connection != null) {
                connection.close();
            }
        } catch (SQLException e) {
            log.debug("closing: {}", e.getMessage());
        }
    }
}
