package dev.sluice.process;

import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;

/** Runs each lane of a pipeline in a thread of its own; the first that fails stops the others. */
public final class LaneThreads {

    /** The work of one lane; returns once a stop was requested. */
    public interface Work {
        void run(LaneConfig lane) throws InterruptedException;
    }

    private LaneThreads() {}

    /** Returns when every lane has ended; throws what the first failed one threw. */
    public static void run(PipelineConfig config, String process, StopSignal stop, Work work) {
        AtomicReference<RuntimeException> failure = new AtomicReference<>();
        List<Thread> threads = new ArrayList<>();
        for (LaneConfig lane : config.lanes()) {
            Thread thread = new Thread(
                    () -> {
                        try {
                            work.run(lane);
                        } catch (InterruptedException e) {
                            stop.request();
                        } catch (RuntimeException e) {
                            failure.compareAndSet(null, e);
                            stop.request();
                        } catch (Error e) {
                            failure.compareAndSet(null, new IllegalStateException(e));
                            stop.request();
                        }
                    },
                    process + "-" + lane.name());
            thread.start();
            threads.add(thread);
        }
        for (Thread thread : threads) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                stop.request();
                Thread.currentThread().interrupt();
            }
        }
        if (failure.get() != null) {
            throw failure.get();
        }
    }
}
