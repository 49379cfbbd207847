package dev.sluice.capture;

import dev.sluice.config.Databases;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.process.StopSignal;
import dev.sluice.schemas.Failure;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The right to capture a lane: an advisory lock in the source, held by a session that shows every two seconds that this
 * process lives.
 *
 * <p>The slot alone does not give that right: it is held only while somebody streams, and fencing older captures and
 * reading the checkpoint come before. Without the lock two captures that start at once take the lane from each other
 * without end. What makes a repeat or a gap impossible is not this lock but the fenced checkpoint and
 * {@link ReplicationSlot#requireStreamBeganAt}.
 *
 * <p>The server ends the session of a process that is silent for {@link #SILENCE}, so a paused one loses the lock.
 *
 * <p>Threads: taken and closed by the lane's; the session is then used by {@code capture-watch} alone.
 */
final class SourceLock implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(SourceLock.class);
    private static final Duration SILENCE = Duration.ofSeconds(8);
    private static final long KEEP_MILLIS = 2_000;

    private final Connection session;
    private final ScheduledExecutorService thread = Executors.newSingleThreadScheduledExecutor(work -> {
        Thread named = new Thread(work, "capture-watch");
        named.setDaemon(true);
        return named;
    });
    private volatile Watch watch = SourceLock::keep;
    private volatile SQLException lost;

    /** What the holder of the lock does with its session at every interval. */
    interface Watch {
        void look(Connection session) throws SQLException;

        /** The session is gone, and the lock with it. */
        default void lost(SQLException cause) {}
    }

    private SourceLock(Connection session, long everyMillis) {
        this.session = session;
        thread.scheduleWithFixedDelay(this::tick, 0, everyMillis, TimeUnit.MILLISECONDS);
    }

    /**
     * Stands by while another capture has the lane.
     *
     * @return empty if a stop was requested meanwhile
     */
    static Optional<SourceLock> take(PipelineConfig config, LaneConfig lane, ReplicationSlot slot, StopSignal stop)
            throws InterruptedException {
        Connection session = null;
        boolean taken = false;
        try {
            session = Databases.connect(config.source(), "sluice-capture " + lane.name());
            try (Statement set = session.createStatement()) {
                set.execute("SET idle_session_timeout = " + SILENCE.toMillis());
            }
            boolean said = false;
            while (!stop.isRequested()) {
                String holder = holder(session, lane, slot);
                if (holder.isEmpty()) {
                    if (said) {
                        log.info("lane {}: taking over", lane.name());
                    }
                    taken = true;
                    long beat = config.capture().heartbeatInterval().toMillis();
                    return Optional.of(new SourceLock(session, Math.min(beat, KEEP_MILLIS)));
                }
                if (!said) {
                    said = true;
                    log.info("lane {}: standing by, {}", lane.name(), holder);
                }
                stop.await(500);
            }
            return Optional.empty();
        } catch (SQLException e) {
            throw SourceFailures.translate(config.source(), "taking the lane", e);
        } finally {
            if (!taken) {
                close(session);
            }
        }
    }

    /** Who has the lane; empty if this session has it now. */
    static String holder(Connection session, LaneConfig lane, ReplicationSlot slot) throws SQLException {
        try (PreparedStatement lock = session.prepareStatement(
                "SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended('sluice.capture ' || ?, 0))")) {
            lock.setString(1, lane.slot());
            try (ResultSet row = lock.executeQuery()) {
                row.next();
                if (!row.getBoolean(1)) {
                    return "another capture holds the lane of slot '%s'".formatted(lane.slot());
                }
            }
        }
        int walsender = slot.read(session).map(ReplicationSlot.State::activePid).orElse(0);
        return walsender == 0
                ? ""
                : "replication slot '%s' is held by another capture (pid %d on the source)"
                        .formatted(lane.slot(), walsender);
    }

    /** From now on {@code next} uses the session. */
    void watch(Watch next) {
        watch = next;
        SQLException cause = lost;
        if (cause != null) {
            next.lost(cause);
        }
    }

    /** Back to showing that this process lives. */
    void unwatch() {
        watch = SourceLock::keep;
    }

    private static void keep(Connection session) throws SQLException {
        try (Statement ping = session.createStatement()) {
            ping.execute("SELECT 1");
        }
    }

    private void tick() {
        if (lost != null) {
            return;
        }
        Watch now = watch;
        try {
            now.look(session);
        } catch (SQLException e) {
            lost = e;
            watch.lost(e);
        }
    }

    /** @throws Failure.Retryable if the session is gone */
    void requireHeld() {
        SQLException cause = lost;
        if (cause != null) {
            throw new Failure.Retryable("source: the session that holds the lane is gone: " + cause.getMessage(), cause);
        }
    }

    @Override
    public void close() {
        thread.shutdownNow();
        try {
            thread.awaitTermination(2, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        close(session);
    }

    private static void close(Connection session) {
        if (session != null) {
            try {
                session.close();
            } catch (SQLException e) {
                log.debug("closing: {}", e.getMessage());
            }
        }
    }
}
