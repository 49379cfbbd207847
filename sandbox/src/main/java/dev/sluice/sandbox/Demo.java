package dev.sluice.sandbox;

import dev.sluice.config.Databases;
import dev.sluice.config.PipelineConfig;
import dev.sluice.process.StopSignal;
import dev.sluice.reconciler.ComparisonReport;
import dev.sluice.reconciler.RowComparison;
import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.Stop;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/**
 * The whole pipeline in one process, from empty databases to the verdict.
 *
 * <p>The order matters in two places. Tables stand on both sides before capture starts, and the shop opens only when
 * capture streams: nothing copies what was there before the slot. At the end the shop closes first, then the applier
 * gets everything, then both sides are compared at rest.
 *
 * <p>Threads: the caller's; the pipeline and the shop have their own.
 */
final class Demo {
    private static final Duration TICK = Duration.ofSeconds(1);
    private static final Duration PATIENCE = Duration.ofMinutes(2);

    /** @param data where everything is kept; empty for a temporary place */
    record Plan(int rate, Duration duration, long seed, Optional<Path> data) {}

    private final Plan plan;
    private final StopSignal interrupted;
    private final DemoView view;
    private final PipelineConfig config;

    private Demo(Plan plan, StopSignal interrupted, DemoView view, PipelineConfig config) {
        this.plan = plan;
        this.interrupted = interrupted;
        this.view = view;
        this.config = config;
    }

