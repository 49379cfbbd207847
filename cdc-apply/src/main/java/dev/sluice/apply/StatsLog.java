package dev.sluice.apply;

import java.util.Locale;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.HdrHistogram.Histogram;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Says every ten seconds what was applied, if anything was. Threads: one of its own, {@code apply-stats}. */
final class StatsLog implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(StatsLog.class);

    private final ApplyStats stats;
    private final ScheduledExecutorService thread = Executors.newSingleThreadScheduledExecutor(work -> {
        Thread named = new Thread(work, "apply-stats");
        named.setDaemon(true);
        return named;
    });
    private long eventsBefore;

    private StatsLog(ApplyStats stats) {
        this.stats = stats;
    }

    static StatsLog every10Seconds(ApplyStats stats) {
        StatsLog statsLog = new StatsLog(stats);
        statsLog.thread.scheduleAtFixedRate(statsLog::report, 10, 10, TimeUnit.SECONDS);
        return statsLog;
    }

    private void report() {
        Histogram lag = stats.takeLagMicros();
        long events = stats.events();
        if (lag.getTotalCount() > 0) {
            log.info(String.format(
                    Locale.ROOT,
                    "applied %d events in %d transactions, %d in all; lag p50 %.1f ms, p99 %.1f ms, max %.1f ms",
                    events - eventsBefore,
                    lag.getTotalCount(),
                    events,
                    lag.getValueAtPercentile(50) / 1_000.0,
                    lag.getValueAtPercentile(99) / 1_000.0,
                    lag.getMaxValue() / 1_000.0));
        }
        eventsBefore = events;
    }

    @Override
    public void close() {
        thread.shutdownNow();
    }
}
