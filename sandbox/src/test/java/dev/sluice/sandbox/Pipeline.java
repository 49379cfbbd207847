package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.config.ConfigReader;
import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Databases;
import dev.sluice.config.KafkaClients;
import dev.sluice.config.PipelineConfig;
import dev.sluice.reconciler.ComparisonReport;
import dev.sluice.reconciler.RowComparison;
import dev.sluice.schemas.Checkpoint;
import dev.sluice.schemas.CheckpointReader;
import dev.sluice.schemas.ControlRecord;
import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.TableId;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.TopicPartition;

/**
 * One pipeline as it is deployed: a {@code pipeline.yml}, a database on each server, capture and apply as processes of
 * their own, any number of each.
 *
 * <p>The processes' logs stay in {@code target/processes/<name>}.
 *
 * <p>Threads: any may ask; captures are started by one, appliers by one.
 */
final class Pipeline implements AutoCloseable {
    private static final Duration STANDSTILL = Duration.ofSeconds(60);

    /** Of a process that lives for seconds. */
    static final List<String> QUICK_JVM = List.of("-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC");

    private final ThreeServers servers;
    private final String name;
    private final int partitions;
    private final boolean backfill;
    private final String settings;
    private final String kafka;
    private final Function<String, List<String>> jvm;
    private final Path directory;
    private final List<Child> captures = new CopyOnWriteArrayList<>();
    private final List<Child> appliers = new CopyOnWriteArrayList<>();
    private final Connection source;
    private final Connection target;
    private PipelineConfig config;

    private Pipeline(Builder builder) {
        servers = builder.servers;
        name = builder.name;
        partitions = builder.partitions;
        backfill = builder.backfill;
        settings = builder.settings;
        kafka = builder.kafka;
        jvm = builder.jvm.orElse(ClassArchive::quickJvm);
        directory = Path.of("target", "processes", name).toAbsolutePath();
        servers.source().createDatabase(sourceDatabase());
        servers.target().createDatabase(targetDatabase());
        try {
            Directories.delete(Directories.create(directory));
            Directories.create(directory);
            source = servers.source().connect(sourceDatabase());
            target = servers.target().connect(targetDatabase());
        } catch (SQLException e) {
            throw new IllegalStateException("could not reach the databases of " + name, e);
        }
    }

    /** @param name unique among the pipelines of these servers: of the pipeline, its databases and topics */
    static Builder on(ThreeServers servers, String name) {
        return new Builder(servers, name);
    }

    /** How a pipeline is made; {@link #carrying} makes it. */
    static final class Builder {
        private final ThreeServers servers;
        private final String name;
        private int partitions = 1;
        private boolean backfill;
        private String settings = "";
        private String kafka = "";
        private Optional<Function<String, List<String>>> jvm = Optional.empty();

        private Builder(ThreeServers servers, String name) {
            this.servers = servers;
            this.name = name;
        }

        /** Of each change topic. */
        Builder partitions(int partitions) {
            this.partitions = partitions;
            return this;
        }

        /** Rows that are there before the first start are copied. */
        Builder backfilling() {
            backfill = true;
            return this;
        }

        /** Further lines of the configuration. */
        Builder settings(String yaml) {
            settings = yaml;
            return this;
        }

        /** A further setting of Kafka's. */
        Builder kafka(String yaml) {
            kafka = ", " + yaml;
            return this;
        }

        /** JVM options by process, instead of those that start quickly. */
        Builder jvm(Function<String, List<String>> options) {
            jvm = Optional.of(options);
            return this;
        }

        /** @param tables by name, as the configuration takes them */
        Pipeline carrying(String... tables) {
            if (jvm.isEmpty()) {
                ClassArchive.prepare(servers);
            }
            Pipeline pipeline = new Pipeline(this);
            pipeline.configure(tables);
            return pipeline;
        }
    }

    /** The two differ in name because one server may be both. */
    private String sourceDatabase() {
        return name + "_source";
    }

    private String targetDatabase() {
        return name + "_target";
    }

