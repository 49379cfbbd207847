package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.apply.ApplyMain;
import dev.sluice.apply.ApplyStats;
import dev.sluice.capture.CaptureMain;
import dev.sluice.config.PipelineConfig;
import dev.sluice.process.StopSignal;
import dev.sluice.reconciler.ComparisonReport;
import dev.sluice.reconciler.RowComparison;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;
import java.util.function.Function;

/**
 * Capture and apply of one pipeline in threads of this JVM; a test starts, stops and sees fail each by itself.
 *
 * <p>Every wait ends with the effect, with an error if a process has ended unasked, or with one after
 * {@link #PATIENCE}.
 *
 * <p>Threads: the test's.
 */
final class InProcessPipeline implements AutoCloseable {
    /** A fault met while running must be said within this time. */
    static final Duration NOTICED = Duration.ofSeconds(30);

    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private final PipelineConfig config;
    private final TestDatabase source;
    private final TestDatabase target;
    private Optional<Running> capture = Optional.empty();
    private Optional<Running> apply = Optional.empty();

    /** One start of a process. */
    private static final class Running {
        private final String name;
        private final StopSignal stop = new StopSignal();
        private final CompletableFuture<Stop> end = new CompletableFuture<>();

        Running(String name, Function<StopSignal, Stop> process) {
            this.name = name;
            new Thread(
                            () -> {
                                try {
                                    end.complete(process.apply(stop));
                                } catch (RuntimeException | Error e) {
                                    end.completeExceptionally(e);
                                }
                            },
                            name)
                    .start();
        }

        Stop await(Duration longest) {
            try {
                return end.get(longest.toMillis(), TimeUnit.MILLISECONDS);
            } catch (ExecutionException e) {
                if (e.getCause() instanceof Failure failure) {
                    throw failure;
                }
                throw new AssertionError(name + " failed", e.getCause());
            } catch (TimeoutException e) {
                throw new AssertionError(name + " has not ended within " + longest, e);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted", e);
            }
        }

        Failure.Fatal failure(Duration longest) {
            try {
                throw new AssertionError(name + " ended by itself: " + await(longest));
            } catch (Failure.Fatal failure) {
                return failure;
            }
        }

        void drain() {
            stop.request();
            assertThat(await(PATIENCE)).isEqualTo(Stop.CLEAN);
        }
    }

    InProcessPipeline(PipelineConfig config, TestDatabase source, TestDatabase target) {
        this.config = config;
        this.source = source;
        this.target = target;
    }

    PipelineConfig config() {
        return config;
    }

    TestDatabase source() {
        return source;
    }

    TestDatabase target() {
        return target;
    }

    String slot() {
        return config.lanes().get(0).slot();
    }

    void start() {
        startCapture();
        startApply();
    }

    void startWhatIsDown() {
        if (capture.isEmpty()) {
            startCapture();
        }
        if (apply.isEmpty()) {
            startApply();
        }
    }

    void startCapture() {
        startCapture(config);
    }

    void startCapture(PipelineConfig other) {
        capture = Optional.of(new Running("capture", stop -> CaptureMain.run(other, stop)));
    }

    void startApply() {
        startApply(config);
    }

    void startApply(PipelineConfig other) {
        apply = Optional.of(new Running("apply", stop -> ApplyMain.run(other, stop, new ApplyStats())));
    }

    void stop() {
        stopCapture();
        stopApply();
    }

    void stopCapture() {
        capture.ifPresent(Running::drain);
        capture = Optional.empty();
    }

    void stopApply() {
        apply.ifPresent(Running::drain);
        apply = Optional.empty();
    }

    /** Waits until capture gives up; it has ended then. */
    Failure.Fatal captureFailure() {
        Running failed = capture.orElseThrow();
        capture = Optional.empty();
        return failed.failure(NOTICED);
    }

    /** Waits until apply gives up; it has ended then. */
    Failure.Fatal applyFailure() {
        Running failed = apply.orElseThrow();
        apply = Optional.empty();
        return failed.failure(NOTICED);
    }

    /** Waits until everything that the source has committed by now is in the target; heartbeats move the position. */
    void awaitApplied() {
        String now = source.ask("SELECT pg_current_wal_insert_lsn()");
        await("everything up to %s applied, the lane is at %s".formatted(now, "%s"), this::position, () -> hasApplied(now));
    }

    private boolean hasApplied(String lsn) {
        String position = position();
        return !position.isEmpty() && target.ask("SELECT '%s'::pg_lsn >= '%s'".formatted(position, lsn)).equals("t");
    }

    private String position() {
        return target.ask("SELECT to_regclass('sluice.progress')").isEmpty()
                ? ""
                : target.ask("SELECT end_lsn FROM sluice.progress WHERE lane = '%s.%s'".formatted(config.name(), ThreeServers.LANE));
    }

    /** Waits until {@code effect} shows. */
    void await(String what, BooleanSupplier effect) {
        await(what + "%s", () -> "", effect);
    }

    private void await(String what, java.util.function.Supplier<String> detail, BooleanSupplier effect) {
        Instant deadline = Instant.now().plus(PATIENCE);
        while (!effect.getAsBoolean()) {
            capture.ifPresent(InProcessPipeline::requireRunning);
            apply.ifPresent(InProcessPipeline::requireRunning);
            if (Instant.now().isAfter(deadline)) {
                throw new AssertionError("not within %s: %s".formatted(PATIENCE, what.formatted(detail.get())));
            }
            try {
                TimeUnit.MILLISECONDS.sleep(30);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IllegalStateException("interrupted", e);
            }
        }
    }

    private static void requireRunning(Running process) {
        if (process.end.isDone()) {
            throw new AssertionError(process.name + " ended by itself: " + process.await(Duration.ZERO));
        }
    }

    /** Waits until everything is applied, and compares; nobody writes to the source meanwhile. */
    void requireEqual() {
        awaitApplied();
        ComparisonReport report = new RowComparison(config).run();
        assertThat(report.isEqual()).as(String.join("\n", report.lines())).isTrue();
    }

    /** Ends what still runs, however it ends, and leaves no slot behind. */
    @Override
    public void close() {
        capture.ifPresent(process -> process.stop.request());
        apply.ifPresent(process -> process.stop.request());
        capture.ifPresent(process -> process.end.handle((stop, failure) -> stop).orTimeout(30, TimeUnit.SECONDS).join());
        apply.ifPresent(process -> process.end.handle((stop, failure) -> stop).orTimeout(30, TimeUnit.SECONDS).join());
        dropSlot();
    }

    /** Also from under the nose of who streams from it; a walsender outlives its client for a moment. */
    void dropSlot() {
        source.execute(
                """
                DO $$ BEGIN
                  WHILE EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = '%1$s') LOOP
                    BEGIN
                      PERFORM pg_drop_replication_slot('%1$s');
                    EXCEPTION WHEN object_in_use THEN
                      PERFORM pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '%1$s';
                    END;
                  END LOOP;
                END $$"""
                        .formatted(slot()));
    }
}
