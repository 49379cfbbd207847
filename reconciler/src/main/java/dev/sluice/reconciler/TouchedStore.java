package dev.sluice.reconciler;

import dev.sluice.catalog.Catalog;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.common.TopicPartition;

/**
 * Up to where the rows that the stream has touched have been verified, in {@code sluice.touched} of the target: a reconciler that is
 * started again goes on from there.
 *
 * <p>Every method runs in the caller's transaction.
 *
 * <p>Threads: one at a time.
 */
final class TouchedStore {
    private TouchedStore() {}

    /** Makes the tables if they are missing; the schema is there. */
    static void createTables(Connection target) throws SQLException {
        if (Catalog.isThere(target, new TableId("sluice", "touched_offset"))) {
            return;
        }
        Catalog.waitToMakeTables(target);
        try (Statement create = target.createStatement()) {
            create.execute(
                    """
                    CREATE TABLE IF NOT EXISTS sluice.touched (
                      lane text PRIMARY KEY,
                      epoch bigint NOT NULL,
                      verified_seq bigint NOT NULL,
                      pending bigint NOT NULL,
                      verified_rows bigint NOT NULL,
                      at timestamptz NOT NULL DEFAULT clock_timestamp()
                    )""");
            create.execute(
                    """
                    CREATE TABLE IF NOT EXISTS sluice.touched_offset (
                      lane text NOT NULL,
                      topic text NOT NULL,
                      partition integer NOT NULL,
                      next_offset bigint NOT NULL,
                      PRIMARY KEY (lane, topic, partition)
                    )""");
        }
    }

    static Optional<TouchLog.Start> read(Connection target, String lane) throws SQLException {
        if (!Catalog.isThere(target, new TableId("sluice", "touched_offset"))) {
            return Optional.empty();
        }
        Map<TopicPartition, Long> offsets = new HashMap<>();
        try (PreparedStatement query =
                target.prepareStatement("SELECT topic, partition, next_offset FROM sluice.touched_offset WHERE lane = ?")) {
            query.setString(1, lane);
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    offsets.put(new TopicPartition(row.getString(1), row.getInt(2)), row.getLong(3));
                }
            }
        }
        try (PreparedStatement query = target.prepareStatement("SELECT epoch, verified_seq FROM sluice.touched WHERE lane = ?")) {
            query.setString(1, lane);
            try (ResultSet row = query.executeQuery()) {
                return row.next()
                        ? Optional.of(new TouchLog.Start(row.getLong(1), row.getLong(2), offsets))
                        : Optional.empty();
            }
        }
    }

    /**
     * @param verified a place of which everything before has been verified; what was saved stays if it is empty
     * @param pending rows that are known to have been touched and not compared yet
     * @param rows that have been compared since the last time
     */
    static void save(Connection target, String lane, Optional<TouchLog.Start> verified, long pending, long rows) throws SQLException {
        try (PreparedStatement save = target.prepareStatement(
                """
                INSERT INTO sluice.touched AS known (lane, epoch, verified_seq, pending, verified_rows) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT (lane) DO UPDATE SET pending = EXCLUDED.pending,
                  verified_rows = known.verified_rows + EXCLUDED.verified_rows, at = EXCLUDED.at,
                  epoch = CASE WHEN EXCLUDED.epoch = 0 THEN known.epoch ELSE EXCLUDED.epoch END,
                  verified_seq = CASE WHEN EXCLUDED.epoch = 0 THEN known.verified_seq ELSE EXCLUDED.verified_seq END""")) {
            save.setString(1, lane);
            save.setLong(2, verified.map(TouchLog.Start::epoch).orElse(0L));
            save.setLong(3, verified.map(TouchLog.Start::seq).orElse(0L));
            save.setLong(4, pending);
            save.setLong(5, rows);
            save.executeUpdate();
        }
        if (verified.isPresent()) {
            saveOffsets(target, lane, verified.get().offsets());
        }
    }

    private static void saveOffsets(Connection target, String lane, Map<TopicPartition, Long> offsets) throws SQLException {
        try (PreparedStatement delete = target.prepareStatement("DELETE FROM sluice.touched_offset WHERE lane = ?")) {
            delete.setString(1, lane);
            delete.executeUpdate();
        }
        try (PreparedStatement save = target.prepareStatement(
                """
                INSERT INTO sluice.touched_offset (lane, topic, partition, next_offset) VALUES (?, ?, ?, ?)
                ON CONFLICT (lane, topic, partition) DO NOTHING""")) {
            for (Map.Entry<TopicPartition, Long> offset : offsets.entrySet()) {
                save.setString(1, lane);
                save.setString(2, offset.getKey().topic());
                save.setInt(3, offset.getKey().partition());
                save.setLong(4, offset.getValue());
                save.addBatch();
            }
            save.executeBatch();
        }
    }
}
