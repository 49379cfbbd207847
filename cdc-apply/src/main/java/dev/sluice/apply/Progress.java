package dev.sluice.apply;

import dev.sluice.catalog.Catalog;
import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.BooleanSupplier;
import org.apache.kafka.common.TopicPartition;

/**
 * How far the target is, kept in the target and written in the transaction that writes the rows.
 *
 * <p>Fencing: {@link #advance} moves the position only from the very place where this writer found it. A writer that
 * was paused while another one went on finds another place there, and its transaction cannot commit. Offsets need no
 * such care: they only say where to begin reading, numbers decide what is applied.
 *
 * <p>Threads: one.
 */
final class Progress {
    private final String lane;
    private final BooleanSupplier isMarked;

    /**
     * @param epoch 0 if nothing was ever applied
     * @param end end LSN of the last transaction applied
     * @param isBeyond every transaction after {@code seq} lies beyond {@code end}; false while a new epoch repeats what
     *     took effect under an earlier one's numbers
     */
    record Position(long epoch, long seq, Lsn end, boolean isBeyond) {
        static final Position NONE = new Position(0, 0, Lsn.ZERO, true);
    }

    /** @param topicId Kafka's id of the topic when the offset was saved */
    record Offset(String topicId, long next) {}

    /** Another writer has moved the lane on. */
    static final class Lost extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Lost(String lane, Position mine) {
            super("another applier has moved lane %s on from seq %d".formatted(lane, mine.seq()));
        }

