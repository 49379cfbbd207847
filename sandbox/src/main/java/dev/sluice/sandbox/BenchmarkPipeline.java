package dev.sluice.sandbox;

import dev.sluice.apply.RereadStore;
import dev.sluice.catalog.Catalog;
import dev.sluice.config.Databases;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.reconciler.ComparisonReport;
import dev.sluice.reconciler.RowComparison;
import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.TableId;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.TopicPartition;

/**
 * Two databases, Kafka, capture and apply, each in processes of its own; capture and apply from their jars.
 *
 * <p>Threads: one at a time.
 */
final class BenchmarkPipeline implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofMinutes(20);
    /** Without a verification; one of a table of the benchmark follows sooner on the one before. */
    private static final double QUIET_SECONDS = 15;

    private static final List<TableId> TABLES =
            Stream.of("customers", "orders", "order_items", "copied", "probes").map(TableId::parse).toList();

    private final Path home;
    private final List<String> jvmOptions;
    private final Path directory = Directories.temporary("sluice-benchmark-");
    private final EmbeddedPostgres source = postgres();
    private final EmbeddedPostgres target = postgres();
    private final ChildProcess kafka;
    private final PipelineConfig config;
    private final Map<String, ChildProcess> running = new LinkedHashMap<>();
    private final Admin admin;

    private BenchmarkPipeline(Path home, String heap, List<String> javaOptions) {
        this.home = home;
        jvmOptions = new ArrayList<>(List.of("@" + home.resolve("deploy/jvm.options"), "-Xmx" + heap));
        jvmOptions.addAll(javaOptions);
        int port = Loopback.freePort();
        kafka = ChildProcess.java("kafka", directory, List.of("-Xmx512m", "-cp", ChildProcess.classPath()),
                KafkaServerMain.class.getName(), "--port", "" + port, "--data", directory.resolve("kafka").toString());
        source.createDatabase("bench");
        target.createDatabase("bench");
        config = Shop.config(
                source.config("source", "bench"), target.config("target", "bench"), Loopback.HOST + ":" + port, TABLES.stream());
        admin = Admin.create(Map.of("bootstrap.servers", config.kafka().bootstrapServers()));
    }

    /**
     * The servers, the tables with their first rows on both sides, slot and topics; capture and apply are down again.
     *
     * @param rowsToCopy of the table that only the source has rows of
     */
    static BenchmarkPipeline prepare(Path home, String heap, List<String> javaOptions, int rowsToCopy)
            throws InterruptedException {
        BenchmarkPipeline pipeline = new BenchmarkPipeline(home, heap, javaOptions);
        try {
            for (var database : List.of(pipeline.config.source(), pipeline.config.target())) {
                SqlScript.runUnlessThere(database, "benchmark.sql", "public.probes");
            }
            if (rowsToCopy > 0) {
                SqlScript.run(pipeline.config.source(), "benchmark-copied.sql", rowsToCopy);
            }
            pipeline.vacuum();
            Files.writeString(pipeline.configFile(), pipeline.yaml());
            pipeline.startCapture();
            pipeline.awaitStreaming();
            pipeline.startApply();
            pipeline.probe(0);
            pipeline.awaitInTarget(0);
            pipeline.stopAll();
            return pipeline;
        } catch (IOException e) {
            pipeline.close();
            throw new UncheckedIOException("could not write the configuration", e);
        } catch (RuntimeException e) {
            pipeline.close();
            throw e;
        }
    }

    private static EmbeddedPostgres postgres() {
        return EmbeddedPostgres.builder().setting("max_wal_size", "4GB").setting("shared_buffers", "256MB").start();
    }

    private Path configFile() {
        return directory.resolve("pipeline.yml");
    }

    private String yaml() {
        String database = "{host: %s, port: %d, database: bench, user: %s, password: %s, sslmode: disable}";
        String user = PostgresServer.USER;
        String password = PostgresServer.PASSWORD;
        return """
                pipeline: %s
                source: %s
                target: %s
                kafka: {bootstrapServers: "%s"}
                backfill: none
                verify: {every: 365d}
                tables: %s
                """
                .formatted(
                        config.name(),
                        database.formatted(Loopback.HOST, source.port(), user, password),
                        database.formatted(Loopback.HOST, target.port(), user, password),
                        config.kafka().bootstrapServers(),
                        TABLES);
    }

    PipelineConfig config() {
        return config;
    }

    void startCapture() {
        start("capture", "cdc-capture");
    }

    void startApply() {
        start("apply", "cdc-apply");
    }

    private void start(String name, String module) {
        running.put(name, ChildProcess.java(name, directory, jvmOptions, "-jar", jar(module), "-c", configFile().toString()));
    }

    /** As {@code sluice reconcile} does; each table once in a year, beside the rows that change. */
    void startReconcile() {
        running.put("reconcile", sluice("reconcile"));
    }

    /** {@code sluice verify} of the table that is copied, to its end. */
    ProcessUsage verifyCopied() throws InterruptedException {
        AtomicReference<ProcessUsage> usage = new AtomicReference<>(new ProcessUsage(0, 0));
        try (ChildProcess verify = sluice("verify", "--table", COPIED.toString())) {
            verify.awaitSuccess(() -> usage.set(ProcessUsage.of(verify.pid()).orBefore(usage.get())));
        }
        return usage.get();
    }

    private ChildProcess sluice(String command, String... arguments) {
        List<String> all = new ArrayList<>(List.of("-jar", jar("cli"), command, "-c", configFile().toString()));
        all.addAll(List.of(arguments));
        return ChildProcess.java(command, directory, jvmOptions, all.toArray(String[]::new));
    }

    private String jar(String module) {
        return home.resolve(module).resolve("target").resolve(module + ".jar").toString();
    }

    /** SIGSTOP to whatever runs: it keeps what it has compiled, and its sessions are ended by the servers meanwhile. */
    void suspend() throws InterruptedException {
        signal("-STOP");
    }

    void resume() throws InterruptedException {
        signal("-CONT");
    }

    private void signal(String name) throws InterruptedException {
        List<String> command = new ArrayList<>(List.of("kill", name));
        running.values().forEach(process -> command.add(Long.toString(process.pid())));
        try {
            if (new ProcessBuilder(command).inheritIO().start().waitFor() != 0) {
                throw new IllegalStateException("could not send " + name);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("could not send " + name, e);
        }
    }

    /** SIGTERM to whatever runs, and waits. */
    void stopAll() throws InterruptedException {
        for (ChildProcess process : running.values()) {
            process.stop();
        }
        running.clear();
    }

    /** By the names used in results: source, target, kafka, and of capture and apply what runs. */
    Map<String, ProcessUsage> usage() {
        Map<String, ProcessUsage> usage = new LinkedHashMap<>();
        usage.put("source", ProcessUsage.of(source.postmaster().orElseThrow().pid()));
        running.forEach((name, process) -> usage.put(name, ProcessUsage.of(process.pid())));
        usage.put("kafka", ProcessUsage.of(kafka.pid()));
        usage.put("target", ProcessUsage.of(target.postmaster().orElseThrow().pid()));
        return usage;
    }

    ServerSessions sourceSessions() {
        return new ServerSessions(config.source(), source.postmaster().orElseThrow().pid());
    }

    ServerSessions targetSessions() {
        return new ServerSessions(config.target(), target.postmaster().orElseThrow().pid());
    }

    void vacuum() {
        execute(source, "VACUUM ANALYZE");
        execute(target, "VACUUM ANALYZE");
    }

    /** Throws if one of them has ended. */
    void throwIfAnyIsDead() {
        running.values().forEach(ChildProcess::throwIfDead);
        kafka.throwIfDead();
    }

    // ---- the copy of a table

    static final TableId COPIED = TableId.parse("copied");

    /** Asks apply to copy the table, as {@code sluice backfill} does. */
    void requestCopy() {
        try (Connection connection = Databases.connect(config.target(), "benchmark")) {
            new RereadStore(config.nameInTarget(config.lanes().get(0)))
                    .request(connection, COPIED, "backfill", "", RereadStore.Throttle.NONE);
        } catch (SQLException e) {
            throw new IllegalStateException("the target does not answer", e);
        }
    }

    /** Of the target. */
    void emptyCopied() {
        execute(target, "TRUNCATE copied");
    }

    TableMapping copied() {
        return config.lanes().get(0).tables().stream().filter(table -> table.source().equals(COPIED)).findFirst().orElseThrow();
    }

    void awaitCopied() throws InterruptedException {
        try (Connection connection = Databases.connect(config.target(), "benchmark")) {
            RereadStore store = new RereadStore(config.nameInTarget(config.lanes().get(0)));
            await("the copy", () -> store.read(connection).get(COPIED).state() == RereadStore.State.DONE);
        } catch (SQLException e) {
            throw new IllegalStateException("the target does not answer", e);
        }
    }

    // ---- the reconciler

    /** Until every table was verified since it was started, and a second time where the first was too early. */
    void awaitVerifiedOnce() throws InterruptedException {
        try (Connection connection = Databases.connect(config.target(), "benchmark");
                var query = connection.prepareStatement("SELECT count(DISTINCT source_table), extract(epoch FROM now() - max(finished_at))"
                        + " FROM sluice.verification WHERE verdict = 'IN SYNC'")) {
            await("the first verification of every table", () -> {
                if (!Catalog.isThere(connection, TableId.parse("sluice.verification"))) {
                    return false;
                }
                try (var row = query.executeQuery()) {
                    row.next();
                    return row.getInt(1) == TABLES.size() && row.getDouble(2) > QUIET_SECONDS;
                }
            });
        } catch (SQLException e) {
            throw new IllegalStateException("the target does not answer", e);
        }
    }

    void awaitNonePending() throws InterruptedException {
        try (TouchedWatch watch = new TouchedWatch(config)) {
            await("no row pending", () -> {
                watch.look();
                return watch.pending() == 0;
            });
        }
    }

    // ---- probes: the last change of everything, and the way to see that it has arrived ----

    void probe(long id) {
        execute(source, "INSERT INTO probes VALUES (" + id + ")");
    }

    void awaitInTarget(long probe) throws InterruptedException {
        try (Connection connection = Databases.connect(config.target(), "benchmark");
                var query = connection.prepareStatement("SELECT FROM probes WHERE id = ?")) {
            query.setLong(1, probe);
            await("probe " + probe + " in the target", () -> {
                try (var row = query.executeQuery()) {
                    return row.next();
                }
            });
        } catch (SQLException e) {
            throw new IllegalStateException("the target does not answer", e);
        }
    }

    /** Waits until the topic of the probes holds {@code count}; nothing follows the last of them. */
    void awaitInKafka(long count) throws InterruptedException {
        await(count + " probes in Kafka", () -> probesInKafka() >= count);
    }

    private long probesInKafka() throws InterruptedException {
        TopicPartition partition = new TopicPartition(config.topics().change(TableId.parse("probes")), 0);
        try {
            return admin.listOffsets(Map.of(partition, OffsetSpec.latest())).partitionResult(partition).get().offset();
        } catch (ExecutionException e) {
            throw new IllegalStateException("Kafka does not answer", e.getCause());
        }
    }

    private void awaitStreaming() throws InterruptedException {
        awaitProgress("capture streaming", DemoProgress::isStreaming);
    }

    /** Waits until the target is beyond {@link #applied()} as it was. */
    void awaitAppliedBeyond(Lsn before) throws InterruptedException {
        awaitProgress("the first change in the target", progress -> progress.applied().compareTo(before) > 0);
    }

    Lsn applied() throws InterruptedException {
        AtomicReference<Lsn> applied = new AtomicReference<>();
        awaitProgress("progress", progress -> {
            applied.set(progress.applied());
            return true;
        });
        return applied.get();
    }

    private interface Stage {
        boolean isReached(DemoProgress progress) throws SQLException;
    }

    private void awaitProgress(String what, Stage stage) throws InterruptedException {
        try (Connection here = Databases.connect(config.source(), "benchmark");
                Connection there = Databases.connect(config.target(), "benchmark")) {
            DemoProgress progress = new DemoProgress(config, here, there);
            await(what, () -> stage.isReached(progress));
        } catch (SQLException e) {
            throw new IllegalStateException("a database does not answer", e);
        }
    }

    private interface Condition {
        boolean holds() throws SQLException, InterruptedException;
    }

    /** Polls every 20 ms, so a measured time is at most so much too long. Gives up when a process has ended, or in time. */
    private void await(String what, Condition condition) throws InterruptedException {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        try {
            while (!condition.holds()) {
                throwIfAnyIsDead();
                if (System.nanoTime() > deadline) {
                    throw new IllegalStateException("waited in vain for " + what);
                }
                Thread.sleep(20);
            }
        } catch (SQLException e) {
            throw new IllegalStateException("waiting for " + what, e);
        }
    }

    /** What the row by row comparison found; empty if both databases are equal. */
    List<String> differences() throws InterruptedException {
        stopAll();
        ComparisonReport report = new RowComparison(config).run();
        return report.isEqual() ? List.of() : report.lines();
    }

    private void execute(EmbeddedPostgres server, String sql) {
        try (Connection connection = server.connect("bench");
                Statement statement = connection.createStatement()) {
            statement.execute(sql);
        } catch (SQLException e) {
            throw new IllegalStateException("could not run " + sql, e);
        }
    }

    @Override
    public void close() {
        running.values().forEach(ChildProcess::close);
        admin.close();
        kafka.close();
        source.close();
        target.close();
        Directories.delete(directory);
    }
}
