package dev.sluice.process;

import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Growing pauses between attempts: from 0.2 s to 5 s, each shortened by up to a quarter at random, so that several
 * processes do not come back in step.
 *
 * <p>Threads: one.
 */
public final class Pauses {
    private static final long FIRST_MILLIS = 200;
    private static final long LONGEST_MILLIS = 5_000;

    private long millis = FIRST_MILLIS;

    public Duration next() {
        long pause = millis - ThreadLocalRandom.current().nextLong(millis / 4 + 1);
        millis = Math.min(LONGEST_MILLIS, millis * 2);
        return Duration.ofMillis(pause);
    }

    public void reset() {
        millis = FIRST_MILLIS;
    }
}
