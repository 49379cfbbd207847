package dev.sluice.config;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.sluice.config.PipelineConfig.Backfill;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Reads {@code pipeline.yml} and the environment into a {@link PipelineConfig}.
 *
 * <p>Every key, default and limit is here and in {@link LanesReader}. Why by hand: {@code docs/decisions/configuration.md}.
 */
public final class ConfigReader {

    private static final YAMLMapper YAML = YAMLMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private static final Pattern NAME = Pattern.compile("[a-z0-9_]{1,40}");
    private static final Pattern ADDRESS = Pattern.compile("([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.%]+]):\\d{1,5}");
    private static final Pattern TOPIC_PREFIX = Pattern.compile("[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}");
    private static final Set<String> OWN_PROPERTIES =
            Set.of("user", "password", "sslmode", "ApplicationName", "logServerErrorDetail");

    private ConfigReader() {}

    /**
     * Reads the file; {@code SLUICE_*} variables of {@code environment} override its single values.
     *
     * @throws InvalidConfigException listing every problem of file and environment; it holds no secret's value
     */
    public static PipelineConfig read(Path file, Map<String, String> environment) {
        List<String> problems = new ArrayList<>();
        Environment overrides = new Environment(environment, problems);
        ConfigSection root = new ConfigSection("", parse(file), overrides, problems);
        PipelineConfig config = pipeline(root, problems);
        root.reportUnknown();
        overrides.reportUnknown();
        if (!problems.isEmpty()) {
            throw new InvalidConfigException(problems);
        }
        return config;
    }

    private static PipelineConfig pipeline(ConfigSection root, List<String> problems) {
        String name = root.text("pipeline");
        if (!name.isEmpty() && !NAME.matcher(name).matches()) {
            root.problem("pipeline", "must be 1 to 40 of a-z, 0-9 and _, it names the slot; was '%s'".formatted(name));
        }
        DatabaseConfig source = database("source", root.section("source"));
        DatabaseConfig target = database("target", root.section("target"));
        KafkaConfig kafka = kafka(root.section("kafka"), name);
        List<LaneConfig> lanes = new LanesReader(root, name, kafka.topicPrefix(), problems).lanes();
        CaptureConfig capture = capture(root.section("capture"));
        ApplyConfig apply = apply(root.section("apply"), target);
        Backfill backfill = root.oneOf("backfill", Backfill.AUTO);
        VerifyConfig verify = verify(root.section("verify"), source);
        return new PipelineConfig(name, source, target, kafka, lanes, capture, apply, backfill, verify);
    }