    /** Writes the configuration for these tables; processes started before keep theirs. */
    void configure(String... tables) {
        Path file = configFile();
        try {
            Files.writeString(file, yaml(tables));
        } catch (IOException e) {
            throw new UncheckedIOException("could not write " + file, e);
        }
        config = ConfigReader.read(file, Map.of());
    }

    Path configFile() {
        return directory.resolve("pipeline.yml");
    }

    private String yaml(String... tables) {
        return """
                pipeline: %s
                source: %s
                target: %s
                kafka: {bootstrapServers: "%s", partitions: %d%s}
                backfill: %s
                %s
                tables: [%s]
                """
                .formatted(
                        name,
                        yaml(servers.source(), sourceDatabase()),
                        yaml(servers.target(), targetDatabase()),
                        servers.kafka().bootstrapServers(),
                        partitions,
                        kafka,
                        backfill ? "auto" : "none",
                        settings,
                        String.join(", ", tables));
    }

    private static String yaml(PostgresServer server, String database) {
        return "{host: %s, port: %d, database: %s, user: %s, password: %s, sslmode: disable}"
                .formatted(Loopback.HOST, server.port(), database, PostgresServer.USER, PostgresServer.PASSWORD);
    }

    PipelineConfig config() {
        return config;
    }

    Child startCapture() {
        return startCapture("");
    }

    /** @param failpoints as {@link dev.sluice.process.Failpoints} reads them; none if empty */
    Child startCapture(String failpoints) {
        return start("capture", "dev.sluice.capture.CaptureMain", captures, failpoints);
    }

    Child startApply() {
        return startApply("");
    }

    /** @param failpoints as {@link dev.sluice.process.Failpoints} reads them; none if empty */
    Child startApply(String failpoints) {
        return start("apply", "dev.sluice.apply.ApplyMain", appliers, failpoints);
    }

    private Child start(String process, String main, List<Child> siblings, String failpoints) {
        String number = process + "-" + (siblings.size() + 1);
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(jvm.apply(process));
        // the processes' own configuration of the log, not the tests'
        command.addAll(List.of("-Dlogback.configurationFile=logback.xml", "-cp", classPath(), main));
        command.addAll(List.of("-c", configFile().toString()));
        Map<String, String> environment = failpoints.isEmpty() ? Map.of() : Map.of("SLUICE_FAILPOINTS", failpoints);
        Child child =
                Child.start(name + " " + number, command, environment, directory.resolve(number + ".log"));
        siblings.add(child);
        return child;
    }

    /** What the processes run on: the tests' own, without this module, whose classes they do not need. */
    static String classPath() {
        Path module = Path.of("").toAbsolutePath();
        return Arrays.stream(System.getProperty("java.class.path").split(File.pathSeparator))
                .map(entry -> Path.of(entry).toAbsolutePath())
                .filter(entry -> !entry.startsWith(module.resolve("target")) || entry.toString().endsWith(".jar"))
                .map(Path::toString)
                .collect(Collectors.joining(File.pathSeparator));
    }

    /** Waits until a capture streams: what is committed from now on is carried. */
    void awaitStreaming() {
        Await.until("a capture of %s streams".formatted(name), Duration.ofSeconds(90), () -> {
            requireAlive(captures);
            return captures.stream().filter(Child::isAlive).anyMatch(capture -> capture.log().contains("streaming from"));
        });
    }

    /** Waits until the target has everything that the source has committed by now. */
    void awaitCaughtUp() {
        awaitCaughtUp(STANDSTILL);
    }

    /** @param standstill how long the target may stand still, as it does while one large transaction is written */
    void awaitCaughtUp(Duration standstill) {
        Lsn end = Lsn.parse(askSource("SELECT pg_current_wal_lsn()"));
        onSource("SELECT pg_logical_emit_message(true, '%s', '{\"kind\":\"test\"}')".formatted(ControlRecord.MARKER_PREFIX));
        Lsn last = applied();
        Instant moved = Instant.now();
        while (last.compareTo(end) < 0) {
            requireAlive(captures);
            requireAlive(appliers);
            Lsn before = last;
            Duration left = Duration.between(Instant.now(), moved.plus(standstill));
            Await.until("the target of %s goes on from %s to %s".formatted(name, before, end), left, () -> {
                requireAlive(captures);
                requireAlive(appliers);
                return applied().compareTo(before) > 0;
            });
            last = applied();
            moved = Instant.now();
        }
    }

