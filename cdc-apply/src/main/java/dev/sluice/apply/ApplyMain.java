package dev.sluice.apply;

import dev.sluice.config.PipelineConfig;
import dev.sluice.process.StopSignal;
import dev.sluice.schemas.Stop;

/** Runs cdc-apply. */
public final class ApplyMain {
    private ApplyMain() {}

    /** Runs every lane until {@code stop} is requested and everything in hand is drained. */
    public static Stop run(PipelineConfig config, StopSignal stop, ApplyStats stats) {
        throw new UnsupportedOperationException();
    }
}