        Lost(String lane) {
            super("another applier has taken lane %s".formatted(lane));
        }
    }

    /** @param lane unique in the target: pipeline and lane */
    Progress(String lane) {
        this(lane, () -> false);
    }

    /** @param isMarked the session that advances it has an origin, {@link LaneOrigin} */
    Progress(String lane, BooleanSupplier isMarked) {
        this.lane = lane;
        this.isMarked = isMarked;
    }

    /** Makes schema and tables; called by the lane's owner only. */
    static void createTables(Connection target) throws SQLException {
        if (Catalog.isThere(target, new TableId("sluice", "held_table"))) {
            return;
        }
        try (Statement create = target.createStatement()) {
            try (ResultSet there = create.executeQuery("SELECT to_regnamespace('sluice') IS NOT NULL")) {
                there.next();
                if (!there.getBoolean(1)) {
                    // not IF NOT EXISTS: that asks for CREATE on the database even if the schema is there
                    create.execute("CREATE SCHEMA sluice");
                }
            }
            create.execute(
                    """
                    CREATE TABLE IF NOT EXISTS sluice.progress (
                      lane text PRIMARY KEY,
                      epoch bigint NOT NULL,
                      seq bigint NOT NULL,
                      end_lsn pg_lsn NOT NULL,
                      is_beyond boolean NOT NULL,
                      committed_at timestamptz,
                      applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
                    ) WITH (fillfactor = 10)""");
            create.execute(
                    """
                    CREATE TABLE IF NOT EXISTS sluice.progress_offset (
                      lane text NOT NULL,
                      topic text NOT NULL,
                      partition integer NOT NULL,
                      topic_id text NOT NULL,
                      next_offset bigint NOT NULL,
                      PRIMARY KEY (lane, topic, partition)
                    ) WITH (fillfactor = 10)""");
            create.execute(
                    """
                    CREATE TABLE IF NOT EXISTS sluice.source_columns (
                      lane text NOT NULL,
                      source_schema text NOT NULL,
                      source_table text NOT NULL,
                      columns text[] NOT NULL,
                      ignored text[] NOT NULL,
                      PRIMARY KEY (lane, source_schema, source_table)
                    )""");
            create.execute(
                    """
                    CREATE TABLE IF NOT EXISTS sluice.held_table (
                      lane text NOT NULL,
                      source_schema text NOT NULL,
                      source_table text NOT NULL,
                      reason text NOT NULL,
                      cure text NOT NULL,
                      held_since timestamptz NOT NULL DEFAULT clock_timestamp(),
                      PRIMARY KEY (lane, source_schema, source_table)
                    )""");
        }
    }

    Position read(Connection target) throws SQLException {
        try (PreparedStatement query =
                target.prepareStatement("SELECT epoch, seq, end_lsn::text, is_beyond FROM sluice.progress WHERE lane = ?")) {
            query.setString(1, lane);
            try (ResultSet row = query.executeQuery()) {
                return row.next()
                        ? new Position(row.getLong(1), row.getLong(2), Lsn.parse(row.getString(3)), row.getBoolean(4))
                        : Position.NONE;
            }
        }
    }

    /** Begins at the place of another progress, with its offsets of one topic; a progress that has begun stays as it is. */
    void beginAt(Connection target, String other, String topic) throws SQLException {
        try (PreparedStatement begin = target.prepareStatement(
                """
                WITH begun AS (
                  INSERT INTO sluice.progress (lane, epoch, seq, end_lsn, is_beyond, committed_at)
                  SELECT ?, epoch, seq, end_lsn, is_beyond, committed_at FROM sluice.progress WHERE lane = ?
                  ON CONFLICT DO NOTHING
                  RETURNING lane)
                INSERT INTO sluice.progress_offset (lane, topic, partition, topic_id, next_offset)
                SELECT begun.lane, o.topic, o.partition, o.topic_id, o.next_offset
                FROM begun JOIN sluice.progress_offset o ON o.lane = ? AND o.topic = ?
                ON CONFLICT DO NOTHING""")) {
            begin.setString(1, lane);
            begin.setString(2, other);
            begin.setString(3, other);
            begin.setString(4, topic);
            begin.executeUpdate();
        }
    }

    void delete(Connection target) throws SQLException {
        for (String table : new String[] {"sluice.progress_offset", "sluice.progress"}) {
            try (PreparedStatement delete = target.prepareStatement("DELETE FROM " + table + " WHERE lane = ?")) {
                delete.setString(1, lane);
                delete.executeUpdate();
            }
        }
    }

    Map<TopicPartition, Offset> readOffsets(Connection target) throws SQLException {
        Map<TopicPartition, Offset> offsets = new HashMap<>();
        try (PreparedStatement query = target.prepareStatement(
                "SELECT topic, partition, topic_id, next_offset FROM sluice.progress_offset WHERE lane = ?")) {
            query.setString(1, lane);
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    offsets.put(
                            new TopicPartition(row.getString(1), row.getInt(2)),
                            new Offset(row.getString(3), row.getLong(4)));
                }
            }
        }
        return offsets;
    }

    /**
     * Moves the position within the caller's transaction.
     *
     * @param committedMicros source commit time of the last transaction, microseconds since 1970 UTC
     * @throws Lost if the position is not {@code from} any more; the transaction must be rolled back
     */
    void advance(Connection target, Position from, Position to, long committedMicros) throws SQLException {
        String sql = from.epoch() == 0
                ? "INSERT INTO sluice.progress (epoch, seq, end_lsn, is_beyond, committed_at, lane)"
                        + " VALUES (?, ?, ?::pg_lsn, ?, to_timestamp(? / 1000000.0), ?) ON CONFLICT DO NOTHING"
                : "UPDATE sluice.progress SET epoch = ?, seq = ?, end_lsn = ?::pg_lsn, is_beyond = ?,"
                        + " committed_at = to_timestamp(? / 1000000.0), applied_at = clock_timestamp()"
                        + " WHERE lane = ? AND epoch = ? AND seq = ?";
        // in the same statement, it costs no round trip: the commit gets its own time
        String returning = isMarked.getAsBoolean() ? " RETURNING pg_catalog.pg_replication_origin_xact_reset()" : "";
        try (PreparedStatement advance = target.prepareStatement(sql + returning)) {
            advance.setLong(1, to.epoch());
            advance.setLong(2, to.seq());
            advance.setString(3, to.end().toString());
            advance.setBoolean(4, to.isBeyond());
            advance.setLong(5, committedMicros);
            advance.setString(6, lane);
            if (from.epoch() != 0) {
                advance.setLong(7, from.epoch());
                advance.setLong(8, from.seq());
            }
            if (!hasAdvanced(advance)) {
                throw new Lost(lane, from);
            }
        }
    }

    private static boolean hasAdvanced(PreparedStatement advance) throws SQLException {
        if (!advance.execute()) {
            return advance.getUpdateCount() == 1;
        }
        try (ResultSet returned = advance.getResultSet()) {
            return returned.next();
        }
    }

    void saveOffsets(Connection target, Map<TopicPartition, Long> offsets, Map<String, String> topicIds)
            throws SQLException {
        if (offsets.isEmpty()) {
            return;
        }
        Map<String, Object[]> rows = new TreeMap<>();
        offsets.forEach((partition, next) -> rows.put(
                partition.toString(),
                new Object[] {partition.topic(), partition.partition(), topicIds.get(partition.topic()), next}));
        try (PreparedStatement save = target.prepareStatement(
                """
                INSERT INTO sluice.progress_offset (lane, topic, partition, topic_id, next_offset)
                SELECT ?, * FROM unnest(?::text[], ?::integer[], ?::text[], ?::bigint[])
                ON CONFLICT (lane, topic, partition)
                DO UPDATE SET topic_id = EXCLUDED.topic_id, next_offset = EXCLUDED.next_offset""")) {
            save.setString(1, lane);
            String[] types = {"text", "integer", "text", "bigint"};
            for (int column = 0; column < types.length; column++) {
                int index = column;
                save.setArray(
                        column + 2,
                        target.createArrayOf(types[column], rows.values().stream().map(row -> row[index]).toArray()));
            }
            save.executeUpdate();
        }
    }
}
