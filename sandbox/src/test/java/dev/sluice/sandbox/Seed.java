package dev.sluice.sandbox;

import java.util.concurrent.ThreadLocalRandom;

/** The random number that a test's choices follow from. */
final class Seed {
    private Seed() {}

    /** A fresh one, or the one of {@code -Dsluice.seed}; printed, so that a failure can be tried again. */
    static long of(Class<?> test) {
        long seed = Long.getLong("sluice.seed", ThreadLocalRandom.current().nextInt(1_000_000));
        System.out.printf("%s: seed %d   (again: -Dsluice.seed=%d)%n", test.getSimpleName(), seed, seed);
        return seed;
    }
}
