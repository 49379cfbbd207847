package dev.sluice.reconciler;

import dev.sluice.config.Databases;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.process.StopSignal;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Verifies the tables of a lane again and again: each once in a period, and those that were not in sync a hundred times as often.
 *
 * <p>Threads: the lane's.
 */
final class ReconcileLane {
    private static final Logger log = LoggerFactory.getLogger(ReconcileLane.class);
    private static final int OFTENER = 100;
    private static final Duration SOONEST = Duration.ofSeconds(5);

    private final PipelineConfig config;
    private final LaneConfig lane;
    private final Duration every;
    private final StopSignal stop;
    /** When a table is due, nanoseconds of this JVM's clock. */
    private final Map<TableId, Long> due = new HashMap<>();

    private final Map<TableId, String> said = new HashMap<>();

    ReconcileLane(PipelineConfig config, LaneConfig lane, Duration every, StopSignal stop) {
        this.config = config;
        this.lane = lane;
        this.every = every;
        this.stop = stop;
    }

    /** Returns when a stop was requested. */
    void run() throws InterruptedException {
        long start = System.nanoTime();
        lane.tables().forEach(table -> due.put(table.source(), start));
        while (!stop.isRequested()) {
            List<TableMapping> now = new ArrayList<>(lane.tables());
            now.removeIf(table -> due.get(table.source()) - System.nanoTime() > 0);
            if (!now.isEmpty()) {
                verify(now);
            }
            stop.await(500);
        }
    }

    private void verify(List<TableMapping> tables) throws InterruptedException {
        try (StoredDivergences divergences = StoredDivergences.open(config, StoredDivergences.MOST_KEYS);
                Verification verification = new Verification(config, lane)) {
            for (TableMapping table : tables) {
                if (stop.isRequested()) {
                    return;
                }
                TableVerification found = verification.verify(table, divergences, Verification.Progress.SILENT);
                say(found);
                save(found);
                Duration pause = found.isInSync() ? every : shortest(every.dividedBy(OFTENER));
                due.put(table.source(), System.nanoTime() + pause.toNanos());
            }
        }
    }

    private static Duration shortest(Duration pause) {
        return pause.compareTo(SOONEST) < 0 ? SOONEST : pause;
    }

    /** In the log each verdict that is new, and every one that is good. */
    private void say(TableVerification found) {
        String verdict = found.verdict();
        String before = said.put(found.source(), verdict);
        if (found.isInSync()) {
            log.info("lane {}: {}", lane.name(), found.headline());
        } else if (!verdict.equals(before)) {
            log.warn("lane {}: {}", lane.name(), found.headline());
        }
    }

    private void save(TableVerification found) {
        try (Connection target = Databases.connectBriefly(config.target(), "sluice-reconcile")) {
            target.setAutoCommit(false);
            VerificationHistory.createTable(target);
            VerificationHistory.save(target, config.nameInTarget(lane), found);
            target.commit();
        } catch (SQLException e) {
            log.warn(
                    "lane {}: what was found of {} is not stored in sluice.verification of the target: {} (SQLSTATE {})",
                    lane.name(), found.source(), Databases.reason(e), e.getSQLState());
        }
    }
}
