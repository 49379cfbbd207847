package dev.sluice.sandbox;

import dev.sluice.reconciler.BareDigest;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;

/**
 * The measurements of verification on one prepared pipeline. Each prints lines and gives what goes into the raw results.
 *
 * <p>Threads: one.
 */
final class BenchmarkVerification {
    /** Of each way to compare, taken in turns; one more of each comes before, and is not counted. */
    private static final int ROUNDS = 3;

    private static final int WARM_UP_SECONDS = 20;
    private static final long SAMPLE_MILLIS = 100;

    /** Names of the reconciler's sessions. */
    private static final List<String> RECONCILER = List.of("sluice-compare", "sluice-verify", "sluice-reconcile");

    private final BenchmarkPipeline pipeline;
    private final long seed;

    BenchmarkVerification(BenchmarkPipeline pipeline, long seed) {
        this.pipeline = pipeline;
        this.seed = seed;
    }

    // ---- a full pass

    /** {@code sluice verify} of a table at rest, its process's start and end included, and in turns with it the bare digests. */
    List<Map<String, Object>> verify(int rows) throws InterruptedException {
        pipeline.startCapture();
        pipeline.startApply();
        pipeline.probe(1);
        pipeline.awaitInTarget(1);
        pipeline.requestCopy();
        pipeline.awaitCopied();
        pipeline.vacuum(); // or the first to read would set hint bits for the second
        List<Map<String, Object>> verified = new ArrayList<>();
        List<Map<String, Object>> bare = new ArrayList<>();
        try (BareDigest digest = BareDigest.open(pipeline.config(), pipeline.copied())) {
            for (int round = 0; round <= ROUNDS; round++) {
                String which = round == 0 ? "warm-up" : Integer.toString(round);
                bare.add(timed("bare digest, " + which, rows, () -> {
                    if (!digest.isSame()) {
                        throw new IllegalStateException("the digests of both sides differ");
                    }
                    return new ProcessUsage(0, 0);
                }));
                verified.add(timed("verify, " + which, rows, pipeline::verifyCopied));
            }
        }
        double ratio = median(verified) / median(bare);
        System.out.printf("verify takes %.2f times the bare digests: %.1f s and %.1f s, medians of %d%n",
                ratio, median(verified), median(bare), ROUNDS);
        List<Map<String, Object>> results = new ArrayList<>(bare);
        results.addAll(verified);
        results.add(Map.of(
                "what", "verify against bare digests, medians without the warm-up",
                "secondsVerify", median(verified),
                "secondsBare", median(bare),
                "ratio", hundredths(ratio)));
        return results;
    }

    private interface Comparison {
        /** @return what its process has used; nothing if it has none */
        ProcessUsage run() throws InterruptedException;
    }

    private Map<String, Object> timed(String what, int rows, Comparison comparison) throws InterruptedException {
        Map<String, ProcessUsage> before = pipeline.usage();
        long start = System.nanoTime();
        ProcessUsage own = comparison.run();
        double seconds = (System.nanoTime() - start) / 1e9;
        Map<String, Object> cpuSeconds = new LinkedHashMap<>();
        pipeline.usage().forEach((name, usage) ->
                cpuSeconds.put(name, hundredths((usage.cpuMicros() - before.get(name).cpuMicros()) / 1e6)));
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("what", what);
        result.put("rows", rows);
        result.put("seconds", hundredths(seconds));
        result.put("rowsPerSecond", Math.round(rows / seconds));
        result.put("cpuSeconds", cpuSeconds);
        System.out.printf("%-20s %,9d rows in %6.2f s: %,9.0f rows/s   CPU-s: source %s, target %s",
                what, rows, seconds, rows / seconds, cpuSeconds.get("source"), cpuSeconds.get("target"));
        if (own.peakBytes() > 0) {
            cpuSeconds.put("verify", hundredths(own.cpuMicros() / 1e6));
            result.put("peakBytes", own.peakBytes());
            System.out.printf(", verify %s; its peak %,d MB", cpuSeconds.get("verify"), own.peakBytes() >> 20);
        }
        System.out.println();
        return result;
    }

    /** Of those behind the warm-up. */
    private static double median(List<Map<String, Object>> results) {
        List<Double> seconds =
                results.stream().skip(1).map(result -> (Double) result.get("seconds")).sorted().toList();
        return seconds.get(seconds.size() / 2);
    }

    // ---- rows soon after they were touched

