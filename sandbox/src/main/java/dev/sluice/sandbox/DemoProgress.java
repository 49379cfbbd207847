package dev.sluice.sandbox;

import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.Lsn;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Optional;

/** Where the source's log ends and how much of it the target has, asked of the two databases. */
final class DemoProgress {
    private final PipelineConfig config;
    private final Connection source;
    private final Connection target;

    DemoProgress(PipelineConfig config, Connection source, Connection target) {
        this.config = config;
        this.source = source;
        this.target = target;
    }

    /** True once capture streams from the slot of every lane; advancing a slot makes it active, too. */
    boolean isStreaming() throws SQLException {
        try (PreparedStatement query = source.prepareStatement(
                "SELECT count(*) FROM pg_replication_slots JOIN pg_stat_replication ON pid = active_pid"
                        + " WHERE state = 'streaming' AND slot_name = ANY (?)")) {
            Object[] slots = config.lanes().stream().map(lane -> lane.slot()).toArray();
            query.setArray(1, source.createArrayOf("text", slots));
            try (ResultSet row = query.executeQuery()) {
                row.next();
                return row.getInt(1) == slots.length;
            }
        }
    }

    /** The end of what the source has written. */
    Lsn written() throws SQLException {
        return text(source, "SELECT pg_current_wal_insert_lsn()::text").map(Lsn::parse).orElseThrow();
    }

    /** What the slowest lane has applied; the start of the log if none has begun. */
    Lsn applied() throws SQLException {
        if (text(target, "SELECT to_regclass('sluice.progress')::text").isEmpty()) {
            return Lsn.ZERO;
        }
        return text(target, "SELECT min(end_lsn)::text FROM sluice.progress").map(Lsn::parse).orElse(Lsn.ZERO);
    }

    long behindBytes() throws SQLException {
        Lsn applied = applied();
        return applied.equals(Lsn.ZERO) ? 0 : Math.max(0, written().value() - applied.value());
    }

    private static Optional<String> text(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery(sql)) {
            row.next();
            return Optional.ofNullable(row.getString(1));
        }
    }
}
