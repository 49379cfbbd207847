package dev.sluice.apply;

import dev.sluice.apply.DeadLetterStore.Refusal;
import dev.sluice.apply.RowChange.Key;
import dev.sluice.apply.RowChange.Kind;
import dev.sluice.config.KafkaClients;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.DeadLetterHeaders;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Headers;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import dev.sluice.schemas.TopicNames;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * A lane's dead letters in Kafka: the original record, key and value byte for byte, with headers that say why.
 *
 * <p>Clients are made when the first letter is sent; most runs never need them.
 *
 * <p>Threads: the lane's.
 */
final class DeadLetterTopic implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final int ANSWER_MILLIS = 5_000;

    private final PipelineConfig config;
    private final String nameInTarget;
    private final String laneName;
    private final LaneLock lock;
    private KafkaConsumer<byte[], byte[]> consumer;
    private KafkaProducer<byte[], byte[]> producer;
    /** Read and not asked for yet, of the partition that is read now. */
    private final TreeMap<Long, ConsumerRecord<byte[], byte[]>> readAhead = new TreeMap<>();
    /** Partitions per dead-letter topic that has been looked at. */
    private final Map<String, Integer> partitions = new HashMap<>();
    /** What the topics have and the index has not, by epoch and seq. */
    private final Map<Numbered, Place> unindexed = new HashMap<>();

    /** Where a letter is. */
    record Place(TopicPartition partition, long offset) {}

    /** By its number, or by its place if it has none. */
    private record Numbered(String topic, boolean isStray, long first, long second) {
        static Numbered of(String topic, LaneRecord record) {
            return record.isStray()
                    ? new Numbered(topic, true, record.partition().partition(), record.kafka().offset())
                    : new Numbered(topic, false, record.epoch(), record.seq());
        }
    }

    /**
     * A letter to be sent.
     *
     * @param keyColumns source columns of the key; empty if the key is null
     * @param oldKey on a change of key, else null
     */
    record Letter(
            LaneRecord record,
            TableId table,
            List<String> keyColumns,
            Kind kind,
            Key key,
            Key oldKey,
            Refusal refusal) {}

    DeadLetterTopic(PipelineConfig config, LaneConfig lane, LaneLock lock) {
        this.config = config;
        this.laneName = lane.name();
        this.nameInTarget = config.nameInTarget(lane);
        this.lock = lock;
    }

    // ---- the original record

    /**
     * Reads a record once more.
     *
     * @throws Failure.Retryable if Kafka does not have it any more, or not in time
     */
    LaneRecord original(TopicPartition partition, long offset) throws SQLException {
        openConsumer();
        try {
            if (!consumer.assignment().equals(Set.of(partition))) {
                consumer.assign(List.of(partition));
                consumer.seek(partition, offset);
                readAhead.clear();
            }
            readAhead.headMap(offset).clear();
            ConsumerRecord<byte[], byte[]> found = readAhead.remove(offset);
            if (found == null) {
                readAhead.clear();
                if (consumer.position(partition) != offset) {
                    consumer.seek(partition, offset);
                }
                found = read(partition, offset);
            }
            return LaneRecord.of(found, partition);
        } catch (KafkaException e) {
            throw new Failure.Retryable("kafka: reading %s@%d once more: %s".formatted(partition, offset, e.getMessage()), e);
        }
    }

    private ConsumerRecord<byte[], byte[]> read(TopicPartition partition, long offset) throws SQLException {
        long began = System.nanoTime();
        while (System.nanoTime() - began < PATIENCE.toNanos()) {
            ConsumerRecord<byte[], byte[]> found = null;
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                if (record.offset() == offset) {
                    found = record;
                } else if (record.offset() > offset) {
                    readAhead.put(record.offset(), record);
                }
            }
            lock.keep(true);
            if (found != null) {
                return found;
            }
            if (!readAhead.isEmpty()) {
                break;
            }
        }
        readAhead.clear();
        throw new Failure.Retryable("kafka: %s@%d, which was read before, does not come again".formatted(partition, offset), null);
    }

    private void openConsumer() {
        if (consumer == null) {
            Properties settings = KafkaClients.reader(config.kafka(), "sluice-apply-letters-" + laneName);
            settings.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, "500");
            settings.put(ConsumerConfig.FETCH_MAX_BYTES_CONFIG, "1048576");
            // what it reads is there; a fetch that waits at the end of the log would hold up the next one
            settings.put(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG, "5");
            settings.put(ConsumerConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, Integer.toString(ANSWER_MILLIS));
            consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        }
    }

    // ---- the letters

    /**
     * Sends letters that the topic does not have, and waits until Kafka has all of them.
     *
     * @param indexed per change topic and partition of its dead letters, where what the index does not know begins
     * @return their places, in the same order
     * @throws Failure.Fatal if the topic is missing, may not be written or does not take the record
     * @throws Failure.Retryable if Kafka does not answer
     */
    List<Place> send(List<Letter> letters, Indexed indexed) throws SQLException {
        List<Place> places = new ArrayList<>(letters.size());
        Map<Integer, Future<RecordMetadata>> sent = new TreeMap<>();
        for (Letter letter : letters) {
            LaneRecord record = letter.record();
            String topic = TopicNames.deadLetter(record.partition().topic());
            look(topic, record.partition().topic(), indexed);
            Place known = unindexed.remove(Numbered.of(topic, record));
            if (known == null) {
                int partition = record.partition().partition() % partitions.get(topic);
                sent.put(places.size(), send(topic, partition, letter));
            }
            places.add(known);
        }
        for (Map.Entry<Integer, Future<RecordMetadata>> one : sent.entrySet()) {
            String topic = TopicNames.deadLetter(letters.get(one.getKey()).record().partition().topic());
            RecordMetadata place = await(one.getValue(), topic);
            places.set(one.getKey(), new Place(new TopicPartition(topic, place.partition()), place.offset()));
        }
        return places;
    }

    /** Where what the index does not know begins, per partition of the dead letters of a change topic. */
    interface Indexed {
        Map<Integer, Long> offsets(String changeTopic) throws SQLException;
    }

    private Future<RecordMetadata> send(String topic, int partition, Letter letter) throws SQLException {
        openProducer();
        ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(
                topic,
                partition,
                letter.record().kafka().key(),
                letter.record().kafka().value(),
                headers(letter));
        try {
            return producer.send(record);
        } catch (InterruptException e) {
            throw e;
        } catch (KafkaException e) {
            throw failure(topic, e);
        }
    }

    private Collection<Header> headers(Letter letter) {
        LaneRecord record = letter.record();
        Refusal refusal = letter.refusal();
        String now = Instant.now().truncatedTo(ChronoUnit.MILLIS).toString();
        Map<String, String> ours = new TreeMap<>();
        ours.put(DeadLetterHeaders.TOPIC, record.partition().topic());
        ours.put(DeadLetterHeaders.PARTITION, Integer.toString(record.partition().partition()));
        ours.put(DeadLetterHeaders.OFFSET, Long.toString(record.kafka().offset()));
        ours.put(DeadLetterHeaders.CONNECTOR_NAME, nameInTarget);
        ours.put(DeadLetterHeaders.TASK_ID, "0");
        boolean isReadable = letter.kind() != Kind.UNREADABLE;
        ours.put(DeadLetterHeaders.STAGE, isReadable ? "TASK_PUT" : "VALUE_CONVERTER");
        ours.put(DeadLetterHeaders.CLASS_NAME, TargetWriter.class.getName());
        ours.put(DeadLetterHeaders.EXCEPTION_CLASS_NAME, refusal.sqlstate() == null ? "" : SQLException.class.getName());
        ours.put(DeadLetterHeaders.EXCEPTION_MESSAGE, refusal.message());
        ours.put(DeadLetterHeaders.ERROR_CLASS, refusal.name());
        ours.put(DeadLetterHeaders.SQLSTATE, refusal.sqlstate());
        ours.put(DeadLetterHeaders.CONSTRAINT, refusal.constraint());
        ours.put(DeadLetterHeaders.TABLE, letter.table().toString());
        ours.put(DeadLetterHeaders.KIND, letter.kind().name().toLowerCase(Locale.ROOT));
        ours.put(DeadLetterHeaders.ATTEMPTS, "1");
        ours.put(DeadLetterHeaders.FIRST_FAILED, now);
        ours.put(DeadLetterHeaders.LAST_FAILED, now);
        ours.put(Headers.LANE, laneName);
        List<Header> headers = new ArrayList<>(Arrays.asList(record.kafka().headers().toArray()));
        ours.forEach((name, value) -> {
            if (value != null) {
                headers.add(new RecordHeader(name, Headers.text(value)));
            }
        });
        return headers;
    }

    /** Waits for Kafka; the lane's session must not fall silent meanwhile. */
    private RecordMetadata await(Future<RecordMetadata> sent, String topic) throws SQLException {
        while (true) {
            try {
                return sent.get(1, TimeUnit.SECONDS);
            } catch (TimeoutException e) {
                lock.keep(true);
            } catch (ExecutionException e) {
                throw failure(topic, e.getCause());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new Failure.Retryable("interrupted", e);
            }
        }
    }

    /** Learns of the topic how many partitions it has, and which letters an earlier run has sent that are not in the index. */
    private void look(String topic, String changeTopic, Indexed indexed) throws SQLException {
        if (partitions.containsKey(topic)) {
            return;
        }
        openConsumer();
        try {
            List<PartitionInfo> found = consumer.partitionsFor(topic, Duration.ofMillis(ANSWER_MILLIS));
            if (found == null || found.isEmpty()) {
                throw missing(topic);
            }
            Map<Integer, Long> known = indexed.offsets(changeTopic);
            List<TopicPartition> all =
                    found.stream().map(info -> new TopicPartition(topic, info.partition())).toList();
            readAhead.clear();
            consumer.assign(all);
            Map<TopicPartition, Long> beginnings = consumer.beginningOffsets(all);
            Map<TopicPartition, Long> ends = consumer.endOffsets(all);
            all.forEach(partition -> {
                long from = Math.max(beginnings.get(partition), known.getOrDefault(partition.partition(), 0L));
                consumer.seek(partition, Math.min(from, ends.get(partition)));
            });
            readUnindexed(topic, ends);
            partitions.put(topic, found.size());
        } catch (UnknownTopicOrPartitionException e) {
            throw missing(topic);
        } catch (AuthorizationException e) {
            throw failure(topic, e);
        } catch (KafkaException e) {
            throw new Failure.Retryable("kafka: looking at %s: %s".formatted(topic, e.getMessage()), e);
        }
    }

    private void readUnindexed(String topic, Map<TopicPartition, Long> ends) throws SQLException {
        byte[] lane = Headers.text(laneName);
        long progressAt = System.nanoTime();
        while (ends.entrySet().stream().anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                progressAt = System.nanoTime();
                Header of = record.headers().lastHeader(Headers.LANE);
                if (of != null && Arrays.equals(of.value(), lane)) {
                    Place place = new Place(new TopicPartition(topic, record.partition()), record.offset());
                    numbered(topic, record).ifPresent(number -> unindexed.put(number, place));
                }
            }
            lock.keep(true);
            if (System.nanoTime() - progressAt > PATIENCE.toNanos()) {
                throw new Failure.Retryable("kafka: %s was not read to its end".formatted(topic), null);
            }
        }
    }

    /** What the letter is of; empty if it is somebody else's. */
    private static Optional<Numbered> numbered(String topic, ConsumerRecord<byte[], byte[]> letter) {
        boolean isStray = letter.headers().lastHeader(Headers.SEQ) == null;
        Header first = letter.headers().lastHeader(isStray ? DeadLetterHeaders.PARTITION : Headers.EPOCH);
        Header second = letter.headers().lastHeader(isStray ? DeadLetterHeaders.OFFSET : Headers.SEQ);
        try {
            return first == null || second == null
                    ? Optional.empty()
                    : Optional.of(new Numbered(topic, isStray, Headers.number(first.value()), Headers.number(second.value())));
        } catch (IllegalArgumentException e) {
            return Optional.empty();
        }
    }

    private void openProducer() {
        if (producer == null) {
            Properties settings = KafkaClients.base(config.kafka(), "sluice-apply-letters-" + laneName);
            settings.put(ProducerConfig.ACKS_CONFIG, "all");
            settings.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, "true");
            settings.put(ProducerConfig.COMPRESSION_TYPE_CONFIG, "lz4");
            settings.put(ProducerConfig.LINGER_MS_CONFIG, "5");
            settings.put(ProducerConfig.MAX_BLOCK_MS_CONFIG, Integer.toString(ANSWER_MILLIS));
            settings.put(ProducerConfig.REQUEST_TIMEOUT_MS_CONFIG, "10000");
            settings.put(ProducerConfig.DELIVERY_TIMEOUT_MS_CONFIG, "30000");
            settings.put(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, Integer.toString(config.kafka().maxDeadLetterBytes()));
            settings.put(
                    ProducerConfig.BUFFER_MEMORY_CONFIG,
                    Long.toString((4L << 20) + config.kafka().maxDeadLetterBytes()));
            producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
        }
    }

    private Failure.Fatal missing(String topic) {
        return new Failure.Fatal(
                Stop.SETUP,
                "dead-letter topic '%s' does not exist, and a row that the target cannot take must go there".formatted(topic),
                "capture makes it when it starts; or kafka-topics.sh --bootstrap-server %s --create --topic %s --partitions %d"
                                .formatted(config.kafka().bootstrapServers(), topic, config.kafka().partitions())
                        + " --config cleanup.policy=delete --config retention.ms=-1 --config max.message.bytes="
                        + config.kafka().maxDeadLetterBytes());
    }

    private Failure failure(String topic, Throwable cause) {
        if (cause instanceof UnknownTopicOrPartitionException || cause instanceof InvalidTopicException) {
            return missing(topic);
        }
        if (cause instanceof AuthorizationException) {
            return new Failure.Fatal(
                    Stop.SETUP,
                    "dead-letter topic '%s' cannot be written: %s".formatted(topic, cause.getMessage()),
                    ("kafka-acls.sh --bootstrap-server %s --add --allow-principal User:… --operation All"
                                    + " --resource-pattern-type prefixed --topic %s.")
                            .formatted(config.kafka().bootstrapServers(), config.kafka().topicPrefix()),
                    cause);
        }
        if (cause instanceof RecordTooLargeException) {
            return new Failure.Fatal(
                    Stop.SETUP,
                    "dead-letter topic '%s' does not take a record of this size".formatted(topic),
                    "kafka-configs.sh --bootstrap-server %s --alter --topic %s --add-config max.message.bytes=%d"
                            .formatted(config.kafka().bootstrapServers(), topic, config.kafka().maxDeadLetterBytes()),
                    cause);
        }
        return new Failure.Retryable("kafka: sending a dead letter to %s: %s".formatted(topic, cause.getMessage()), cause);
    }

    @Override
    public void close() {
        if (consumer != null) {
            consumer.close(CloseOptions.timeout(Duration.ofSeconds(1)));
        }
        if (producer != null) {
            producer.close(Duration.ofSeconds(1));
        }
    }
}
