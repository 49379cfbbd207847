package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.config.PipelineConfig;
import dev.sluice.process.StopSignal;
import dev.sluice.reconciler.ReconcileCommand;
import dev.sluice.schemas.Stop;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** The reconciler, inside of the test's JVM. */
final class ReconcilerInside implements AutoCloseable {
    private final StopSignal stop = new StopSignal();
    private final CompletableFuture<Stop> run;

    ReconcilerInside(PipelineConfig config) {
        run = CompletableFuture.supplyAsync(() -> ReconcileCommand.run(config, stop));
    }

    /** It must not have ended before. */
    void stop() {
        assertThat(run).isNotDone();
        stop.request();
        try {
            assertThat(run.get(30, TimeUnit.SECONDS)).isEqualTo(Stop.CLEAN);
        } catch (InterruptedException | ExecutionException | TimeoutException e) {
            throw new IllegalStateException(e);
        }
    }

    @Override
    public void close() {
        stop.request();
    }
}
