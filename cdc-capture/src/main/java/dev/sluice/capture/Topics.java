package dev.sluice.capture;

import dev.sluice.config.KafkaClients;
import dev.sluice.config.KafkaConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Makes the pipeline's topics and knows them by Kafka's ids, so that one made anew is not taken for the old one. */
final class Topics implements AutoCloseable {
    private static final Duration KNOWN_WITHIN = Duration.ofSeconds(10);

    /** The lane's session in the source must not fall silent while Kafka is asked. */
    private static final int ANSWER_MILLIS = 5_000;

    private final Admin admin;
    private final KafkaConfig kafka;
    private final PipelineConfig config;

    Topics(PipelineConfig config) {
        this.config = config;
        this.kafka = config.kafka();
        this.admin = Admin.create(KafkaClients.base(kafka, "sluice-topics"));
    }

    Admin admin() {
        return admin;
    }

    void createCheckpointTopic() {
        create(
                List.of(config.topics().checkpoint()),
                1,
                Map.of(
                        "cleanup.policy", "compact",
                        "segment.ms", "600000",
                        "segment.bytes", "4194304",
                        "min.cleanable.dirty.ratio", "0.1"));
    }

    boolean hasCheckpointTopic() {
        return !ids(List.of(config.topics().checkpoint())).isEmpty();
    }

    void createControlTopic() {
        create(List.of(config.topics().control()), 1, changeTopicSettings());
    }

    /** In one request, which takes a broker no longer than a single one. */
    void createChangeTopics(Collection<String> topics) {
        create(topics, kafka.partitions(), changeTopicSettings());
    }

    /** Letters stay until somebody deletes them. */
    void createDeadLetterTopics(Collection<String> topics) {
        create(
                topics,
                kafka.partitions(),
                Map.of(
                        "cleanup.policy", "delete",
                        "retention.ms", "-1",
                        "max.message.bytes", Integer.toString(kafka.maxDeadLetterBytes())));
    }

    private Map<String, String> changeTopicSettings() {
        return Map.of(
                "cleanup.policy", "delete",
                "retention.ms", Long.toString(kafka.retention().toMillis()),
                "max.message.bytes", Integer.toString(kafka.maxRecordBytes()));
    }

    private void create(Collection<String> topics, int partitions, Map<String, String> settings) {
        Optional<Short> replicas =
                kafka.replicationFactor() < 0 ? Optional.empty() : Optional.of((short) kafka.replicationFactor());
        List<NewTopic> wanted = topics.stream()
                .map(topic -> new NewTopic(topic, Optional.of(partitions), replicas).configs(settings))
                .toList();
        admin.createTopics(wanted).values().forEach((topic, made) -> {
            try {
                get(made, "creating topic " + topic);
            } catch (Failure e) {
                if (!(e.getCause() instanceof TopicExistsException)) {
                    throw e;
                }
            }
        });
    }

    /**
     * Kafka's id of each topic, all of which exist or have just been made: a broker takes a moment to know of a new one.
     *
     * @throws Failure.Retryable if Kafka does not know all of them in time
     */
    Map<String, String> awaitIds(Collection<String> topics) throws InterruptedException {
        long deadline = System.nanoTime() + KNOWN_WITHIN.toNanos();
        Map<String, String> ids = ids(topics);
        while (!ids.keySet().containsAll(topics)) {
            if (System.nanoTime() > deadline) {
                Set<String> unknown = new TreeSet<>(topics);
                unknown.removeAll(ids.keySet());
                throw new Failure.Retryable("kafka: topics %s are not there, though they were made".formatted(unknown), null);
            }
            Thread.sleep(50);
            ids = ids(topics);
        }
        return ids;
    }

    /** Kafka's id of each topic that exists. */
    private Map<String, String> ids(Collection<String> topics) {
        Map<String, String> ids = new TreeMap<>();
        DescribeTopicsOptions options = new DescribeTopicsOptions().timeoutMs(ANSWER_MILLIS);
        admin.describeTopics(topics, options).topicNameValues().forEach((topic, answer) -> {
            try {
                ids.put(topic, get(answer, "describing topic " + topic).topicId().toString());
            } catch (Failure e) {
                if (!(e.getCause() instanceof UnknownTopicOrPartitionException)) {
                    throw e;
                }
            }
        });
        return ids;
    }

    /**
     * Throws unless every topic is the one that the checkpoint knows.
     *
     * @throws Failure.Fatal naming the topics that are gone or were made anew
     */
    void requireSame(Map<String, String> known) {
        Map<String, String> now = ids(known.keySet());
        known.forEach((topic, id) -> {
            if (!id.equals(now.get(topic))) {
                throw new Failure.Fatal(
                        Stop.HOLE,
                        "topic '%s' was deleted%s: its records are gone, the target may not have had them all"
                                .formatted(topic, now.containsKey(topic) ? " and made anew" : ""),
                        "`sluice recover` has the mapped tables read again: \"Starting a lane anew\" in docs/runbook.md");
            }
        });
    }

    private static <T> T get(KafkaFuture<T> answer, String doing) {
        try {
            return answer.get();
        } catch (ExecutionException e) {
            throw new Failure.Retryable("kafka: " + doing + ": " + e.getCause().getMessage(), e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Failure.Retryable("interrupted while " + doing, e);
        }
    }

    @Override
    public void close() {
        admin.close(Duration.ofSeconds(2));
    }
}
