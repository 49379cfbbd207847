package dev.sluice.sandbox;

import java.util.concurrent.TimeUnit;

/**
 * Keeps several threads together at a number of rows a second.
 *
 * <p>A large transaction is a debt that the following small ones pay back with a quarter of their rows, so it does not
 * silence the others for seconds.
 *
 * <p>Threads: any.
 */
final class Pace {
    private static final int LARGE = 100;
    private static final double PAYBACK = 0.25;

    private final int rowsPerSecond;
    private long dueNanos = System.nanoTime();
    private double debtRows;

    /** @param rowsPerSecond 0 for as fast as possible */
    Pace(int rowsPerSecond) {
        this.rowsPerSecond = rowsPerSecond;
    }

    /** Waits until a transaction of {@code rows}, already made, has had its share of time. */
    void made(int rows) throws InterruptedException {
        if (rowsPerSecond == 0) {
            return;
        }
        long wait = schedule(rows) - System.nanoTime();
        if (wait > 0) {
            TimeUnit.NANOSECONDS.sleep(wait);
        }
    }

    private synchronized long schedule(int rows) {
        // time not used is lost: after a pause there is no burst
        dueNanos = Math.max(dueNanos, System.nanoTime() - TimeUnit.MILLISECONDS.toNanos(100));
        if (rows > LARGE) {
            debtRows += rows;
            return dueNanos;
        }
        double paidBack = Math.min(debtRows, rows * PAYBACK);
        debtRows -= paidBack;
        dueNanos += (long) ((rows + paidBack) / rowsPerSecond * 1e9);
        return dueNanos;
    }
}
