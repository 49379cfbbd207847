package dev.sluice.sandbox;

import java.time.Duration;
import java.time.Instant;

/** Waits for an effect. */
final class Await {
    private static final long LOOK_EVERY_MILLIS = 25;

    private Await() {}

    /** Looked at again and again until it is true. */
    interface Effect {
        boolean isThere() throws Exception;
    }

    /**
     * Returns once the effect is there.
     *
     * @param what as it reads after "waited 10 s in vain: "
     * @throws AssertionError if the effect is not there in time, or cannot be looked at
     */
    static void until(String what, Duration atMost, Effect effect) {
        Instant deadline = Instant.now().plus(atMost);
        try {
            while (true) {
                // asked before looking: a slow look at the right time counts
                boolean isLate = Instant.now().isAfter(deadline);
                if (effect.isThere()) {
                    return;
                }
                if (isLate) {
                    throw new AssertionError("waited %d s in vain: %s".formatted(atMost.toSeconds(), what));
                }
                Thread.sleep(LOOK_EVERY_MILLIS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted while waiting: " + what, e);
        } catch (Exception e) { // whatever the effect throws, the wait is over
            throw new AssertionError("could not wait: " + what, e);
        }
    }
}
