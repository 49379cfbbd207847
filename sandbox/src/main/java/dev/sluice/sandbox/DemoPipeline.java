package dev.sluice.sandbox;

import dev.sluice.apply.ApplyMain;
import dev.sluice.apply.ApplyStats;
import dev.sluice.capture.CaptureMain;
import dev.sluice.config.PipelineConfig;
import dev.sluice.process.StopSignal;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Capture and apply in threads of this process.
 *
 * <p>Threads: one per process, named after it; the first failure of either is kept for {@link #throwIfFailed}.
 */
public final class DemoPipeline implements AutoCloseable {
    private final StopSignal stop = new StopSignal();
    private final ApplyStats stats = new ApplyStats();
    private final AtomicReference<RuntimeException> failure = new AtomicReference<>();
    private final List<Thread> threads = new ArrayList<>();

    private DemoPipeline() {}

    public static DemoPipeline start(PipelineConfig config) {
        DemoPipeline pipeline = new DemoPipeline();
        pipeline.start("capture", () -> CaptureMain.run(config, pipeline.stop));
        pipeline.start("apply", () -> ApplyMain.run(config, pipeline.stop, pipeline.stats));
        return pipeline;
    }

    private void start(String name, Runnable process) {
        Thread thread = new Thread(
                () -> {
                    try {
                        process.run();
                    } catch (RuntimeException e) {
                        failure.compareAndSet(null, e);
                    } catch (Error e) {
                        failure.compareAndSet(null, new IllegalStateException(name + " failed", e));
                    }
                },
                name);
        thread.start();
        threads.add(thread);
    }

    public ApplyStats stats() {
        return stats;
    }

    /** Throws what capture or apply has thrown. */
    public void throwIfFailed() {
        RuntimeException failed = failure.get();
        if (failed != null) {
            throw failed;
        }
    }

    /** Lets both drain and waits for them. */
    @Override
    public void close() {
        stop.request();
        for (Thread thread : threads) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted while stopping the pipeline", e);
            }
        }
    }
}