    private void requireAlive(List<Child> processes) {
        if (processes.stream().noneMatch(Child::isAlive)) {
            throw new IllegalStateException(processes.get(processes.size() - 1).name() + " has ended");
        }
    }

    /** End of the last source transaction that the target has; the start of the log if it has none. */
    Lsn applied() {
        return progress("end_lsn").map(Lsn::parse).orElse(Lsn.ZERO);
    }

    /** Number of the last record that the target has; 0 if it has none. */
    long appliedSeq() {
        return progress("seq").map(Long::parseLong).orElse(0L);
    }

    private Optional<String> progress(String column) {
        if (askTarget("SELECT to_regclass('sluice.progress') IS NOT NULL").equals("f")) {
            return Optional.empty();
        }
        String value = askTarget("SELECT coalesce((SELECT %s::text FROM sluice.progress), '')".formatted(column));
        return Optional.of(value).filter(text -> !text.isEmpty());
    }

    /** How many records the change topic of a table has got so far, repeats included. */
    long published(String table) {
        String topic = config.topics().change(TableId.parse(table));
        try (Admin admin = Admin.create(KafkaClients.base(config.kafka(), "test"))) {
            TopicDescription description =
                    admin.describeTopics(List.of(topic)).topicNameValues().get(topic).get();
            Map<TopicPartition, OffsetSpec> latest = new HashMap<>();
            description.partitions().forEach(partition ->
                    latest.put(new TopicPartition(topic, partition.partition()), OffsetSpec.latest()));
            return admin.listOffsets(latest).all().get().values().stream()
                    .mapToLong(ListOffsetsResultInfo::offset)
                    .sum();
        } catch (ExecutionException e) {
            throw new IllegalStateException("could not ask for the end of " + topic, e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
    }

    /** What capture has noted last about its only lane. */
    Checkpoint checkpoint() {
        return CheckpointReader.read(config, config.lanes().get(0).name()).orElseThrow();
    }

    /** Compares every mapped table row by row; source and target must be at rest. */
    void assertEqual() {
        ComparisonReport report = new RowComparison(config).run();
        assertThat(report.isEqual()).as(String.join("\n", report.lines())).isTrue();
        System.out.println(name + ": " + report.verdict());
    }

    DatabaseConfig source() {
        return config.source();
    }

    DatabaseConfig target() {
        return config.target();
    }

    void onBoth(String sql) {
        onSource(sql);
        onTarget(sql);
    }

    void onSource(String sql) {
        execute(source, sql);
    }

    void onTarget(String sql) {
        execute(target, sql);
    }

    /** The one value of a query, in the text form of pgjdbc. */
    String askSource(String sql) {
        return ask(source, sql);
    }

    String askTarget(String sql) {
        return ask(target, sql);
    }

    private static void execute(Connection connection, String sql) {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        } catch (SQLException e) {
            throw new IllegalStateException("could not execute: " + sql, e);
        }
    }

    private static String ask(Connection connection, String sql) {
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery(sql)) {
            row.next();
            return String.valueOf(row.getString(1));
        } catch (SQLException e) {
            throw new IllegalStateException("could not ask: " + sql, e);
        }
    }

    /** A further connection to the source, in autocommit. */
    Connection connectSource() throws SQLException {
        return Databases.connect(source(), "test");
    }

    /** A further connection to the target, in autocommit. */
    Connection connectTarget() throws SQLException {
        return Databases.connect(target(), "test");
    }

    /** Kills what still runs. The databases and topics go with the servers. */
    @Override
    public void close() {
        Stream.concat(captures.stream(), appliers.stream()).filter(Child::isAlive).forEach(Child::kill);
        try {
            source.close();
            target.close();
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        }
    }
}
