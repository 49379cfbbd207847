package dev.sluice.apply;

import dev.sluice.config.PipelineConfig;
import dev.sluice.process.LaneThreads;
import dev.sluice.process.StopSignal;
import dev.sluice.schemas.Stop;

/** Runs cdc-apply. */
public final class ApplyMain {
    private ApplyMain() {}

    /**
     * Runs every lane until {@code stop} is requested and everything in hand is drained.
     *
     * @throws dev.sluice.schemas.Failure.Fatal if a person is needed
     */
    public static Stop run(PipelineConfig config, StopSignal stop, ApplyStats stats) {
        LaneThreads.run(config, "apply", stop, lane -> new ApplyLane(config, lane, stop, stats).run());
        return Stop.CLEAN;
    }
}
