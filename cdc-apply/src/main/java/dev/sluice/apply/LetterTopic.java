package dev.sluice.apply;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.sluice.config.KafkaClients;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.DeadLetterHeaders;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Headers;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import dev.sluice.schemas.TopicNames;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * A dead-letter topic, read from some place to where it ends now, for letters that the index has lost.
 *
 * <p>Threads: one.
 */
public final class LetterTopic implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final int ANSWER_MILLIS = 10_000;
    private static final Set<String> KINDS = Set.of("upsert", "patch", "delete", "move", "row", "unreadable");
    private static final ObjectMapper JSON = new ObjectMapper();

    private final String topic;
    private final LaneConfig lane;
    private final String nameInTarget;
    private final KafkaConsumer<byte[], byte[]> consumer;
    private final Map<TopicPartition, Long> ends;

    /** A letter as its record tells it; key and oldKey null if not known. */
    record Found(
            TableId table,
            String kind,
            List<String> keyColumns,
            List<String> key,
            List<String> oldKey,
            String errorClass,
            String sqlstate,
            String constraint,
            String message,
            int attempts,
            Instant firstFailed,
            Instant lastFailed,
            long epoch,
            long seq,
            String lsn,
            long xid,
            TopicPartition place,
            long offset,
            ConsumerRecord<byte[], byte[]> record) {}

    private LetterTopic(
            String topic,
            LaneConfig lane,
            String nameInTarget,
            KafkaConsumer<byte[], byte[]> consumer,
            Map<TopicPartition, Long> ends) {
        this.topic = topic;
        this.lane = lane;
        this.nameInTarget = nameInTarget;
        this.consumer = consumer;
        this.ends = ends;
    }

    /**
     * @param partition the only one to be read; all if empty
     * @param from the first offset, in each partition
     * @throws Failure if it is no dead-letter topic of the pipeline, is missing or cannot be read
     */
    public static LetterTopic open(PipelineConfig config, String topic, OptionalInt partition, long from) {
        LaneConfig lane = lane(config, topic);
        Properties settings = KafkaClients.reader(config.kafka(), "sluice-command");
        settings.put(ConsumerConfig.FETCH_MAX_BYTES_CONFIG, "1048576");
        settings.put(ConsumerConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, Integer.toString(ANSWER_MILLIS));
        KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        try {
            List<TopicPartition> all = partitions(consumer, topic, partition);
            consumer.assign(all);
            Map<TopicPartition, Long> beginnings = consumer.beginningOffsets(all);
            Map<TopicPartition, Long> ends = consumer.endOffsets(all);
            all.forEach(one -> consumer.seek(one, Math.min(ends.get(one), Math.max(from, beginnings.get(one)))));
            return new LetterTopic(topic, lane, config.nameInTarget(lane), consumer, ends);
        } catch (KafkaException e) {
            consumer.close(CloseOptions.timeout(Duration.ofSeconds(1)));
            throw failure(topic, e);
        } catch (Failure e) {
            consumer.close(CloseOptions.timeout(Duration.ofSeconds(1)));
            throw e;
        }
    }

    private static LaneConfig lane(PipelineConfig config, String topic) {
        Map<String, LaneConfig> lanes = new TreeMap<>();
        for (LaneConfig lane : config.lanes()) {
            for (TableMapping table : lane.tables()) {
                lanes.put(config.topics().deadLetter(table.source()), lane);
            }
        }
        if (!lanes.containsKey(topic)) {
            throw new Failure.Fatal(
                    Stop.USAGE,
                    "topic '%s' is no dead-letter topic of pipeline '%s'".formatted(topic, config.name()),
                    "name one of " + String.join(", ", lanes.keySet()));
        }
        return lanes.get(topic);
    }

    private static List<TopicPartition> partitions(
            KafkaConsumer<byte[], byte[]> consumer, String topic, OptionalInt partition) {
        List<PartitionInfo> found = consumer.partitionsFor(topic, Duration.ofMillis(ANSWER_MILLIS));
        if (found == null || found.isEmpty()) {
            throw missing(topic);
        }
        List<TopicPartition> wanted = found.stream()
                .map(PartitionInfo::partition)
                .filter(number -> partition.isEmpty() || partition.getAsInt() == number)
                .map(number -> new TopicPartition(topic, number))
                .toList();
        if (wanted.isEmpty()) {
            throw new Failure.Fatal(
                    Stop.USAGE,
                    "topic '%s' has no partition %d".formatted(topic, partition.getAsInt()),
                    "it has the partitions 0 to %d".formatted(found.size() - 1));
        }
        return wanted;
    }

    private static Failure.Fatal missing(String topic) {
        return new Failure.Fatal(
                Stop.SETUP,
                "dead-letter topic '%s' does not exist".formatted(topic),
                "capture makes it when it starts, empty: what it held is gone; compare, and read its table again with `sluice resync`");
    }

    private static Failure failure(String topic, KafkaException e) {
        if (e instanceof UnknownTopicOrPartitionException || e instanceof InvalidTopicException) {
            return missing(topic);
        }
        if (e instanceof AuthorizationException) {
            return new Failure.Fatal(
                    Stop.SETUP,
                    "dead-letter topic '%s' cannot be read: %s".formatted(topic, e.getMessage()),
                    "allow the principal to read it",
                    e);
        }
        return new Failure.Retryable("kafka: reading %s: %s".formatted(topic, e.getMessage()), e);
    }

    /** By its name in the target. */
    public String lane() {
        return nameInTarget;
    }

    /** A piece of the topic. */
    record Piece(List<Found> letters, long others) {}

    /**
     * The next piece; empty at the end.
     *
     * @throws Failure.Retryable if Kafka does not answer
     */
    Optional<Piece> next() {
        long began = System.nanoTime();
        try {
            while (ends.entrySet().stream().anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
                List<Found> letters = new ArrayList<>();
                long others = 0;
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                    if (record.offset() < ends.get(new TopicPartition(topic, record.partition()))) {
                        Optional<Found> letter = letter(record);
                        letter.ifPresent(letters::add);
                        others += letter.isPresent() ? 0 : 1;
                    }
                }
                if (!letters.isEmpty() || others > 0) {
                    return Optional.of(new Piece(letters, others));
                }
                if (System.nanoTime() - began > PATIENCE.toNanos()) {
                    throw new Failure.Retryable("kafka: %s was not read to its end".formatted(topic), null);
                }
            }
            return Optional.empty();
        } catch (KafkaException e) {
            throw failure(topic, e);
        }
    }

    /** Empty if the record is no letter of this lane. */
    private Optional<Found> letter(ConsumerRecord<byte[], byte[]> record) {
        try {
            if (!lane.name().equals(text(record, Headers.LANE))
                    || !nameInTarget.equals(text(record, DeadLetterHeaders.CONNECTOR_NAME))) {
                return Optional.empty();
            }
            TableId table = TableId.parse(text(record, DeadLetterHeaders.TABLE));
            String kind = text(record, DeadLetterHeaders.KIND);
            String changeTopic = text(record, DeadLetterHeaders.TOPIC);
            if (!KINDS.contains(kind) || !topic.equals(TopicNames.deadLetter(changeTopic))) {
                return Optional.empty();
            }
            Map<String, String> key = key(record.key());
            Header old = record.headers().lastHeader(Headers.OLD_KEY);
            return Optional.of(new Found(
                    table,
                    kind,
                    List.copyOf(key.keySet()),
                    key.isEmpty() ? null : new ArrayList<>(key.values()),
                    kind.equals("move") && old != null ? new ArrayList<>(key(old.value()).values()) : null,
                    text(record, DeadLetterHeaders.ERROR_CLASS, "unknown"),
                    text(record, DeadLetterHeaders.SQLSTATE, null),
                    text(record, DeadLetterHeaders.CONSTRAINT, null),
                    text(record, DeadLetterHeaders.EXCEPTION_MESSAGE, ""),
                    Integer.parseInt(text(record, DeadLetterHeaders.ATTEMPTS, "1")),
                    Instant.parse(text(record, DeadLetterHeaders.FIRST_FAILED)),
                    Instant.parse(text(record, DeadLetterHeaders.LAST_FAILED)),
                    Headers.number(bytes(record, Headers.EPOCH)),
                    Headers.number(bytes(record, Headers.SEQ)),
                    text(record, Headers.LSN, null),
                    Headers.number(bytes(record, Headers.XID)),
                    new TopicPartition(changeTopic, Integer.parseInt(text(record, DeadLetterHeaders.PARTITION))),
                    Long.parseLong(text(record, DeadLetterHeaders.OFFSET)),
                    record));
        } catch (IllegalArgumentException | DateTimeParseException e) {
            return Optional.empty();
        }
    }

    private static Map<String, String> key(byte[] json) {
        Map<String, String> key = new LinkedHashMap<>();
        try {
            if (json != null && JSON.readTree(json) instanceof ObjectNode object) {
                object.properties().forEach(field -> key.put(field.getKey(), text(field.getValue())));
            }
        } catch (IOException e) {
            return Map.of();
        }
        return key;
    }

    private static String text(JsonNode value) {
        return value.isNull() ? null : value.asText();
    }

    private static byte[] bytes(ConsumerRecord<byte[], byte[]> record, String header) {
        Header found = record.headers().lastHeader(header);
        return found == null ? null : found.value();
    }

    private static String text(ConsumerRecord<byte[], byte[]> record, String header) {
        byte[] value = bytes(record, header);
        if (value == null) {
            throw new IllegalArgumentException("no header " + header);
        }
        return new String(value, StandardCharsets.UTF_8);
    }

    private static String text(ConsumerRecord<byte[], byte[]> record, String header, String otherwise) {
        byte[] value = bytes(record, header);
        return value == null ? otherwise : new String(value, StandardCharsets.UTF_8);
    }

    /** What is read, for a person. */
    public String range() {
        return ends.keySet().stream()
                .sorted(Comparator.comparingInt(TopicPartition::partition))
                .map(one -> "%d@%d to %d".formatted(one.partition(), consumer.position(one), ends.get(one)))
                .collect(Collectors.joining(", "));
    }

    @Override
    public void close() {
        consumer.close(CloseOptions.timeout(Duration.ofSeconds(1)));
    }
}
