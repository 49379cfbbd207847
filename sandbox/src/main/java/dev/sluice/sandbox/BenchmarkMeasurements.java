package dev.sluice.sandbox;

import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Databases;
import dev.sluice.schemas.Lsn;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.HdrHistogram.Histogram;

/**
 * The measurements on one prepared pipeline. Each prints a line and gives what goes into the raw results.
 *
 * <p>Threads: one.
 */
final class BenchmarkMeasurements {
    private static final int WARM_UP_SECONDS = 10;
    private static final long PROBE_EVERY_MILLIS = 10;

    private final BenchmarkPipeline pipeline;
    private final BenchmarkLoad load;
    private long made;
    private long nextProbe = 1;

    BenchmarkMeasurements(BenchmarkPipeline pipeline, long seed) {
        this.pipeline = pipeline;
        load = new BenchmarkLoad(pipeline.config().source(), seed);
    }

    private interface Step {
        void run() throws InterruptedException;
    }

    /** Once by processes that have just started, then {@code rounds} times by the same ones. */
    List<Map<String, Object>> catchUp(int events, int rounds) throws InterruptedException {
        List<Map<String, Object>> results = new ArrayList<>();
        results.add(catchUp("catch-up, cold", events, backlog(events), () -> {
            pipeline.startCapture();
            pipeline.startApply();
        }));
        for (int round = 1; round <= rounds; round++) {
            pipeline.suspend();
            results.add(catchUp("catch-up, warm " + round, events, backlog(events), pipeline::resume));
        }
        return results;
    }

    private Map<String, Object> catchUp(String what, int events, long probe, Step start) throws InterruptedException {
        Lsn before = pipeline.applied();
        AtomicLong first = new AtomicLong();
        AtomicLong last = new AtomicLong();
        Map<String, Object> result = timed(what, events, () -> {
            start.run();
            pipeline.awaitAppliedBeyond(before);
            first.set(System.nanoTime());
            pipeline.awaitInTarget(probe);
            last.set(System.nanoTime());
        });
        double seconds = (last.get() - first.get()) / 1e9;
        result.put("secondsFromFirstInTarget", rounded(seconds));
        result.put("eventsPerSecondFromFirstInTarget", Math.round(events / seconds));
        System.out.printf(
                "  from the first change in the target to the last: %.1f s, %,.0f events/s%n", seconds, events / seconds);
        return result;
    }

    List<Map<String, Object>> stages(int events) throws InterruptedException {
        long probe = backlog(events);
        Map<String, Object> capture = timed("capture alone", events, () -> {
            pipeline.startCapture();
            pipeline.awaitInKafka(probe + 1);
        });
        pipeline.stopAll();
        Map<String, Object> apply = timed("apply alone", events, () -> {
            pipeline.startApply();
            pipeline.awaitInTarget(probe);
        });
        return List.of(capture, apply);
    }

    /** From the request to the moment in which the table is in step with the stream. */
    List<Map<String, Object>> backfill(int rows) throws InterruptedException {
        pipeline.startCapture();
        pipeline.startApply();
        pipeline.probe(nextProbe);
        pipeline.awaitInTarget(nextProbe++);
        List<Map<String, Object>> results = new ArrayList<>();
        for (String what : List.of("backfill, cold", "backfill, warm")) {
            pipeline.emptyCopied();
            results.add(timed(what, rows, () -> {
                pipeline.requestCopy();
                pipeline.awaitCopied();
            }));
        }
        return results;
    }

    /** Changes that nobody has captured yet; the probe is the last of them. */
    private long backlog(int events) throws InterruptedException {
        long start = System.nanoTime();
        load.run(made, events, new Pace(0));
        made += events;
        pipeline.probe(nextProbe);
        System.out.printf("made %,d changes in %.1f s%n", events, (System.nanoTime() - start) / 1e9);
        return nextProbe++;
    }

    private Map<String, Object> timed(String what, long events, Step step) throws InterruptedException {
        Map<String, ProcessUsage> before = pipeline.usage();
        long start = System.nanoTime();
        step.run();
        double seconds = (System.nanoTime() - start) / 1e9;
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("what", what);
        result.put("events", events);
        result.put("seconds", rounded(seconds));
        result.put("eventsPerSecond", Math.round(events / seconds));
        result.put("processes", processes(before, pipeline.usage(), events));
        System.out.printf("%-16s %,9d events in %6.1f s: %,7.0f events/s%n",
                what, events, seconds, events / seconds);
        return result;
    }

