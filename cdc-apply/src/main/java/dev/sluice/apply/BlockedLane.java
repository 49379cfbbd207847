package dev.sluice.apply;

import dev.sluice.catalog.Catalog;
import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Databases;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a lane waits for that passes by itself, for whoever looks at the target: a lock, a full disk, Kafka. Where the target
 * itself cannot be written nobody can see it there; the log has it.
 *
 * <p>Threads: the lane's.
 */
final class BlockedLane {
    private static final Logger log = LoggerFactory.getLogger(BlockedLane.class);

    private final DatabaseConfig config;
    private final String lane;
    private String said = "";

    /** @param since the target's clock */
    record Blocked(Instant since, String reason) {}

    /** @param lane unique in the target: pipeline and lane */
    BlockedLane(DatabaseConfig target, String lane) {
        this.config = target;
        this.lane = lane;
    }

    /** Makes the table; the schema is there. */
    static void createTable(Connection target) throws SQLException {
        try (Statement create = target.createStatement()) {
            create.execute(
                    """
                    CREATE TABLE IF NOT EXISTS sluice.blocked_lane (
                      lane text PRIMARY KEY,
                      reason text NOT NULL,
                      since timestamptz NOT NULL DEFAULT clock_timestamp()
                    )""");
        }
    }

    /** Notes it in a session of its own, if it is something new and the target can be written. */
    void note(String reason) {
        if (reason.equals(said)) {
            return;
        }
        try (Connection target = Databases.connectBriefly(config, "sluice-apply blocked");
                PreparedStatement note = target.prepareStatement(
                        """
                        INSERT INTO sluice.blocked_lane (lane, reason) VALUES (?, ?)
                        ON CONFLICT (lane) DO UPDATE SET reason = EXCLUDED.reason""")) {
            note.setString(1, lane);
            note.setString(2, reason);
            note.executeUpdate();
            if (!target.getAutoCommit()) {
                target.commit();
            }
            said = reason;
        } catch (SQLException e) {
            log.debug("lane {}: what it waits for is not noted: SQLSTATE {}", lane, e.getSQLState());
        }
    }

    /** Within the caller's transaction: the lane works. */
    void clear(Connection target) throws SQLException {
        try (PreparedStatement clear = target.prepareStatement("DELETE FROM sluice.blocked_lane WHERE lane = ?")) {
            clear.setString(1, lane);
            clear.executeUpdate();
        }
        said = "";
    }

    static Optional<Blocked> read(Connection target, String lane) throws SQLException {
        if (!Catalog.isThere(target, new TableId("sluice", "blocked_lane"))) {
            return Optional.empty();
        }
        try (PreparedStatement query =
                target.prepareStatement("SELECT since, reason FROM sluice.blocked_lane WHERE lane = ?")) {
            query.setString(1, lane);
            try (ResultSet row = query.executeQuery()) {
                return row.next()
                        ? Optional.of(new Blocked(row.getObject(1, OffsetDateTime.class).toInstant(), row.getString(2)))
                        : Optional.empty();
            }
        }
    }
}
