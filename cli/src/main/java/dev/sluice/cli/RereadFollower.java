package dev.sluice.cli;

import dev.sluice.apply.LaneStatus;
import dev.sluice.apply.RereadStore;
import dev.sluice.apply.RereadStore.Table;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.process.Pauses;
import dev.sluice.process.StopSignal;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.io.PrintWriter;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Says what becomes of tables that are read, until all are done or one has failed. It only looks: the work is the applier's, and
 * goes on without it. A target that is away for a while is waited for.
 *
 * <p>Threads: one.
 */
final class RereadFollower {
    private static final long LOOK_EVERY_MILLIS = 400;
    /** What a program answers that was ended by a signal before its work was done. */
    static final int STOPPED = 143;

    private final PipelineConfig pipeline;
    private final Map<LaneConfig, List<TableId>> tables;
    private final PrintWriter out;
    private final RereadView view;
    private final Pauses pauses = new Pauses();
    private boolean isAwaySaid;

    RereadFollower(PipelineConfig pipeline, Map<LaneConfig, List<TableId>> tables, PrintWriter out) {
        this.pipeline = pipeline;
        this.tables = tables;
        this.out = out;
        this.view = new RereadView(tables.values().stream().flatMap(List::stream).toList(), System.nanoTime());
    }

    /** The exit code: of {@link Stop#CLEAN}, {@link Stop#FAILED}, or {@link #STOPPED}. */
    int follow(StopSignal stop) throws InterruptedException {
        while (!stop.isRequested()) {
            try (TargetSession session = TargetSession.open(pipeline)) {
                while (!look(session)) {
                    if (stop.await(LOOK_EVERY_MILLIS)) {
                        break;
                    }
                }
                if (view.hasFailed() || view.isDone()) {
                    return end().exitCode();
                }
            } catch (Failure.Retryable e) {
                if (!isAwaySaid) {
                    isAwaySaid = true;
                    out.println(e.getMessage() + "; trying again");
                }
                stop.await(pauses.next().toMillis());
            }
        }
        out.println("not followed any more; the reading goes on in `sluice apply`. `sluice status` shows it, `sluice backfill`"
                + " follows it again, `sluice backfill --pause` holds it");
        return STOPPED;
    }

    /** True if there is nothing more to follow. */
    private boolean look(TargetSession session) {
        long now = System.nanoTime();
        Map<TableId, Table> found = session.inTransaction("reading sluice.reread", this::read);
        isAwaySaid = false;
        pauses.reset();
        view.look(now, found).forEach(out::println);
        out.flush();
        if (view.hasFailed() || view.isDone()) {
            return true;
        }
        if (view.hasStalled(now)) {
            session.inTransaction("looking for the applier", this::stalled).forEach(out::println);
            out.flush();
        }
        return false;
    }

    private Map<TableId, Table> read(Connection target) throws SQLException {
        Map<TableId, Table> found = new TreeMap<>();
        for (LaneConfig lane : tables.keySet()) {
            found.putAll(new RereadStore(pipeline.nameInTarget(lane)).read(target));
        }
        return found;
    }

    private List<String> stalled(Connection target) throws SQLException {
        List<String> lines = new ArrayList<>();
        for (LaneConfig lane : tables.keySet()) {
            if (Collections.disjoint(tables.get(lane), view.toMove())) {
                continue;
            }
            String nothing = "nothing has moved for %d s: ".formatted(RereadView.STALL.toSeconds());
            lines.add(nothing + (LaneStatus.isAtWork(target, pipeline.nameInTarget(lane))
                    ? "an apply holds lane %s, its log says what it waits for".formatted(lane.name())
                    : "no apply seems to be at work on lane %s; start `sluice apply`, it does the reading"
                            .formatted(lane.name())));
        }
        return lines;
    }

    private Stop end() {
        if (view.hasFailed()) {
            out.println("a table has failed, the others go on; do what it says, then ask for it again:"
                    + " `sluice resync --table …` begins it anew");
            return Stop.FAILED;
        }
        return Stop.CLEAN;
    }
}
