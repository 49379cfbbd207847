package dev.sluice.reconciler;

import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Databases;
import dev.sluice.config.VerifyConfig;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.concurrent.TimeUnit;

/**
 * When passes over whole tables may go on: they have a share of the time, a number of rows per second, and stand back while the
 * database has much to do.
 *
 * <p>Threads: one.
 */
final class Throttle {
    private static final long LOOK_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final VerifyConfig limits;
    private final DatabaseConfig source;
    private long freeAt = System.nanoTime();

    Throttle(VerifyConfig limits, DatabaseConfig source) {
        this.limits = limits;
        this.source = source;
    }

    /** A range has been compared. */
    void worked(long nanos, long rows) {
        long now = System.nanoTime();
        long rest = nanos / limits.sharePercent() * (100 - limits.sharePercent());
        long paced = limits.rowsPerSecond() == 0 ? 0 : rows * TimeUnit.SECONDS.toNanos(1) / limits.rowsPerSecond() - nanos;
        freeAt = now + Math.max(rest, paced);
    }

    /** Whether the next range may be compared now; where many sessions are at work it looks again a second later. */
    boolean isFree() {
        if (System.nanoTime() - freeAt < 0) {
            return false;
        }
        if (limits.pauseAboveSessions() == 0 || sessionsAtWork() <= limits.pauseAboveSessions()) {
            return true;
        }
        freeAt = System.nanoTime() + LOOK_NANOS;
        return false;
    }

    /** 0 if it cannot be told: then the pass says what is wrong. */
    private int sessionsAtWork() {
        try (Connection connection = Databases.connectBriefly(source, "sluice-reconcile");
                PreparedStatement query = connection.prepareStatement(
                        """
                        SELECT count(*) FROM pg_stat_activity
                        WHERE state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid()""");
                ResultSet row = query.executeQuery()) {
            row.next();
            return row.getInt(1);
        } catch (SQLException e) {
            return 0;
        }
    }
}
