package dev.sluice.cli;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * How fast a table is read, over the last {@link #WINDOW}: rows count when their range is done, about once a second, so a
 * shorter look would jump.
 */
final class RereadPace {
    static final Duration WINDOW = Duration.ofSeconds(15);
    private static final Duration SHORTEST = Duration.ofSeconds(1);

    private final Deque<Sample> samples = new ArrayDeque<>();

    private record Sample(long nanos, long rows) {}

    /** @param nanos of a clock that never goes back */
    void add(long nanos, long rows) {
        boolean beganAnew = !samples.isEmpty() && rows < samples.getLast().rows();
        if (rows == 0 || beganAnew) {
            samples.clear();
        }
        samples.add(new Sample(nanos, rows));
        while (nanos - samples.getFirst().nanos() > WINDOW.toNanos()) {
            samples.removeFirst();
        }
    }

    /** Nothing is read for a while, which says nothing of the pace. */
    void rest() {
        samples.clear();
    }

    /** Empty until there is something to tell it from. */
    OptionalLong rowsPerSecond() {
        if (samples.isEmpty()) {
            return OptionalLong.empty();
        }
        Duration time = Duration.ofNanos(samples.getLast().nanos() - samples.getFirst().nanos());
        long rows = samples.getLast().rows() - samples.getFirst().rows();
        return rows == 0 || time.compareTo(SHORTEST) < 0 ? OptionalLong.empty() : perSecond(rows, time);
    }

    static OptionalLong perSecond(long rows, Duration time) {
        return time.toMillis() <= 0 ? OptionalLong.empty() : OptionalLong.of(Math.round(rows * 1e3 / time.toMillis()));
    }

    /** Time to the end; empty if there is no telling, as when there are more rows than estimated. */
    static Optional<Duration> toGo(long rows, long estimated, OptionalLong rowsPerSecond) {
        return rows >= estimated || rowsPerSecond.orElse(0) <= 0
                ? Optional.empty()
                : Optional.of(Duration.ofSeconds((estimated - rows - 1) / rowsPerSecond.getAsLong() + 1));
    }
}