    /** What {@code sluice reconcile} uses beside a steady rate of changes, with no pass over a whole table under way. */
    List<Map<String, Object>> touched(int rate, int seconds) throws InterruptedException {
        pipeline.startCapture();
        pipeline.startApply();
        pipeline.probe(1);
        pipeline.awaitInTarget(1);
        pipeline.startReconcile();
        pipeline.awaitVerifiedOnce();
        BenchmarkLoad load = new BenchmarkLoad(pipeline.config().source(), seed);
        AtomicBoolean isMeasured = new AtomicBoolean();
        CompletableFuture<Long> changes = CompletableFuture.supplyAsync(() -> load(load, rate, isMeasured));
        Map<String, Object> result;
        try {
            TimeUnit.SECONDS.sleep(WARM_UP_SECONDS);
            result = touchedFor(rate, seconds);
        } finally {
            isMeasured.set(true);
        }
        long made = changes.join();
        pipeline.probe(2);
        pipeline.awaitInTarget(2);
        long start = System.nanoTime();
        pipeline.awaitNonePending();
        result.put("secondsUntilNonePending", hundredths((System.nanoTime() - start) / 1e9));
        result.put("changesInAll", made);
        System.out.printf("  %.1f s after the last change in the target none is pending%n", result.get("secondsUntilNonePending"));
        return List.of(result);
    }

    /** Until all is measured; the number of changes. */
    private static long load(BenchmarkLoad load, int rate, AtomicBoolean isMeasured) {
        try {
            return load.runUntil(isMeasured::get, new Pace(rate));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while changes were made", e);
        }
    }

    private Map<String, Object> touchedFor(int rate, int seconds) throws InterruptedException {
        try (ServerSessions source = pipeline.sourceSessions();
                ServerSessions target = pipeline.targetSessions();
                TouchedWatch watch = new TouchedWatch(pipeline.config())) {
            Map<String, ProcessUsage> before = pipeline.usage();
            long start = System.nanoTime();
            long end = start + TimeUnit.SECONDS.toNanos(seconds);
            while (System.nanoTime() - end < 0) {
                TimeUnit.MILLISECONDS.sleep(SAMPLE_MILLIS);
                source.sample();
                target.sample();
                watch.look();
                pipeline.throwIfAnyIsDead();
            }
            double took = (System.nanoTime() - start) / 1e9;
            Map<String, ProcessUsage> after = pipeline.usage();
            Map<String, Object> result = new LinkedHashMap<>();
            result.put("what", "touched rows at rate " + rate);
            result.put("seconds", hundredths(took));
            result.put("percentOfACore", percents(took, before, after, Map.of("source", source, "target", target)));
            result.put("peakBytes", after.get("reconcile").peakBytes());
            watch.put(result);
            print(result);
            return result;
        }
    }

    private static Map<String, Object> percents(
            double seconds, Map<String, ProcessUsage> before, Map<String, ProcessUsage> after, Map<String, ServerSessions> servers) {
        Map<String, Object> percents = new LinkedHashMap<>();
        for (String side : List.of("source", "target")) {
            ServerSessions sessions = servers.get(side);
            Map<String, Object> percent = new LinkedHashMap<>();
            Map<String, Long> micros = sessions.micros();
            long reconciler = RECONCILER.stream().mapToLong(name -> micros.getOrDefault(name, 0L)).sum();
            percent.put("reconciler", percent(reconciler, seconds));
            RECONCILER.forEach(name -> percent.put(name, percent(micros.getOrDefault(name, 0L), seconds)));
            percent.put("sessionsSeen", RECONCILER.stream().mapToLong(sessions::count).sum());
            percent.put("unseenOfAnybody", percent(sessions.unseenMicros(), seconds));
            percents.put(side, percent);
        }
        after.forEach((name, usage) -> percents.put(
                Stream.of("source", "target").anyMatch(name::equals) ? name + "InAll" : name,
                percent(usage.cpuMicros() - before.get(name).cpuMicros(), seconds)));
        return percents;
    }

    private static void print(Map<String, Object> result) {
        System.out.println(result.get("what"));
        result.forEach((name, value) -> System.out.printf("  %-24s %s%n", name, value));
    }

    private static double percent(long micros, double seconds) {
        return hundredths(micros / seconds / 1e4);
    }

    private static double hundredths(double value) {
        return Math.round(value * 100) / 100.0;
    }
}