    private static Map<String, Object> processes(Map<String, ProcessUsage> before, Map<String, ProcessUsage> after, long events) {
        Map<String, Object> processes = new LinkedHashMap<>();
        after.forEach((name, usage) -> {
            long micros = usage.cpuMicros() - before.getOrDefault(name, new ProcessUsage(0, 0)).cpuMicros();
            double microsPerEvent = (double) micros / events;
            processes.put(name, Map.of("cpuMicrosPerEvent", rounded(microsPerEvent), "peakBytes", usage.peakBytes()));
            System.out.printf("  %-8s %6.1f CPU-µs/event   peak %,d MB%n", name, microsPerEvent, usage.peakBytes() >> 20);
        });
        return processes;
    }

    List<Map<String, Object>> lag(List<Integer> rates, int seconds) throws InterruptedException {
        pipeline.startCapture();
        pipeline.startApply();
        List<Map<String, Object>> results = new ArrayList<>();
        for (int rate : rates) {
            atRate(rate, WARM_UP_SECONDS);
            long first = nextProbe;
            Map<String, Object> result = timed("rate " + rate, (long) rate * seconds, () -> atRate(rate, seconds));
            Histogram lag = lagMicros(first);
            Map<String, Object> micros = new LinkedHashMap<>();
            micros.put("probes", lag.getTotalCount());
            for (double percentile : new double[] {50, 90, 99, 99.9, 100}) {
                micros.put("p" + percentile, lag.getValueAtPercentile(percentile));
            }
            result.put("lagMicros", micros);
            System.out.printf("  lag at %,d rows/s, commit to commit: p50 %.1f ms, p99 %.1f ms, max %.1f ms (%d probes)%n",
                    rate, lag.getValueAtPercentile(50) / 1e3, lag.getValueAtPercentile(99) / 1e3, lag.getMaxValue() / 1e3,
                    lag.getTotalCount());
            results.add(result);
        }
        return results;
    }

    /** The load, a probe every 10 ms beside it, and the wait for the last probe. */
    private void atRate(int rate, int seconds) throws InterruptedException {
        AtomicReference<Exception> failure = new AtomicReference<>();
        Thread probes = new Thread(() -> probe(failure), "benchmark-probes");
        probes.start();
        load.run(made, (long) rate * seconds, new Pace(rate));
        made += (long) rate * seconds;
        probes.interrupt();
        probes.join();
        if (failure.get() != null) {
            throw new IllegalStateException("could not write probes", failure.get());
        }
        pipeline.probe(nextProbe); // behind the last change of the load
        pipeline.awaitInTarget(nextProbe++);
    }

    private void probe(AtomicReference<Exception> failure) {
        try (Connection connection = Databases.connect(pipeline.config().source(), "benchmark");
                PreparedStatement insert = connection.prepareStatement("INSERT INTO probes VALUES (?)")) {
            while (!Thread.currentThread().isInterrupted()) {
                insert.setLong(1, nextProbe);
                insert.executeUpdate();
                nextProbe++;
                TimeUnit.MILLISECONDS.sleep(PROBE_EVERY_MILLIS);
            }
        } catch (SQLException e) {
            failure.set(e);
        } catch (InterruptedException e) {
            // told to end
        }
    }

    /** When each server committed its side of a probe is known to the servers, by the one clock of this machine. */
    private Histogram lagMicros(long first) {
        Histogram lag = new Histogram(3);
        Map<Long, Long> source = commitMicros(pipeline.config().source(), first);
        commitMicros(pipeline.config().target(), first)
                .forEach((id, micros) -> lag.recordValue(Math.max(0, micros - source.get(id))));
        return lag;
    }

    private static Map<Long, Long> commitMicros(DatabaseConfig database, long first) {
        Map<Long, Long> micros = new HashMap<>();
        try (Connection connection = Databases.connect(database, "benchmark");
                PreparedStatement query = connection.prepareStatement(
                        "SELECT id, (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint FROM probes"
                                + " WHERE id >= ?")) {
            query.setLong(1, first);
            try (ResultSet rows = query.executeQuery()) {
                while (rows.next()) {
                    micros.put(rows.getLong(1), rows.getLong(2));
                }
            }
            return micros;
        } catch (SQLException e) {
            throw new IllegalStateException("could not read the probes of " + database.address(), e);
        }
    }

    private static double rounded(double value) {
        return Math.round(value * 10) / 10.0;
    }
}
