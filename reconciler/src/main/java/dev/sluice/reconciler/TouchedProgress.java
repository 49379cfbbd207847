package dev.sluice.reconciler;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;

/**
 * From where the stream must be read again after a restart, so that no touched row is forgotten: the last place of which everything
 * before has been verified.
 *
 * <p>Threads: one.
 */
final class TouchedProgress {
    private static final int MOST = 1_000;

    private final TouchedKeys keys;
    /** Places that were reached, the earliest first. */
    private final Deque<TouchLog.Start> reached = new ArrayDeque<>();

    private Optional<TouchLog.Start> verified = Optional.empty();

    TouchedProgress(TouchedKeys keys) {
        this.keys = keys;
    }

    /**
     * @param position where the stream is being read now
     * @param readTo all numbers up to it have been read
     */
    Optional<TouchLog.Start> verifiedTo(TouchLog.Start position, long readTo) {
        if (!reached.isEmpty() && reached.getLast().epoch() != position.epoch()) {
            reached.clear();
            verified = Optional.empty();
        }
        if (reached.size() < MOST) {
            reached.addLast(position);
        }
        long first = Math.min(keys.firstPending(), readTo + 1);
        while (!reached.isEmpty() && reached.getFirst().seq() < first) {
            verified = Optional.of(reached.removeFirst());
        }
        return verified;
    }
}
