package dev.sluice.sandbox;

import dev.sluice.config.Databases;
import dev.sluice.config.PipelineConfig;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Map;
import java.util.TreeMap;

/**
 * What the reconciler says in {@code sluice.touched} of the target, where it writes every 5 s, while it is looked at.
 *
 * <p>Threads: one.
 */
final class TouchedWatch implements AutoCloseable {
    private final Connection connection;
    private final PreparedStatement query;
    /** When the target was first seen to have a number of the lane; nanoseconds. */
    private final TreeMap<Long, Long> applied = new TreeMap<>();

    private Said first;
    private Said last;
    private long mostPending;
    private long mostBehindNanos;

    /** @param at as the server's clock has it, seconds */
    private record Said(long verifiedRows, long pending, double at, long passes) {}

    TouchedWatch(PipelineConfig config) {
        try {
            connection = Databases.connect(config.target(), "benchmark-touched");
            query = connection.prepareStatement(
                    """
                    SELECT p.seq, t.verified_seq, t.verified_rows, t.pending, extract(epoch FROM t.at)::float8,
                      (SELECT count(*) FROM sluice.verification)
                    FROM sluice.progress p JOIN sluice.touched t USING (lane) WHERE lane = ?""");
            query.setString(1, config.nameInTarget(config.lanes().get(0)));
        } catch (SQLException e) {
            throw new IllegalStateException("the target does not answer", e);
        }
        look();
    }

    void look() {
        try (ResultSet row = query.executeQuery()) {
            if (!row.next()) {
                return;
            }
            long now = System.nanoTime();
            applied.putIfAbsent(row.getLong(1), now);
            Said said = new Said(row.getLong(3), row.getLong(4), row.getDouble(5), row.getLong(6));
            first = first == null ? said : first;
            if (last != null && said.at() != last.at()) {
                mostPending = Math.max(mostPending, said.pending());
                Map.Entry<Long, Long> verified = applied.floorEntry(row.getLong(2));
                if (verified != null) {
                    mostBehindNanos = Math.max(mostBehindNanos, now - verified.getValue());
                }
            }
            last = said;
        } catch (SQLException e) {
            throw new IllegalStateException("the target does not answer", e);
        }
    }

    long pending() {
        return last == null ? Long.MAX_VALUE : last.pending();
    }

    void put(Map<String, Object> result) {
        result.put("verifiedRowsPerSecond", Math.round((last.verifiedRows() - first.verifiedRows()) / (last.at() - first.at())));
        result.put("mostPending", mostPending);
        result.put("pendingAtEnd", last.pending());
        result.put("verifiedAfterAtMostSeconds", Math.round(mostBehindNanos / 1e7) / 100.0);
        result.put("passesMeanwhile", last.passes() - first.passes());
    }

    @Override
    public void close() {
        try (connection) {
            query.close();
        } catch (SQLException e) {
            throw new IllegalStateException("could not close", e);
        }
    }
}
