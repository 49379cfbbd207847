package dev.sluice.process;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * One request to stop, from a signal or from the program itself; it cannot be taken back.
 *
 * <p>Threads: any thread may request, any thread may wait. Actions given to {@link #then} run in the thread that
 * requests, or at once if the request was made before.
 */
public final class StopSignal {
    private final CountDownLatch requested = new CountDownLatch(1);
    private final List<Runnable> actions = new ArrayList<>();

    public void request() {
        List<Runnable> due;
        synchronized (actions) {
            if (isRequested()) {
                return;
            }
            requested.countDown();
            due = List.copyOf(actions);
        }
        due.forEach(Runnable::run);
    }

    public boolean isRequested() {
        return requested.getCount() == 0;
    }

    /** Runs {@code action} once when a stop is requested. */
    public void then(Runnable action) {
        synchronized (actions) {
            if (!isRequested()) {
                actions.add(action);
                return;
            }
        }
        action.run();
    }

    /** Waits at most {@code millis}; true if a stop was requested by then. */
    public boolean await(long millis) throws InterruptedException {
        return requested.await(millis, TimeUnit.MILLISECONDS);
    }
}