    private static DatabaseConfig database(String role, ConfigSection section) {
        DatabaseConfig database = new DatabaseConfig(
                role,
                section.text("host"),
                section.integer("port", 5432, 1, 65_535),
                section.text("database"),
                section.text("user"),
                section.secret("password"),
                section.oneOf("sslmode", "prefer", "disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
                section.properties("properties"));
        for (String property : database.properties().keySet()) {
            if (OWN_PROPERTIES.contains(property)) {
                section.problem("properties." + property, "is set by Sluice; for user, password and sslmode use the keys of "
                        + role);
            }
        }
        section.reportUnknown();
        return database;
    }

    private static KafkaConfig kafka(ConfigSection section, String pipeline) {
        String servers = section.text("bootstrapServers");
        for (String server : servers.split(",", -1)) {
            if (!servers.isEmpty() && !ADDRESS.matcher(server.strip()).matches()) {
                section.problem("bootstrapServers", "must be host:port, several with commas between; was '%s'".formatted(server));
            }
        }
        String prefix = section.text("topicPrefix", pipeline);
        if (!prefix.isEmpty() && !TOPIC_PREFIX.matcher(prefix).matches()) {
            section.problem("topicPrefix", "must be 1 to 100 of A-Z, a-z, 0-9, '.', '_', '-', not starting with '.'; was '%s'"
                    .formatted(prefix));
        }
        int replicationFactor = section.integer("replicationFactor", -1, -1, Short.MAX_VALUE);
        if (replicationFactor == 0) {
            section.problem("replicationFactor", "must be -1 (the broker's default) or at least 1, was 0");
        }
        KafkaConfig kafka = new KafkaConfig(
                servers,
                prefix,
                section.integer("partitions", 1, 1, 1000),
                replicationFactor,
                section.duration("retention", Duration.ofDays(7), Duration.ofMinutes(1), Duration.ofDays(3650)),
                section.bytes("maxRecordBytes", 16 << 20, 64 << 10, KafkaConfig.LARGEST_RECORD_BYTES),
                section.properties("properties"));
        for (String property : List.of("bootstrap.servers", "client.id")) {
            if (kafka.properties().containsKey(property)) {
                section.problem("properties." + property, "is set by Sluice; leave it out");
            }
        }
        section.reportUnknown();
        return kafka;
    }

    private static CaptureConfig capture(ConfigSection section) {
        CaptureConfig capture = new CaptureConfig(
                section.duration("checkpointInterval", Duration.ofMillis(250), Duration.ofMillis(10), Duration.ofMinutes(1)),
                section.duration("heartbeatInterval", Duration.ofSeconds(1), Duration.ofMillis(100), Duration.ofMinutes(10)),
                section.duration("pollInterval", Duration.ofMillis(10), Duration.ofMillis(1), Duration.ofSeconds(1)));
        section.reportUnknown();
        return capture;
    }

    private static ApplyConfig apply(ConfigSection section, DatabaseConfig target) {
        Duration statementTimeout =
                section.duration("statementTimeout", Duration.ofMinutes(5), Duration.ofSeconds(1), Duration.ofHours(12));
        if (statementTimeout.compareTo(Databases.SOCKET_TIMEOUT) >= 0 && !target.properties().containsKey("socketTimeout")) {
            section.problem("statementTimeout", ("must be shorter than a connection waits for an answer, %s, was %s;"
                            + " raise target.properties.socketTimeout (seconds) first")
                    .formatted(Units.print(Databases.SOCKET_TIMEOUT), Units.print(statementTimeout)));
        }
        ApplyConfig apply = new ApplyConfig(
                section.integer("batchRows", 5000, 1, 100_000),
                section.bytes("batchBytes", 8 << 20, 64 << 10, 256 << 20),
                section.duration("linger", Duration.ofMillis(2), Duration.ZERO, Duration.ofSeconds(1)),
                statementTimeout,
                section.integer("deadLettersPerMinute", 100, 0, 10_000_000));
        section.reportUnknown();
        return apply;
    }

    private static VerifyConfig verify(ConfigSection section, DatabaseConfig source) {
        String host = section.text("standbyHost", "");
        int port = section.integer("standbyPort", source.port(), 1, 65_535);
        if (host.isEmpty() && section.has("standbyPort")) {
            section.problem("standbyPort", "belongs to verify.standbyHost, which is missing; set both or none");
        }
        VerifyConfig verify = new VerifyConfig(
                section.duration("every", VerifyConfig.DEFAULT.every(), Duration.ofSeconds(10), Duration.ofDays(365)),
                section.integer("sharePercent", VerifyConfig.DEFAULT.sharePercent(), 1, 100),
                section.integer("rowsPerSecond", VerifyConfig.DEFAULT.rowsPerSecond(), 0, 1_000_000_000),
                section.integer("pauseAboveSessions", VerifyConfig.DEFAULT.pauseAboveSessions(), 0, 1_000_000),
                host.isEmpty() ? Optional.empty() : Optional.of(source.at(host, port)),
                section.integer("metricsPort", VerifyConfig.DEFAULT.metricsPort(), 0, 65_535),
                section.oneOf("evidence", VerifyConfig.DEFAULT.evidence()));
        section.reportUnknown();
        return verify;
    }

    private static JsonNode parse(Path file) {
        if (Files.isDirectory(file)) {
            throw new InvalidConfigException(List.of("is a directory; give the file, often pipeline.yml in it"));
        }
        try {
            JsonNode tree = YAML.readTree(Files.readString(file));
            return tree == null ? MissingNode.getInstance() : tree;
        } catch (NoSuchFileException e) {
            throw new InvalidConfigException(List.of("the file does not exist"));
        } catch (CharacterCodingException e) {
            throw new InvalidConfigException(List.of("the file is not text in UTF-8"));
        } catch (JsonProcessingException e) {
            throw new InvalidConfigException(List.of(where(e) + ": not YAML: " + withoutText(e)));
        } catch (IOException e) {
            throw new InvalidConfigException(List.of("the file cannot be read (%s)".formatted(e.getClass().getSimpleName())));
        }
    }

    private static String where(JsonProcessingException e) {
        return e.getLocation() == null ? "the file" : "line " + e.getLocation().getLineNr();
    }

    /** The parser's message without the lines that it quotes from the file, indented: a password may stand there. */
    private static String withoutText(JsonProcessingException e) {
        return e.getOriginalMessage()
                .lines()
                .filter(line -> !line.startsWith(" "))
                .collect(Collectors.joining(", "));
    }
}
