package dev.sluice.apply;

import dev.sluice.catalog.Catalog;
import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What the target knows of a lane, for a person; nothing is changed.
 *
 * @param isAtWork an applier holds the lane
 * @param applied empty if nothing was ever applied
 * @param held by source table
 * @param rereads by source table; empty too if no applier of this version has been at work
 * @param now the target's clock
 */
public record LaneStatus(
        boolean isAtWork, Optional<Applied> applied, List<Held> held, Map<TableId, RereadStore.Table> rereads, Instant now) {

    /**
     * The lane's position.
     *
     * @param end end LSN of the last source transaction applied
     * @param committed when the source committed it, by the source's clock
     * @param appliedAt when the target committed it, by the target's clock
     */
    public record Applied(long epoch, long seq, Lsn end, Optional<Instant> committed, Instant appliedAt) {}

    /** A table that stands still. */
    public record Held(TableId source, String reason, String cure, Instant since) {}

    /**
     * @param target in a transaction that sees one state, if the parts are to belong together
     * @param lane unique in the target: pipeline and lane
     */
    public static LaneStatus read(Connection target, String lane) throws SQLException {
        boolean isThere = isThere(target);
        return new LaneStatus(
                isAtWork(target, lane),
                isThere ? applied(target, lane) : Optional.empty(),
                isThere ? held(target, lane) : List.of(),
                RereadStore.isThere(target) ? new RereadStore(lane).read(target) : Map.of(),
                now(target));
    }

    /** Whether an applier holds the lane. */
    public static boolean isAtWork(Connection target, String lane) throws SQLException {
        return LaneLock.isTaken(target, lane);
    }

    /** The last of the tables that an applier makes first. */
    private static boolean isThere(Connection target) throws SQLException {
        return Catalog.isThere(target, new TableId("sluice", "held_table"));
    }

    private static Optional<Applied> applied(Connection target, String lane) throws SQLException {
        try (PreparedStatement query = target.prepareStatement(
                "SELECT epoch, seq, end_lsn::text, committed_at, applied_at FROM sluice.progress WHERE lane = ?")) {
            query.setString(1, lane);
            try (ResultSet row = query.executeQuery()) {
                if (!row.next()) {
                    return Optional.empty();
                }
                return Optional.of(new Applied(
                        row.getLong(1),
                        row.getLong(2),
                        Lsn.parse(row.getString(3)),
                        Optional.ofNullable(row.getTimestamp(4)).map(Timestamp::toInstant),
                        row.getTimestamp(5).toInstant()));
            }
        }
    }

    private static List<Held> held(Connection target, String lane) throws SQLException {
        List<Held> held = new ArrayList<>();
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT source_schema, source_table, reason, cure, held_since FROM sluice.held_table
                WHERE lane = ? ORDER BY 1, 2""")) {
            query.setString(1, lane);
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    held.add(new Held(
                            new TableId(row.getString(1), row.getString(2)),
                            row.getString(3),
                            row.getString(4),
                            row.getTimestamp(5).toInstant()));
                }
            }
        }
        return held;
    }

    private static Instant now(Connection target) throws SQLException {
        try (Statement ask = target.createStatement();
                ResultSet now = ask.executeQuery("SELECT clock_timestamp()")) {
            now.next();
            return now.getTimestamp(1).toInstant();
        }
    }
}
