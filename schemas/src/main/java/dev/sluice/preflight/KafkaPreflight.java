package dev.sluice.preflight;

import dev.sluice.config.KafkaConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.process.Finding;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TopicNames;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.DescribeClusterOptions;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.AuthenticationException;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/**
 * Everything about Kafka that can be checked before the first event: the topics that are there, and whether those that
 * are not could be made.
 *
 * <p>Nothing is changed: topics are created with {@code validateOnly}, which goes through authorization, policies and
 * the replication factor and stops there.
 */
public final class KafkaPreflight {
    private static final int TIMEOUT_MILLIS = 10_000;
    private static final String TOPICS_COMMAND = "kafka-configs.sh --bootstrap-server %s --alter --topic %s --add-config %s";

    private final Admin admin;
    private final KafkaConfig kafka;
    private final TopicNames names;
    private final Set<String> changeTopics = new TreeSet<>();
    private final Set<String> deadLetterTopics = new TreeSet<>();
    private final Findings findings = new Findings("kafka");

    private KafkaPreflight(Admin admin, PipelineConfig config) {
        this.admin = admin;
        this.kafka = config.kafka();
        this.names = config.topics();
        config.lanes().forEach(lane -> lane.tables().forEach(table -> {
            changeTopics.add(names.change(table.source()));
            deadLetterTopics.add(names.deadLetter(table.source()));
        }));
    }

    /**
     * Every finding, in the order broker, topics that are there, topics that are missing.
     *
     * @throws Failure.Retryable if Kafka does not answer within 10 s
     * @throws Failure.Fatal if it refuses the credentials
     */
    public static List<Finding> findings(Admin admin, PipelineConfig config) {
        return new KafkaPreflight(admin, config).findings();
    }

    private List<Finding> findings() {
        try {
            Node broker = get(admin.describeCluster(new DescribeClusterOptions().timeoutMs(TIMEOUT_MILLIS)).nodes())
                    .iterator()
                    .next();
            broker(broker);
            Map<String, TopicDescription> topics = existing();
            topics.values().forEach(this::operations);
            settings(topics);
            missing(topics.keySet());
        } catch (ExecutionException e) {
            throw unanswered(e.getCause());
        }
        return findings.list();
    }

    private Failure unanswered(Throwable cause) {
        if (cause instanceof AuthenticationException) {
            return new Failure.Fatal(
                    Stop.ACCESS,
                    "kafka %s refused the credentials: %s".formatted(kafka.bootstrapServers(), cause.getMessage()),
                    "correct the sasl.* or ssl.* settings in kafka.properties",
                    cause);
        }
        return new Failure.Retryable("kafka %s does not answer: %s".formatted(kafka.bootstrapServers(), cause.getMessage()), cause);
    }

