package dev.sluice.capture;

import dev.sluice.config.PipelineConfig;
import dev.sluice.process.StopSignal;
import dev.sluice.schemas.Stop;

/** Runs cdc-capture. */
public final class CaptureMain {
    private CaptureMain() {}

    /** Runs every lane until {@code stop} is requested and everything in hand is drained. */
    public static Stop run(PipelineConfig config, StopSignal stop) {
        throw new UnsupportedOperationException();
    }
}
