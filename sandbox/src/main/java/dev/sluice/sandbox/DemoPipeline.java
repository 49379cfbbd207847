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
final class DemoPipeline implements AutoCloseable {
    private final StopSignal stop = new StopSignal();
    private final ApplyStats stats = new ApplyStats();
    private final AtomicReference<RuntimeException> failure = new AtomicReference<>();
    private final List<Thread> threads = new ArrayList<>();

    private final PipelineConfig config;

    DemoPipeline(PipelineConfig config) {
        this.config = config;
    }

    void startCapture() {
        start("capture", () -> CaptureMain.run(config, stop));
    }

    void startApply() {
        start("apply", () -> ApplyMain.run(config, stop, stats));
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

    ApplyStats stats() {
        return stats;
    }

    /** Throws what capture or apply has thrown. */
    void throwIfFailed() {
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
