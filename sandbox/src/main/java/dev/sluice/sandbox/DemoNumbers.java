package dev.sluice.sandbox;

import dev.sluice.apply.ApplyStats;
import dev.sluice.schemas.TableId;
import java.time.Duration;
import java.util.Map;
import org.HdrHistogram.Histogram;

/**
 * What the demo shows, taken once a second.
 *
 * <p>Threads: one.
 */
final class DemoNumbers {
    private final WorkloadCounts written;
    private final ApplyStats applied;
    private final long startNanos = System.nanoTime();
    private final Histogram lag = new Histogram(3);

    private Histogram lastLag = new Histogram(3);
    private long lastNanos = startNanos;
    private long lastWritten;
    private long lastApplied;
    private double writtenPerSecond;
    private double appliedPerSecond;
    private long behindBytes;

    DemoNumbers(WorkloadCounts written, ApplyStats applied) {
        this.written = written;
        this.applied = applied;
    }

    boolean isDue(Duration interval) {
        return System.nanoTime() - lastNanos >= interval.toNanos();
    }

    void tick(long behindBytes) {
        long now = System.nanoTime();
        double seconds = Math.max(1e-3, (now - lastNanos) / 1e9);
        writtenPerSecond = (written.rows() - lastWritten) / seconds;
        appliedPerSecond = (applied.events() - lastApplied) / seconds;
        lastWritten = written.rows();
        lastApplied = applied.events();
        lastNanos = now;
        lastLag = applied.takeLagMicros();
        lag.add(lastLag);
        this.behindBytes = behindBytes;
    }

    Duration elapsed() {
        return Duration.ofNanos(lastNanos - startNanos);
    }

    String writtenLine() {
        return "%,9.0f rows/s %,13d rows   %,11d transactions   %,d rolled back, %,d retried"
                .formatted(writtenPerSecond, written.rows(), written.transactions(), written.rollbacks(), written.retries());
    }

    String appliedLine() {
        return "%,9.0f rows/s %,13d rows   %,11d transactions"
                .formatted(appliedPerSecond, applied.events(), applied.transactions());
    }

    String lagLine() {
        return "last second p50 %s  p99 %s     since start p50 %s  p99 %s  max %s"
                .formatted(millis(lastLag, 50), millis(lastLag, 99), millis(lag, 50), millis(lag, 99), millis(lag, 100));
    }

    String behindLine() {
        return behindBytes < 10_240 ? behindBytes + " bytes of WAL" : "%,d kB of WAL".formatted(behindBytes / 1024);
    }

    /** One line, for places that are no screen. */
    String line() {
        return "written %,d (%,.0f/s)  applied %,d (%,.0f/s)  lag p50 %s p99 %s  behind %s"
                .formatted(written.rows(), writtenPerSecond, applied.events(), appliedPerSecond, millis(lastLag, 50),
                        millis(lastLag, 99), behindLine());
    }

    String summary() {
        return "%,d rows in %,d transactions written, %,d events applied in %d s; commit to visible p50 %s, p99 %s, max %s"
                .formatted(written.rows(), written.transactions(), applied.events(), elapsed().toSeconds(), millis(lag, 50),
                        millis(lag, 99), millis(lag, 100));
    }

    Map<TableId, Long> writtenByTable() {
        return written.rowsByTable();
    }

    Map<TableId, Long> appliedByTable() {
        return applied.eventsByTable();
    }

    private static String millis(Histogram micros, double percentile) {
        if (micros.getTotalCount() == 0) {
            return "-";
        }
        double millis = micros.getValueAtPercentile(percentile) / 1e3;
        return millis < 10 ? "%.1f ms".formatted(millis) : "%,.0f ms".formatted(millis);
    }
}
