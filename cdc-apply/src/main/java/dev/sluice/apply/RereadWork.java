package dev.sluice.apply;

import dev.sluice.apply.RangeReader.Rows;
import dev.sluice.apply.RereadStore.State;
import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.TableId;
import java.time.Duration;

/**
 * A table at work: what was asked for, how far it is, how much is read next and when.
 *
 * <p>Threads: the lane's.
 */
final class RereadWork {
    private static final Duration PIECE = Duration.ofSeconds(1);
    /** The lane waits while a part joins; what it carries is late by as much. */
    private static final Duration STANDSTILL = Duration.ofMillis(250);
    private static final long FIRST_ROWS = 20_000;
    private static final long FEWEST_ROWS = 500;
    private static final long MOST_ROWS = 10_000_000;
    private static final Duration SHORTEST_PAUSE = Duration.ofMillis(100);
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(30);
    /** Halved so often even the largest part is a row. */
    private static final int MOST_HALVES = 25;
    /** What cannot be halved is tried so often. */
    private static final int MOST_TRIES = 3;

    private RereadStore.Table request;
    private final TableReread reread;
    private long rows = FIRST_ROWS;
    /** So many join within {@link #STANDSTILL}, as far as it is known: while it is not, it grows with what has joined. */
    private long joinable = 2 * FIRST_ROWS;
    private long notBefore = System.nanoTime();
    private Duration pause = SHORTEST_PAUSE;
    /** How often in turn a part had too many changes. */
    private int overfull;
    /** What the lane must have passed before ranges are cut. */
    private Lsn from = Lsn.ZERO;
    /** All of the table must wait for this one thing. */
    private Object exclusive;

    RereadWork(RereadStore.Table request, TableReread reread) {
        this.request = request;
        this.reread = reread;
        request.throttle().rowsPerSecond().ifPresent(limit -> rows = Math.max(1, Math.min(rows, limit)));
    }

    /** Whether there is something to do that a pause does not stop: it stops the reading of ranges. */
    boolean isDue() {
        return exclusive == null && request.state() != State.FAILED && System.nanoTime() - notBefore >= 0;
    }

    /** Nothing of it goes on until somebody acts. */
    boolean isAtRest() {
        return request.state() == State.FAILED || request.isPaused();
    }

    /** @param position up to which changes may have another key than the one that ranges are cut by */
    void from(Lsn position) {
        from = position;
    }

    boolean mayReadRanges(Lsn position) {
        return !request.isPaused() && position.compareTo(from) >= 0;
    }

    void retryLater() {
        notBefore = System.nanoTime() + pause.toNanos();
        pause = pause.multipliedBy(2).compareTo(LONGEST_PAUSE) > 0 ? LONGEST_PAUSE : pause.multipliedBy(2);
    }

    /** The next part should take about a second, keep the lane waiting for no more than a quarter, and the limits allow it. */
    void hasRead(Rows read) {
        pause = SHORTEST_PAUSE;
        double factor = Math.max(0.5, Math.min(4.0, PIECE.toMillis() / (double) Math.max(1, read.took().toMillis())));
        rows = Math.max(FEWEST_ROWS, Math.min(joinable, (long) (rows * factor)));
        double seconds = 0;
        if (request.throttle().rowsPerSecond().isPresent()) {
            long limit = Math.max(1, request.throttle().rowsPerSecond().getAsLong());
            rows = Math.min(rows, limit);
            seconds = read.rows() / (double) limit;
        }
        if (request.throttle().bytesPerSecond().isPresent() && read.rows() > 0) {
            long limit = Math.max(1, request.throttle().bytesPerSecond().getAsLong());
            rows = Math.max(1, Math.min(rows, limit * read.rows() / Math.max(1, read.bytes())));
            seconds = Math.max(seconds, read.bytes() / (double) limit);
        }
        if (seconds > 0) {
            notBefore = System.nanoTime() + (long) (seconds * 1e9) - read.took().toNanos();
        }
    }

    RereadStore.Table request() {
        return request;
    }

    /** The request as it stands in the target now. */
    void request(RereadStore.Table now) {
        request = now;
    }

    TableReread reread() {
        return reread;
    }

    TableId source() {
        return reread.source();
    }

    /** Rows of the next part. */
    long rows() {
        return rows;
    }

    /** For one thing that no other part may go on beside. */
    void claim(Object by) {
        exclusive = by;
    }

    void release(Object by) {
        if (exclusive == by) {
            exclusive = null;
        }
    }

    void notBefore(Duration from) {
        notBefore = System.nanoTime() + from.toNanos();
    }

    /**
     * More changes came while a part was read than are kept in memory.
     *
     * @return whether it is worth another try, later and with a smaller part
     */
    boolean halve() {
        overfull++;
        rows = Math.max(1, rows / 2);
        retryLater();
        return overfull < (reread.scope().keys().hasRanges() ? MOST_HALVES : MOST_TRIES);
    }

    /** @param stood how long the lane has waited */
    void hasJoined(Rows read, Duration stood) {
        overfull = 0;
        long most = (long) (read.rows() * (STANDSTILL.toNanos() / (double) Math.max(1, stood.toNanos())));
        if (stood.compareTo(STANDSTILL) > 0) {
            joinable = Math.max(FEWEST_ROWS, most);
        } else {
            joinable = Math.min(MOST_ROWS, Math.max(joinable, Math.min(most, 2 * joinable)));
        }
        rows = Math.min(rows, joinable);
    }
}
