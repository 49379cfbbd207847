package dev.sluice.apply;

import dev.sluice.apply.BatchWriter.NextLarge;
import dev.sluice.apply.BatchWriter.ReadAgain;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.process.Finding;
import dev.sluice.process.Outage;
import dev.sluice.process.StopSignal;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import java.util.HashSet;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Moves one lane from the change topics to the target, run after run.
 *
 * <p>Delivery: rows and progress are one target transaction, so a crash repeats nothing and loses nothing; a record
 * seen again is dropped by its number in {@link LaneMerge}.
 *
 * <p>Every {@link ApplyRun} enters through the same door: take the lane's lock in the target, read the progress, read
 * Kafka from there. Whatever fails in passing ends the run, and the next one learns from the progress what took effect,
 * also when the connection was lost during COMMIT.
 *
 * <p>Threads: the thread in {@link #run} owns everything.
 */
final class ApplyLane {
    private static final Logger log = LoggerFactory.getLogger(ApplyLane.class);

    private final PipelineConfig config;
    private final LaneConfig lane;
    private final StopSignal stop;
    private final ApplyStats stats;
    private final NextLarge nextLarge = new NextLarge();
    private final Outage outage;
    private final BlockedLane blocked;
    private final Set<Finding> warned = new HashSet<>();
    /** What the target lacked when a run ended; its tables may have been altered since that run read them. */
    private String lastSetup = "";

    ApplyLane(PipelineConfig config, LaneConfig lane, StopSignal stop, ApplyStats stats) {
        this.config = config;
        this.lane = lane;
        this.stop = stop;
        this.stats = stats;
        this.outage = new Outage(log, lane.name(), "applying");
        this.blocked = new BlockedLane(config.target(), config.nameInTarget(lane));
    }

    /**
     * Returns when a stop was requested.
     *
     * @throws Failure.Fatal if a person is needed
     */
    void run() throws InterruptedException {
        while (!stop.isRequested()) {
            try (LaneLock lock = LaneLock.take(config.target(), config.nameInTarget(lane), stop)) {
                if (lock.isHeld()) {
                    serve(new ApplyRun(config, lane, lock, nextLarge));
                }
            } catch (ReadAgain e) {
                log.info("lane {}: reading a large transaction again", lane.name());
            } catch (Progress.Lost e) {
                log.warn("lane {}: {}; standing by", lane.name(), e.getMessage());
            } catch (Failure.Poison e) {
                throw new Failure.Fatal(
                        Stop.POISON,
                        e.getMessage(),
                        "the lane stops before this source transaction, nothing is skipped: correct the target (schema,"
                                + " constraint or row) and start apply again",
                        e);
            } catch (Failure.Retryable e) {
                blocked.note(e.getMessage());
                stop.await(outage.met(e.getMessage()).toMillis());
            }
        }
        log.info("lane {}: stopped", lane.name());
    }

    private void serve(ApplyRun run) throws InterruptedException {
        try {
            run.serve(stop, stats, warned, blocked, outage::over);
        } catch (Failure.Fatal e) {
            boolean isSaid = e.getMessage().equals(lastSetup) && !run.hasCommitted();
            if (e.stop() != Stop.SETUP || !run.isApplying() || isSaid) {
                throw e;
            }
            lastSetup = e.getMessage();
            log.info("lane {}: {}; reading the target's tables again", lane.name(), e.getMessage());
        }
    }
}
