package dev.sluice.capture;

import dev.sluice.config.PipelineConfig;
import dev.sluice.process.LaneThreads;
import dev.sluice.process.StopSignal;
import dev.sluice.schemas.Stop;

/** Runs cdc-capture. */
public final class CaptureMain {
    private CaptureMain() {}

    /**
     * Runs every lane until {@code stop} is requested and everything in hand is drained.
     *
     * @throws dev.sluice.schemas.Failure.Fatal if a person is needed
     */
    public static Stop run(PipelineConfig config, StopSignal stop) {
        LaneThreads.run(config, "capture", stop, lane -> new CaptureLane(config, lane, stop).run());
        return Stop.CLEAN;
    }
}