    /**
     * @param interrupted ends the shop's day early
     * @return {@link Stop#CLEAN} if both databases are equal in the end, else {@link Stop#DIFFERENT}
     * @throws dev.sluice.schemas.Failure if capture or apply fails
     */
    static Stop run(Plan plan, StopSignal interrupted, DemoView view) {
        view.say("starting two PostgreSQL and Kafka …");
        try (FileChannel lock = lock(plan.data());
                EmbeddedPostgres source = postgres(plan, "source");
                EmbeddedPostgres target = postgres(plan, "target");
                EmbeddedKafka kafka = kafka(plan)) {
            source.createDatabase("shop");
            target.createDatabase("shop");
            PipelineConfig config = Shop.config(
                    source.config("source", "shop"), target.config("target", "shop"), kafka.bootstrapServers());
            Shop.create(config.source());
            Shop.create(config.target());
            return new Demo(plan, interrupted, view, config).run();
        } catch (IOException e) {
            throw new IllegalStateException("could not use the directory " + plan.data().orElseThrow(), e);
        } catch (SQLException e) {
            throw new IllegalStateException("a database does not answer", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
    }

    /** Two demos on one directory would take each other's servers away. */
    private static FileChannel lock(Optional<Path> data) throws IOException {
        Path directory = data.map(Directories::create).orElse(null);
        if (directory == null) {
            return FileChannel.open(Path.of("/dev/null"), StandardOpenOption.WRITE);
        }
        FileChannel channel =
                FileChannel.open(directory.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        FileLock lock = channel.tryLock();
        if (lock == null) {
            channel.close();
            throw new IllegalStateException("another demo is running on " + directory);
        }
        return channel;
    }

    private static EmbeddedPostgres postgres(Plan plan, String role) {
        EmbeddedPostgres.Builder builder = EmbeddedPostgres.builder();
        plan.data().ifPresent(directory -> builder.directory(directory.resolve(role)));
        return builder.start();
    }

    private static EmbeddedKafka kafka(Plan plan) {
        EmbeddedKafka.Builder builder = EmbeddedKafka.builder();
        plan.data().ifPresent(directory -> builder.directory(directory.resolve("kafka")));
        return builder.start();
    }

    private Stop run() throws SQLException, InterruptedException {
        try (Connection source = Databases.connect(config.source(), "demo");
                Connection target = Databases.connect(config.target(), "demo");
                DemoPipeline pipeline = new DemoPipeline(config)) {
            DemoProgress progress = new DemoProgress(config, source, target);
            open(pipeline, progress);
            if (interrupted.isRequested()) {
                view.say("stopped before the shop opened");
                return Stop.CLEAN;
            }
            banner();
            DemoNumbers numbers;
            try (ShopWorkload shop = ShopWorkload.start(config.source(), new ShopWorkload.Plan(plan.seed(), 4, plan.rate(), 0))) {
                numbers = new DemoNumbers(shop.counts(), pipeline.stats());
                watch(shop, pipeline, progress, numbers);
                shop.stop();
            }
            drain(pipeline, progress, numbers);
            pipeline.close();
            view.end(numbers.summary());
        }
        return compare();
    }

    private void banner() {
        view.say("seed    %d   (the same shop again: --seed %d)".formatted(plan.seed(), plan.seed()));
        String user = PostgresServer.USER + ":" + PostgresServer.PASSWORD;
        view.say("source  postgresql://%s@%s".formatted(user, config.source().address()));
        view.say("target  postgresql://%s@%s".formatted(user, config.target().address()));
        view.say("kafka   %s   topics %s.*".formatted(config.kafka().bootstrapServers(), config.kafka().topicPrefix()));
        plan.data().ifPresent(directory -> view.say("data    " + directory.toAbsolutePath()));
        view.say("");
    }

    /** Until capture streams and apply has followed it to where the log stood: then lag means lag. */
    private void open(DemoPipeline pipeline, DemoProgress progress) throws SQLException, InterruptedException {
        pipeline.startCapture();
        Instant deadline = Instant.now().plus(PATIENCE);
        while (!progress.isStreaming() && !interrupted.isRequested()) {
            pipeline.throwIfFailed();
            if (Instant.now().isAfter(deadline)) {
                throw new IllegalStateException("capture does not stream after " + PATIENCE.toSeconds() + " s");
            }
            Thread.sleep(50);
        }
        if (interrupted.isRequested()) {
            return;
        }
        pipeline.startApply();
        awaitApplied(progress.written(), pipeline, progress, () -> {});
    }

    private void watch(ShopWorkload shop, DemoPipeline pipeline, DemoProgress progress, DemoNumbers numbers)
            throws SQLException, InterruptedException {
        Instant end = plan.duration().isZero() ? Instant.MAX : Instant.now().plus(plan.duration());
        while (shop.isRunning() && Instant.now().isBefore(end)) {
            Duration left = end.equals(Instant.MAX) ? TICK : Duration.between(Instant.now(), end);
            boolean closing = interrupted.await(Math.max(1, Math.min(TICK.toMillis(), left.toMillis())));
            pipeline.throwIfFailed();
            numbers.tick(progress.behindBytes());
            view.show(numbers, "open");
            if (closing) {
                return;
            }
        }
    }

    private void drain(DemoPipeline pipeline, DemoProgress progress, DemoNumbers numbers)
            throws SQLException, InterruptedException {
        awaitApplied(progress.written(), pipeline, progress, () -> {
            if (numbers.isDue(TICK)) {
                numbers.tick(progress.behindBytes());
                view.show(numbers, "closed, applying the rest");
            }
        });
        numbers.tick(progress.behindBytes());
        view.show(numbers, "closed, everything applied");
    }

    private interface Meanwhile {
        void run() throws SQLException;
    }

    /** Waits until the target has everything up to {@code end}; gives up only when nothing moves any more. */
    private static void awaitApplied(Lsn end, DemoPipeline pipeline, DemoProgress progress, Meanwhile meanwhile)
            throws SQLException, InterruptedException {
        Lsn last = progress.applied();
        Instant moved = Instant.now();
        while (last.compareTo(end) < 0) {
            pipeline.throwIfFailed();
            Thread.sleep(100);
            meanwhile.run();
            Lsn applied = progress.applied();
            if (!applied.equals(last)) {
                last = applied;
                moved = Instant.now();
            } else if (Instant.now().isAfter(moved.plus(PATIENCE))) {
                throw new IllegalStateException("apply stands at %s and does not reach %s".formatted(applied, end));
            }
        }
    }

    private Stop compare() {
        ComparisonReport report = new RowComparison(config).run();
        report.lines().forEach(view::say);
        return report.isEqual() ? Stop.CLEAN : Stop.DIFFERENT;
    }
}
