package dev.sluice.sandbox;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Properties;
import kafka.server.KafkaConfig;
import kafka.server.KafkaRaftServer;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.utils.Exit;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.metadata.storage.Formatter;

/**
 * Kafka's own broker in this process, broker and controller in one, made small: few threads, one partition for each
 * internal topic.
 *
 * <p>{@link KafkaRaftServer} is not a public interface of Kafka; nothing outside of this class knows it.
 */
public final class EmbeddedKafka implements KafkaServer {
    private static final String CONTROLLER = "CONTROLLER";

    private final Path directory;
    private final boolean temporary;
    private final int port;
    private final Properties properties = new Properties();
    private final Thread lastResort = new Thread(this::closeAtExit, "kafka-last-resort");
    private KafkaRaftServer server;

    private EmbeddedKafka(Builder builder) {
        temporary = builder.directory == null;
        directory = temporary ? Directories.temporary("sluice-kafka-") : Directories.create(builder.directory);
        port = builder.port == 0 ? Loopback.freePort() : builder.port;
        int controllerPort = Loopback.freePort();
        properties.put("process.roles", "broker,controller");
        properties.put("node.id", "1");
        properties.put("controller.quorum.voters", "1@" + Loopback.HOST + ":" + controllerPort);
        properties.put("controller.listener.names", CONTROLLER);
        properties.put("listeners", "PLAINTEXT://%s:%d,%s://%s:%d"
                .formatted(Loopback.HOST, port, CONTROLLER, Loopback.HOST, controllerPort));
        properties.put("advertised.listeners", "PLAINTEXT://" + bootstrapServers());
        properties.put("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT");
        properties.put("log.dirs", directory.toString());
        properties.putAll(SMALL);
        properties.putAll(builder.settings);
    }

    private static final Map<String, String> SMALL = Map.ofEntries(
            Map.entry("auto.create.topics.enable", "false"),
            Map.entry("num.network.threads", "2"),
            Map.entry("num.io.threads", "2"),
            Map.entry("background.threads", "2"),
            Map.entry("num.recovery.threads.per.data.dir", "1"),
            Map.entry("log.cleaner.dedupe.buffer.size", "2097152"),
            Map.entry("log.cleaner.io.buffer.size", "65536"),
            Map.entry("log.index.size.max.bytes", "1048576"),
            Map.entry("offsets.topic.num.partitions", "1"),
            Map.entry("offsets.topic.replication.factor", "1"),
            Map.entry("transaction.state.log.num.partitions", "1"),
            Map.entry("transaction.state.log.replication.factor", "1"),
            Map.entry("transaction.state.log.min.isr", "1"),
            Map.entry("share.coordinator.state.topic.num.partitions", "1"),
            Map.entry("share.coordinator.state.topic.replication.factor", "1"),
            Map.entry("share.coordinator.state.topic.min.isr", "1"),
            Map.entry("group.initial.rebalance.delay.ms", "0"));

    public static Builder builder() {
        return new Builder();
    }

    /** How a broker is made; {@link #start} makes it. */
    public static final class Builder {
        private final Map<String, String> settings = new LinkedHashMap<>();
        private Path directory;
        private int port;

        private Builder() {}

        /** Keeps the data here, and goes on with what is here already; else they are temporary. */
        public Builder directory(Path directory) {
            this.directory = directory.toAbsolutePath();
            return this;
        }

        public Builder port(int port) {
            this.port = port;
            return this;
        }

        /** A broker setting. */
        public Builder setting(String name, String value) {
            settings.put(name, value);
            return this;
        }

        /** Formats the directory unless it is, and starts the broker on it. */
        public EmbeddedKafka start() {
            EmbeddedKafka kafka = new EmbeddedKafka(this);
            kafka.format();
            Runtime.getRuntime().addShutdownHook(kafka.lastResort);
            kafka.start();
            return kafka;
        }
    }

    @Override
    public String bootstrapServers() {
        return Loopback.HOST + ":" + port;
    }

    private void format() {
        if (Files.exists(directory.resolve("meta.properties"))) {
            return;
        }
        ByteArrayOutputStream said = new ByteArrayOutputStream();
        try {
            new Formatter()
                    .setClusterId(Uuid.randomUuid().toString())
                    .setNodeId(1)
                    .setControllerListenerName(CONTROLLER)
                    .setMetadataLogDirectory(directory.toString())
                    .addDirectory(directory.toString())
                    .setPrintStream(new PrintStream(said, true, StandardCharsets.UTF_8))
                    .run();
        } catch (Exception e) { // the formatter's own declaration
            throw new IllegalStateException("could not format " + directory + ": " + said, e);
        }
    }

    @Override
    public void start() {
        // what is fatal to the broker is not to end the program around it
        Exit.setExitProcedure(EmbeddedKafka::fail);
        Exit.setHaltProcedure(EmbeddedKafka::fail);
        server = new KafkaRaftServer(new KafkaConfig(properties, false), Time.SYSTEM);
        server.startup();
    }

    private static void fail(int status, String message) {
        throw new IllegalStateException("the embedded broker failed" + (message == null ? "" : ": " + message));
    }

    @Override
    public void stop() {
        server.shutdown();
        server.awaitShutdown();
    }

    @Override
    public void close() {
        try {
            Runtime.getRuntime().removeShutdownHook(lastResort);
        } catch (IllegalStateException e) {
            return; // the program is exiting, and the hook does the same
        }
        closeAtExit();
    }

    private void closeAtExit() {
        try {
            stop();
        } finally {
            if (temporary) {
                Directories.delete(directory);
            }
        }
    }
}
