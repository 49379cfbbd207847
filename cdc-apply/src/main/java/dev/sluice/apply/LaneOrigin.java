package dev.sluice.apply;

import dev.sluice.catalog.Catalog;
import dev.sluice.catalog.OriginRights;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The replication origin of a lane's writing session: where the target keeps commit times it keeps with each of them who wrote, and
 * {@code sluice verify} can tell rows that somebody else has written. {@code sluice.lane_origin} says since when everything that the
 * session writes is marked; readers of a reread write in sessions of their own and are not.
 *
 * <p>One session at a time may have an origin. The session before may still be there for a moment: the server lets go of its
 * advisory locks first. So a lane that finds its origin taken waits for {@link #PATIENCE}, and then goes back to the door.
 *
 * <p>While a session has an origin the server gives each commit the time that the first one got, unless it is told to take the present
 * one ({@code replorigin_session_origin_timestamp} in {@code src/backend/access/transam/xact.c}). Transactions with rows tell it:
 * {@link Progress#advance} in passing, others by {@link LaneLock#ownCommitTime}. Those that change schema {@code sluice} alone may
 * bear the time of the one before.
 *
 * <p>Threads: the lane's.
 */
final class LaneOrigin {
    private static final Logger log = LoggerFactory.getLogger(LaneOrigin.class);
    private static final Duration PATIENCE = Duration.ofSeconds(5);
    private static final long PAUSE_MILLIS = 50;

    /** object_in_use */
    private static final String TAKEN = "55006";

    /** configuration_limit_exceeded, and object_not_in_prerequisite_state: the server has no room for origins, or none at all */
    private static final String NO_ROOM = "53400";

    private static final String NO_ORIGINS = "55000";

    private LaneOrigin() {}

    static boolean isThere(Connection target) throws SQLException {
        return Catalog.isThere(target, new TableId("sluice", "lane_origin"));
    }

    static void createTable(Connection target) throws SQLException {
        try (Statement create = target.createStatement()) {
            create.execute(
                    """
                    CREATE TABLE IF NOT EXISTS sluice.lane_origin (
                      lane text PRIMARY KEY,
                      origin text NOT NULL,
                      marked_since timestamptz NOT NULL
                    )""");
        }
    }

    /**
     * Gives the session its origin if the server and the role's rights allow it; commits.
     *
     * @param lane unique in the target: pipeline and lane
     * @throws Failure.Retryable if another session has the origin
     */
    static void take(LaneLock lock, String lane) throws SQLException, InterruptedException {
        Connection target = lock.connection();
        Optional<String> obstacle = obstacle(target);
        if (obstacle.isEmpty()) {
            String origin = name(target, lane);
            boolean isNew = create(target, origin);
            target.commit();
            obstacle = setUp(target, origin);
            if (obstacle.isEmpty()) {
                markedSince(target, lane, origin, isNew);
                target.commit();
                lock.isMarked(true);
                return;
            }
        }
        if (forget(target, lane)) {
            log.warn(
                    "lane {}: what it writes is not marked any more, `sluice verify` cannot tell who wrote a row: {}",
                    lane, obstacle.get());
        }
        target.commit();
    }

    private static Optional<String> obstacle(Connection target) throws SQLException {
        if (!OriginRights.isTracking(target)) {
            return Optional.of("track_commit_timestamp is off in the target");
        }
        return OriginRights.lacking(target).isEmpty()
                ? Optional.empty()
                : Optional.of("the role may not set a replication origin, `sluice check` prints the GRANT");
    }

    /** Origins belong to the whole server. */
    private static String name(Connection target, String lane) throws SQLException {
        try (Statement query = target.createStatement();
                ResultSet row = query.executeQuery("SELECT current_database()")) {
            row.next();
            return "sluice.%s.%s".formatted(row.getString(1), lane);
        }
    }

    private static boolean create(Connection target, String origin) throws SQLException {
        try (PreparedStatement create = target.prepareStatement(
                """
                SELECT pg_catalog.pg_replication_origin_create(name) FROM (SELECT ?::text) AS wanted (name)
                WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_replication_origin WHERE roname = name)""")) {
            create.setString(1, origin);
            try (ResultSet row = create.executeQuery()) {
                return row.next();
            }
        }
    }

    /** Why it is not possible at all. */
    private static Optional<String> setUp(Connection target, String origin) throws SQLException, InterruptedException {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (true) {
            try (PreparedStatement setUp =
                    target.prepareStatement("SELECT pg_catalog.pg_replication_origin_session_setup(?)")) {
                setUp.setString(1, origin);
                setUp.execute();
                return Optional.empty();
            } catch (SQLException e) {
                target.rollback();
                String state = String.valueOf(e.getSQLState());
                if (state.equals(NO_ROOM) || state.equals(NO_ORIGINS)) {
                    log.warn("replication origin {}: {}", origin, e.getMessage());
                    return Optional.of(e.getMessage());
                }
                if (!state.equals(TAKEN)) {
                    throw e;
                }
                if (System.nanoTime() > deadline) {
                    throw new Failure.Retryable(
                            "another session of the target's server has replication origin %s: %s".formatted(origin, e.getMessage()), e);
                }
            }
            TimeUnit.MILLISECONDS.sleep(PAUSE_MILLIS);
        }
    }

    /** @param isNew nothing bears this origin's number: one that was dropped may have had another */
    private static void markedSince(Connection target, String lane, String origin, boolean isNew) throws SQLException {
        try (PreparedStatement note = target.prepareStatement(
                """
                INSERT INTO sluice.lane_origin AS known (lane, origin, marked_since) VALUES (?, ?, clock_timestamp())
                ON CONFLICT (lane) DO UPDATE SET origin = EXCLUDED.origin, marked_since = EXCLUDED.marked_since
                WHERE ? OR known.origin <> EXCLUDED.origin""")) {
            note.setString(1, lane);
            note.setString(2, origin);
            note.setBoolean(3, isNew);
            note.executeUpdate();
        }
    }

    private static boolean forget(Connection target, String lane) throws SQLException {
        try (PreparedStatement forget = target.prepareStatement("DELETE FROM sluice.lane_origin WHERE lane = ?")) {
            forget.setString(1, lane);
            return forget.executeUpdate() > 0;
        }
    }
}