    private void broker(Node broker) throws ExecutionException {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.BROKER, broker.idString());
        Optional<Config> settings = permitted(admin.describeConfigs(
                        List.of(resource), new DescribeConfigsOptions().timeoutMs(TIMEOUT_MILLIS))
                .values()
                .get(resource));
        boolean autoCreate = settings.map(config -> value(config, "auto.create.topics.enable").equals("true")).orElse(false);
        if (autoCreate) {
            findings.warning(
                    kafka.bootstrapServers(),
                    "auto.create.topics.enable is true: a deleted topic comes back empty, made by whoever asks for it,"
                            + " with the broker's defaults",
                    "auto.create.topics.enable=false in the brokers' server.properties");
        }
    }

    private Set<String> all() {
        Set<String> all = new TreeSet<>(changeTopics);
        all.addAll(deadLetterTopics);
        all.add(names.control());
        all.add(names.checkpoint());
        return all;
    }

    private Map<String, TopicDescription> existing() throws ExecutionException {
        Set<String> all = all();
        Map<String, TopicDescription> found = new TreeMap<>();
        Map<String, KafkaFuture<TopicDescription>> answers = admin.describeTopics(
                        all, new DescribeTopicsOptions().includeAuthorizedOperations(true).timeoutMs(TIMEOUT_MILLIS))
                .topicNameValues();
        for (Map.Entry<String, KafkaFuture<TopicDescription>> answer : answers.entrySet()) {
            try {
                found.put(answer.getKey(), get(answer.getValue()));
            } catch (ExecutionException e) {
                if (e.getCause() instanceof AuthorizationException) {
                    denied(answer.getKey(), Set.of(AclOperation.DESCRIBE));
                } else if (!(e.getCause() instanceof UnknownTopicOrPartitionException)) {
                    throw e;
                }
            }
        }
        return found;
    }

    private void operations(TopicDescription topic) {
        if (topic.authorizedOperations() != null) { // null: the broker cannot say
            Set<AclOperation> missing = new TreeSet<>(Set.of(AclOperation.READ, AclOperation.WRITE));
            missing.removeAll(topic.authorizedOperations());
            if (!missing.isEmpty()) {
                denied(topic.name(), missing);
            }
        }
    }

    private void denied(String topic, Collection<AclOperation> operations) {
        findings.error(
                topic,
                "no permission to " + String.join(" and ", operations.stream().map(AclOperation::name).sorted().toList()),
                ("kafka-acls.sh --bootstrap-server %s --add --allow-principal User:… --operation All"
                                + " --resource-pattern-type prefixed --topic %s.")
                        .formatted(kafka.bootstrapServers(), kafka.topicPrefix()));
    }

    private void settings(Map<String, TopicDescription> topics) throws ExecutionException {
        List<ConfigResource> resources = topics.keySet().stream()
                .map(topic -> new ConfigResource(ConfigResource.Type.TOPIC, topic))
                .toList();
        Map<ConfigResource, KafkaFuture<Config>> answers = admin.describeConfigs(
                        resources, new DescribeConfigsOptions().timeoutMs(TIMEOUT_MILLIS))
                .values();
        for (ConfigResource resource : resources) {
            Optional<Config> config = permitted(answers.get(resource));
            if (config.isPresent()) {
                settings(topics.get(resource.name()), config.get());
            }
        }
    }

    private void settings(TopicDescription topic, Config config) {
        boolean checkpoint = topic.name().equals(names.checkpoint());
        boolean isDeadLetters = deadLetterTopics.contains(topic.name());
        String policy = checkpoint ? "compact" : "delete";
        if (!value(config, "cleanup.policy").equals(policy)) {
            findings.error(
                    topic.name(),
                    "cleanup.policy is '%s', must be '%s': %s".formatted(
                            value(config, "cleanup.policy"),
                            policy,
                            checkpoint
                                    ? "the last checkpoint must stay"
                                    : isDeadLetters ? "compaction removes letters" : "compaction removes records, which makes holes"),
                    alter(topic.name(), "cleanup.policy=" + policy));
        }
        if (!checkpoint) {
            if (isDeadLetters) {
                letterRetention(topic.name(), config);
            } else {
                retention(topic.name(), config);
            }
            int needed = isDeadLetters ? kafka.maxDeadLetterBytes() : kafka.maxRecordBytes();
            if (number(config, "max.message.bytes") < needed) {
                findings.error(
                        topic.name(),
                        "max.message.bytes is %s, %s"
                                .formatted(
                                        value(config, "max.message.bytes"),
                                        isDeadLetters
                                                ? "a dead letter may need %d".formatted(needed)
                                                : "kafka.maxRecordBytes is %d".formatted(needed)),
                        alter(topic.name(), "max.message.bytes=" + needed));
            }
        }
        int replicas = topic.partitions().get(0).replicas().size();
        if (number(config, "min.insync.replicas") > replicas) {
            findings.error(
                    topic.name(),
                    "min.insync.replicas is %s with %d replicas: no record is ever acknowledged"
                            .formatted(value(config, "min.insync.replicas"), replicas),
                    alter(topic.name(), "min.insync.replicas=" + replicas));
        }
    }

    private void retention(String topic, Config config) {
        long retention = number(config, "retention.ms");
        if (retention >= 0 && retention < kafka.retention().toMillis()) {
            findings.warning(
                    topic,
                    "retention.ms is %d, kafka.retention is %d: an apply that is down for longer finds a hole"
                            .formatted(retention, kafka.retention().toMillis()),
                    alter(topic, "retention.ms=" + kafka.retention().toMillis()));
        }
        if (number(config, "retention.bytes") >= 0) {
            findings.warning(
                    topic,
                    "retention.bytes is %s: a burst of changes deletes records before they are applied"
                            .formatted(value(config, "retention.bytes")),
                    alter(topic, "retention.bytes=-1"));
        }
    }

    private void letterRetention(String topic, Config config) {
        for (String setting : List.of("retention.ms", "retention.bytes")) {
            if (number(config, setting) >= 0) {
                findings.warning(
                        topic,
                        "%s is %s: Kafka deletes dead letters; the index in the target keeps them"
                                .formatted(setting, value(config, setting)),
                        alter(topic, setting + "=-1"));
            }
        }
    }

    private void missing(Set<String> existing) throws ExecutionException {
        Set<String> wanted = all();
        wanted.removeAll(existing);
        List<NewTopic> topics = wanted.stream()
                .map(topic -> new NewTopic(
                        topic,
                        Optional.of(
                                changeTopics.contains(topic) || deadLetterTopics.contains(topic) ? kafka.partitions() : 1),
                        kafka.replicationFactor() < 0 ? Optional.empty() : Optional.of((short) kafka.replicationFactor())))
                .toList();
        Map<String, KafkaFuture<Void>> answers = admin.createTopics(
                        topics, new CreateTopicsOptions().validateOnly(true).timeoutMs(TIMEOUT_MILLIS))
                .values();
        for (Map.Entry<String, KafkaFuture<Void>> answer : new TreeMap<>(answers).entrySet()) {
            try {
                get(answer.getValue());
            } catch (ExecutionException e) {
                if (e.getCause() instanceof TopicExistsException) {
                    continue; // made since we looked
                }
                if (e.getCause() instanceof RetriableException) {
                    throw e;
                }
                findings.error(
                        answer.getKey(),
                        "does not exist and cannot be made: " + e.getCause().getMessage(),
                        "kafka-topics.sh --bootstrap-server %s --create --topic %s --config cleanup.policy=%s; or allow it, or"
                                        .formatted(
                                                kafka.bootstrapServers(),
                                                answer.getKey(),
                                                answer.getKey().equals(names.checkpoint()) ? "compact" : "delete")
                                + " correct kafka.replicationFactor and kafka.partitions");
            }
        }
    }

    private String alter(String topic, String setting) {
        return TOPICS_COMMAND.formatted(kafka.bootstrapServers(), topic, setting);
    }

    private static String value(Config config, String name) {
        ConfigEntry entry = config.get(name);
        return entry == null || entry.value() == null ? "" : entry.value();
    }

    private static long number(Config config, String name) {
        return Long.parseLong(value(config, name));
    }

    /** The answer, or nothing if we may not ask: that alone is no finding, capture and apply do not ask. */
    private static <T> Optional<T> permitted(KafkaFuture<T> answer) throws ExecutionException {
        try {
            return Optional.of(get(answer));
        } catch (ExecutionException e) {
            if (e.getCause() instanceof AuthorizationException) {
                return Optional.empty();
            }
            throw e;
        }
    }

    private static <T> T get(KafkaFuture<T> answer) throws ExecutionException {
        try {
            return answer.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new ExecutionException(e);
        }
    }
}
