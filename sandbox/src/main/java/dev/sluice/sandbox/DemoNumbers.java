package dev.sluice.sandbox;

import dev.sluice.apply.ApplyStats;
import dev.sluice.schemas.TableId;
import java.time.Duration;
import java.util.Map;
import org.HdrHistogram.Histogram;

/**
 * What the demo shows, taken once a second.
 *
 * <p>A JVM that has just started compiles its code first, and rows wait for it. The lag of these first seconds is shown
 * as it happens, and is reported apart from the rest in the end.
 *
 * <p>Threads: one.
 */
final class DemoNumbers {
    private static final Duration WARM_UP = Duration.ofSeconds(10);

    private final WorkloadCounts written;
    private final ApplyStats applied;
    private final long startNanos = System.nanoTime();
    private final Histogram warmUpLag = new Histogram(3);
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
        (isWarm() ? lag : warmUpLag).add(lastLag);
        this.behindBytes = behindBytes;
    }

    private boolean isWarm() {
        return elapsed().compareTo(WARM_UP) > 0;
    }

    Duration elapsed() {
        return Duration.ofNanos(lastNanos - startNanos);
    }

    String writtenLine() {
        return "%,9.0f rows/s %,13d rows   %,11d transactions   %,d rolled back, %,d retried"
                .formatted(writtenPerSecond, written.rows(), written.transactions(), written.rollbacks(), written.retries());
    }

    String appliedLine() {
        return "%,9.0f rows/s %,13d events %,11d transactions   (a changed key is two events)"
                .formatted(appliedPerSecond, applied.events(), applied.transactions());
    }

    String lagLine() {
        Histogram whole = isWarm() ? lag : warmUpLag;
        return "last second p50 %s  p99 %s     %s p50 %s  p99 %s  max %s"
                .formatted(millis(lastLag, 50), millis(lastLag, 99), isWarm() ? "since 00:10" : "warming up",
                        millis(whole, 50), millis(whole, 99), millis(whole, 100));
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
        Histogram measured = isWarm() ? lag : warmUpLag;
        String line = "%,d rows in %,d transactions written, %,d events applied in %d s; commit to visible p50 %s, p99 %s, max %s"
                .formatted(written.rows(), written.transactions(), applied.events(), elapsed().toSeconds(),
                        millis(measured, 50), millis(measured, 99), millis(measured, 100));
        return isWarm()
                ? line + " (without the first 10 s, when the JVM was cold: max %s)".formatted(millis(warmUpLag, 100))
                : line;
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
