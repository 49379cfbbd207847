package dev.sluice.reconciler;

import dev.sluice.config.Databases;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.ControlRecord;
import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.SourceSnapshot;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.HashMap;
import java.util.Map;
import java.util.UUID;
import org.apache.kafka.common.TopicPartition;

/**
 * A snapshot of the target, and after it one of the source, with what tells which changes each of them has.
 *
 * <p>The target is read first: what it has applied had been committed at the source before the source is read. The one
 * exception is a commit that waits for a standby: it is in the stream before anybody sees it; {@link Touches} finds these.
 *
 * <p>Threads: one at a time.
 */
final class SnapshotPair implements AutoCloseable {
    private final Connection target;
    private final Connection source;
    private long epoch;
    private long seq;
    private final Map<TopicPartition, Long> offsets = new HashMap<>();
    private SourceSnapshot snapshot;
    private Lsn position;
    private Instant at;
    private String fence;

    private SnapshotPair(Connection target, Connection source) {
        this.target = target;
        this.source = source;
    }

    /** @throws SQLException if a database cannot be read, or the source takes no marker */
    static SnapshotPair open(PipelineConfig config, LaneConfig lane) throws SQLException {
        Connection target = Snapshots.open(config.target());
        try {
            SnapshotPair pair = new SnapshotPair(target, Snapshots.open(config.source()));
            try {
                pair.read(config, lane);
                return pair;
            } catch (SQLException | RuntimeException e) {
                pair.close();
                throw e;
            }
        } catch (SQLException | RuntimeException e) {
            target.close();
            throw e;
        }
    }

    private void read(PipelineConfig config, LaneConfig lane) throws SQLException {
        readProgress(config.nameInTarget(lane));
        try (Statement statement = source.createStatement();
                ResultSet row = statement.executeQuery(
                        "SELECT pg_current_snapshot()::text, pg_current_wal_insert_lsn()::text, clock_timestamp()")) {
            row.next();
            snapshot = SourceSnapshot.parse(row.getString(1));
            position = Lsn.parse(row.getString(2));
            at = row.getObject(3, OffsetDateTime.class).toInstant();
        }
        fence = "verify " + UUID.randomUUID();
        try (Connection marker = Databases.connectBriefly(config.source(), "sluice-verify");
                Statement set = marker.createStatement();
                PreparedStatement emit = marker.prepareStatement("SELECT pg_catalog.pg_logical_emit_message(true, ?, ?)")) {
            set.execute("SET synchronous_commit = local");
            emit.setString(1, ControlRecord.MARKER_PREFIX);
            emit.setString(2, fence);
            emit.execute();
        }
    }

    private void readProgress(String lane) throws SQLException {
        try (PreparedStatement query = target.prepareStatement("SELECT epoch, seq FROM sluice.progress WHERE lane = ?")) {
            query.setString(1, lane);
            try (ResultSet row = query.executeQuery()) {
                if (row.next()) {
                    epoch = row.getLong(1);
                    seq = row.getLong(2);
                }
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

    /** Where to begin reading what the target lacks; partitions that are missing from their beginning. */
    Map<TopicPartition, Long> offsets() {
        return offsets;
    }

    SourceSnapshot snapshot() {
        return snapshot;
    }

    /** The source's, when it was read. */
    Lsn position() {
        return position;
    }

    /** The source's clock. */
    Instant at() {
        return at;
    }

    /** The content of a marker that comes after everything that the source's snapshot sees. */
    String fence() {
        return fence;
    }

    @Override
    public void close() throws SQLException {
        try (target) {
            source.close();
        }
    }
}
