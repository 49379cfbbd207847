package dev.sluice.reconciler;

import dev.sluice.config.Databases;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.ControlRecord;
import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.SourceSnapshot;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.kafka.common.TopicPartition;

/**
 * A snapshot of the target, and after it one of the source, with what tells which changes each of them has; and then the next such
 * pair.
 *
 * <p>The target is read first: what it has applied had been committed at the source before the source is read. The one
 * exception is a commit that waits for a standby: it is in the stream before anybody sees it; {@link TouchLog} finds these. The
 * source may be read from a physical standby of it: transactions have the same numbers there.
 *
 * <p>Threads: one at a time.
 */
final class SnapshotPair implements AutoCloseable {
    /** Begins the content of each marker. */
    static final String FENCE = "verify ";

    private final Connection target;
    private final Connection source;
    private final Connection marker;
    private final String lane;
    private long epoch;
    private long seq;
    private boolean isBeyond;
    private final Map<TopicPartition, Long> offsets = new HashMap<>();
    private SourceSnapshot snapshot;
    private boolean isStandby;
    private Lsn position;
    private Instant at;
    private OffsetDateTime targetAt;
    private String fence;

    private SnapshotPair(Connection target, Connection source, Connection marker, String lane) {
        this.target = target;
        this.source = source;
        this.marker = marker;
        this.lane = lane;
    }

    /** Connections only; {@link #next} takes the snapshots. */
    static SnapshotPair open(PipelineConfig config, LaneConfig lane) throws SQLException {
        List<Connection> opened = new ArrayList<>();
        try {
            opened.add(Snapshots.open(config.target()));
            opened.add(Snapshots.open(config.comparedSource()));
            for (Connection side : opened) {
                try (Statement set = side.createStatement()) {
                    set.execute("SET lock_timeout = '2s'");
                }
                side.commit(); // a rollback would take it back
            }
            opened.add(Databases.connect(config.source(), "sluice-verify"));
            try (Statement set = opened.get(2).createStatement()) {
                set.execute("SET synchronous_commit = local");
            }
            return new SnapshotPair(opened.get(0), opened.get(1), opened.get(2), config.nameInTarget(lane));
        } catch (SQLException | RuntimeException e) {
            for (Connection connection : opened) {
                connection.close();
            }
            throw e;
        }
    }

    /**
     * Lets the snapshots go and takes new ones.
     *
     * <p>The table is locked first, as any reading does it: a TRUNCATE between a snapshot and the first reading in it would show an
     * empty table in the snapshot. Source: PostgreSQL 18 manual, TRUNCATE: "not MVCC-safe".
     *
     * @throws SQLException if a database cannot be read, or the source takes no marker; with state 55P03 if somebody else has locked
     *     the table
     */
    void next(TableMapping table) throws SQLException {
        next(table, List.of(), List.of());
    }

    /** The same for further tables of both sides, which are read in the pair too. */
    void next(TableMapping table, List<TableId> besideAtSource, List<TableId> besideInTarget) throws SQLException {
        release();
        lock(target, table.target());
        for (TableId beside : besideInTarget) {
            lock(target, beside);
        }
        lock(source, table.source());
        for (TableId beside : besideAtSource) {
            lock(source, beside);
        }
        readProgress();
        try (Statement statement = source.createStatement();
                ResultSet row = statement.executeQuery(
                        """
                        SELECT pg_current_snapshot()::text, clock_timestamp(),
                          (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END)::text,
                          pg_is_in_recovery()""")) {
            row.next();
            snapshot = SourceSnapshot.parse(row.getString(1));
            position = Lsn.parse(row.getString(3));
            isStandby = row.getBoolean(4);
            at = row.getObject(2, OffsetDateTime.class).toInstant();
        }
        fence = FENCE + UUID.randomUUID();
        try (PreparedStatement emit = marker.prepareStatement("SELECT pg_catalog.pg_logical_emit_message(true, ?, ?)")) {
            emit.setString(1, ControlRecord.MARKER_PREFIX);
            emit.setString(2, fence);
            emit.execute();
        }
    }

    /** Only the target's snapshot is let go and taken again: the target goes on to where the source was. */
    void nextTarget(TableMapping table) throws SQLException {
        target.rollback();
        lock(target, table.target());
        readProgress();
    }

    private static void lock(Connection side, TableId table) throws SQLException {
        try (Statement lock = side.createStatement()) {
            lock.execute("LOCK TABLE " + table.quoted() + " IN ACCESS SHARE MODE");
        }
    }

    /** Holds no snapshot any more. */
    void release() throws SQLException {
        target.rollback();
        source.rollback();
    }

    private void readProgress() throws SQLException {
        offsets.clear();
        try (PreparedStatement query = target.prepareStatement(
                "SELECT now(), p.epoch, p.seq, p.is_beyond FROM (SELECT) AS one LEFT JOIN sluice.progress AS p ON p.lane = ?")) {
            query.setString(1, lane);
            try (ResultSet row = query.executeQuery()) {
                row.next();
                targetAt = row.getObject(1, OffsetDateTime.class);
                epoch = row.getLong(2);
                seq = row.getLong(3);
                isBeyond = row.getBoolean(4);
            }
        }
        try (PreparedStatement query = target.prepareStatement(
                "SELECT topic, partition, next_offset FROM sluice.progress_offset WHERE lane = ?")) {
            query.setString(1, lane);
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    offsets.put(new TopicPartition(row.getString(1), row.getInt(2)), row.getLong(3));
                }
            }
        }
    }

    Connection target() {
        return target;
    }

    Connection source() {
        return source;
    }

    /** Of the last record that the target has; 0 if it has none. */
    long epoch() {
        return epoch;
    }

    long seq() {
        return seq;
    }

    /** The target has nothing but what its numbers say; false while a new numbering repeats what it has already. */
    boolean isBeyond() {
        return isBeyond;
    }

    /** Where to begin reading what the target lacks; partitions that are missing from their beginning. */
    Map<TopicPartition, Long> offsets() {
        return offsets;
    }

    /**
     * Whether the source's snapshot sees a transaction for certain.
     *
     * @param xid as for {@link SourceSnapshot#sees}
     */
    boolean sees(long xid) {
        return isStandby ? snapshot.isBehind(xid) : snapshot.sees(xid);
    }

    /** Whether it may see it; of a standby that is not always known. */
    boolean maySee(long xid) {
        return snapshot.sees(xid);
    }

    /** The source's, when it was read. */
    Lsn position() {
        return position;
    }

    /** The source's clock. */
    Instant at() {
        return at;
    }

    /** The target's clock, just before its snapshot was taken. */
    OffsetDateTime targetAt() {
        return targetAt;
    }

    /** The content of a marker that comes after everything that the source's snapshot sees. */
    String fence() {
        return fence;
    }

    @Override
    public void close() throws SQLException {
        try (target;
                source) {
            marker.close();
        }
    }
}
