package dev.sluice.apply;

import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Map;
import java.util.TreeMap;

/**
 * Tables that stand still while their lane goes on, kept in the target. Each has a {@link Progress} of its own, which begins
 * where the lane's stood; the changes wait in Kafka.
 *
 * <p>Threads: one.
 */
final class HeldTables {
    private final String lane;

    /** Why a table is held, and what ends it. */
    record Reason(String text, String cure) {}

    /** @param lane unique in the target: pipeline and lane */
    HeldTables(String lane) {
        this.lane = lane;
    }

    /** The progress of a held table. */
    Progress progress(TableId table) {
        return new Progress(lane + " " + table);
    }

    /** By source table. */
    Map<TableId, Reason> read(Connection target) throws SQLException {
        Map<TableId, Reason> held = new TreeMap<>();
        try (PreparedStatement query = target.prepareStatement(
                "SELECT source_schema, source_table, reason, cure FROM sluice.held_table WHERE lane = ?")) {
            query.setString(1, lane);
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    held.put(new TableId(row.getString(1), row.getString(2)), new Reason(row.getString(3), row.getString(4)));
                }
            }
        }
        return held;
    }

    /**
     * Begins to hold a table, or changes the reason. Everything before the lane's position is applied, so the table's own
     * progress begins there.
     *
     * @param topic the table's change topic
     */
    void hold(Connection target, TableStopped stopped, String topic) throws SQLException {
        try (PreparedStatement hold = target.prepareStatement(
                """
                INSERT INTO sluice.held_table (lane, source_schema, source_table, reason, cure) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT (lane, source_schema, source_table) DO UPDATE SET reason = EXCLUDED.reason, cure = EXCLUDED.cure""")) {
            hold.setString(1, lane);
            hold.setString(2, stopped.table().schema());
            hold.setString(3, stopped.table().table());
            hold.setString(4, stopped.getMessage());
            hold.setString(5, stopped.cure());
            hold.executeUpdate();
        }
        progress(stopped.table()).beginAt(target, lane, topic);
    }

    /** Within the transaction that brings the table to the lane's position. */
    void release(Connection target, TableId table) throws SQLException {
        progress(table).delete(target);
        try (PreparedStatement release = target.prepareStatement(
                "DELETE FROM sluice.held_table WHERE lane = ? AND source_schema = ? AND source_table = ?")) {
            release.setString(1, lane);
            release.setString(2, table.schema());
            release.setString(3, table.table());
            release.executeUpdate();
        }
    }
}
