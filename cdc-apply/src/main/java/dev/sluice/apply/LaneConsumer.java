package dev.sluice.apply;

import dev.sluice.apply.Progress.Offset;
import dev.sluice.apply.Progress.Position;
import dev.sluice.config.KafkaClients;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.Checkpoint;
import dev.sluice.schemas.CheckpointReader;
import dev.sluice.schemas.ControlRecord;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Headers;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads the lane's topics into a {@link LaneMerge} and proves holes.
 *
 * <p>Partitions are assigned by hand: a lane has one reader, chosen by {@link LaneLock}. The consumer group only tells
 * other people's tools how far the lane is.
 *
 * <p>Threads: one.
 */
final class LaneConsumer implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(LaneConsumer.class);

    /** How long an idle reader waits for a record before it looks around. */
    static final Duration IDLE = Duration.ofMillis(100);

    /** Read ahead over all partitions. */
    private static final long BUFFER_BYTES = Math.min(64L << 20, Runtime.getRuntime().maxMemory() / 8);

    /** The lane's session in the target must not fall silent while Kafka is asked. */
    private static final String ANSWER_MILLIS = "5000";

    /** Somebody else's records at once; whoever writes more uses the topic for something else. */
    private static final int MOST_STRAYS = 1_000;

    private static final long LOOK_NANOS = Duration.ofSeconds(5).toNanos();
    private static final long GROUP_NANOS = Duration.ofSeconds(5).toNanos();

    private final PipelineConfig config;
    private final LaneConfig lane;
    private final byte[] laneName;
    private final Set<String> names;
    private final Admin admin;
    private final BoundedValues values = new BoundedValues(BUFFER_BYTES / 4);
    private final KafkaConsumer<byte[], byte[]> consumer;
    private final Map<String, String> topicIds = new TreeMap<>();
    private final Map<TopicPartition, TopicPartition> partitions = new HashMap<>();
    private final Set<TopicPartition> paused = new HashSet<>();
    private final LaneMerge merge;
    private final List<ConsumerRecord<byte[], byte[]>> strays = new ArrayList<>();
    private final boolean keepsStrays;
    private long expectedBefore;
    private long expectedAtLook;
    private long lookedAt = System.nanoTime();
    private long groupAt = System.nanoTime();
    private boolean isSilent;
    /** While a number is sought that may be missing: where the partitions ended when {@link #proof} was read. */
    private Map<TopicPartition, Long> sought = Map.of();
    private Checkpoint proof;
    /** Something was read, while a number was sought, that there was no room for. */
    private boolean forgot;
    private String morePartitions;

    /**
     * @param saved where to begin; partitions without an entry are read from their beginning
     * @throws Failure.Fatal if a topic that was read before is gone or another one
     * @throws Failure.Retryable if the topics are not there yet, or Kafka is away
     */
    LaneConsumer(PipelineConfig config, LaneConfig lane, Map<TopicPartition, Offset> saved, Position position) {
        this.config = config;
        this.lane = lane;
        this.keepsStrays = config.apply().deadLettersPerMinute() > 0;
        this.laneName = Headers.text(lane.name());
        this.names = names(config, lane, saved);
        this.admin = admin();
        try {
            Map<String, TopicDescription> topics = topics();
            requireKnown(topics, saved);
            this.consumer = consumer();
            this.merge = new LaneMerge(
                    position.epoch(), position.seq(), Math.max(1 << 20, BUFFER_BYTES / Math.max(1, topics.size())));
            assign(topics, saved);
            this.expectedAtLook = merge.expected();
        } catch (KafkaException e) {
            close();
            throw new Failure.Retryable("kafka: " + e.getMessage(), e);
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    /** The control topic, those of the mapped tables, and those that were read before: numbers may stand there too. */
    private static Set<String> names(PipelineConfig config, LaneConfig lane, Map<TopicPartition, Offset> saved) {
        Set<String> names = new TreeSet<>();
        saved.keySet().forEach(partition -> names.add(partition.topic()));
        names.addAll(mapped(config, lane));
        return names;
    }

    private static Set<String> mapped(PipelineConfig config, LaneConfig lane) {
        Set<String> names = new TreeSet<>();
        names.add(config.topics().control());
        lane.tables().forEach(table -> names.add(config.topics().change(table.source())));
        return names;
    }

    private Admin admin() {
        Properties settings = KafkaClients.base(config.kafka(), "sluice-apply-topics-" + lane.name());
        settings.put(AdminClientConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, ANSWER_MILLIS);
        settings.put(AdminClientConfig.REQUEST_TIMEOUT_MS_CONFIG, ANSWER_MILLIS);
        return Admin.create(settings);
    }

    /** The lane's topics that exist. */
    private Map<String, TopicDescription> topics() {
        Map<String, TopicDescription> found = new TreeMap<>();
        Map<String, KafkaFuture<TopicDescription>> answers =
                new HashMap<>(admin.describeTopics(names).topicNameValues());
        answers.forEach((name, answer) -> {
            try {
                found.put(name, answer.get());
            } catch (ExecutionException e) {
                if (!(e.getCause() instanceof UnknownTopicOrPartitionException)) {
                    throw new Failure.Retryable("kafka: describing topics: " + e.getCause().getMessage(), e);
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new Failure.Retryable("interrupted", e);
            }
        });
        return found;
    }

    private void requireKnown(Map<String, TopicDescription> topics, Map<TopicPartition, Offset> saved) {
        saved.forEach((partition, offset) -> {
            TopicDescription topic = topics.get(partition.topic());
            if (topic == null && mapped(config, lane).contains(partition.topic())) {
                throw deleted(partition.topic(), "");
            }
            if (topic != null && !topic.topicId().toString().equals(offset.topicId())) {
                throw deleted(partition.topic(), " and made anew");
            }
        });
        for (String name : mapped(config, lane)) {
            if (!topics.containsKey(name)) {
                throw new Failure.Retryable("kafka: topic '%s' does not exist yet; capture makes it".formatted(name), null);
            }
        }
        topics.forEach((name, topic) -> topicIds.put(name, topic.topicId().toString()));
    }

    private Failure.Fatal deleted(String topic, String andThen) {
        return hole("topic '%s' was deleted%s; records that the target has not had are gone".formatted(topic, andThen));
    }

    private static Failure.Fatal hole(String what) {
        return new Failure.Fatal(
                Stop.HOLE,
                what,
                "`sluice recover` has the mapped tables read again: \"Starting a lane anew\" in docs/runbook.md");
    }

    private KafkaConsumer<byte[], byte[]> consumer() {
        Properties settings = KafkaClients.base(config.kafka(), "sluice-apply-" + lane.name());
        settings.put(
                ConsumerConfig.GROUP_ID_CONFIG, "sluice-%s-%s".formatted(config.kafka().topicPrefix(), lane.name()));
        settings.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, "false");
        settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "none");
        settings.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, "4000");
        settings.put(ConsumerConfig.FETCH_MAX_BYTES_CONFIG, Long.toString(Math.max(1 << 20, BUFFER_BYTES / 4)));
        settings.put(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG, "1048576");
        settings.put(ConsumerConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, ANSWER_MILLIS);
        return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), values);
    }

    private void assign(Map<String, TopicDescription> topics, Map<TopicPartition, Offset> saved) {
        topics.forEach((name, topic) -> topic.partitions().forEach(info -> {
            TopicPartition partition = new TopicPartition(name, info.partition());
            partitions.put(partition, partition);
        }));
        consumer.assign(partitions.keySet());
        Map<TopicPartition, Long> beginnings = consumer.beginningOffsets(partitions.keySet());
        partitions.keySet().forEach(partition -> {
            Offset known = saved.get(partition);
            long beginning = beginnings.get(partition);
            if (known != null && known.next() < beginning) {
                log.warn(
                        "lane {}: {} was truncated from offset {} to {} before it was read; the numbers will tell whether"
                                + " anything is missing",
                        lane.name(), partition, known.next(), beginning);
            }
            long from = known == null ? beginning : Math.max(beginning, known.next());
            consumer.seek(partition, from);
            merge.assign(partition, from);
        });
    }

    LaneMerge merge() {
        return merge;
    }

    Map<String, String> topicIds() {
        return topicIds;
    }

    /**
     * Throws unless the topics of all tables of an epoch are read.
     *
     * @throws Failure.Fatal naming the tables that capture carries and this process does not know
     */
    void requireReads(ControlRecord.EpochStart start) {
        List<TableId> unknown = start.tables().stream()
                .filter(table -> !topicIds.containsKey(config.topics().change(table)))
                .toList();
        if (!unknown.isEmpty()) {
            throw new Failure.Fatal(
                    Stop.SETUP,
                    "epoch %d of lane '%s' carries %s, which this apply's configuration does not have"
                            .formatted(start.epoch(), lane.name(), unknown),
                    "start apply with the configuration that capture runs with; a table can be taken out of it once apply"
                            + " has reached the epoch that begins without it");
        }
    }

    /** Reads what has arrived, waiting at most {@code timeout} if there is nothing. */
    void poll(Duration timeout) {
        ConsumerRecords<byte[], byte[]> records;
        try {
            values.begin();
            records = consumer.poll(timeout);
        } catch (OffsetOutOfRangeException e) {
            e.offsetOutOfRangePartitions().forEach((partition, offset) -> log.warn(
                    "lane {}: {} does not have offset {} any more; the numbers will tell whether anything is missing",
                    lane.name(), partition, offset));
            throw new Failure.Retryable("kafka: " + e.getMessage(), e);
        } catch (KafkaException e) {
            throw new Failure.Retryable("kafka: reading: " + e.getMessage(), e);
        }
        for (TopicPartition partition : records.partitions()) {
            for (ConsumerRecord<byte[], byte[]> record : records.records(partition)) {
                if (BoundedValues.isLeftOut(record.value())) {
                    consumer.seek(partition, record.offset());
                    break;
                }
                offer(record);
            }
        }
        pauseWhoIsAhead();
    }

    private void offer(ConsumerRecord<byte[], byte[]> record) {
        TopicPartition partition = partitions.get(new TopicPartition(record.topic(), record.partition()));
        boolean isControl = record.topic().equals(config.topics().control());
        try {
            if (isControl && !isOurs(record)) {
                merge.seenUpTo(partition, record.offset() + 1);
                return;
            }
            LaneRecord laneRecord = LaneRecord.of(record, partition);
            if (!sought.isEmpty() && !isControl && merge.isAhead(partition) && laneRecord.seq() != merge.expected()) {
                forgot = true;
                return;
            }
            merge.offer(laneRecord, isControl && laneRecord.control() instanceof ControlRecord.EpochStart);
        } catch (IllegalArgumentException e) {
            if (keepsStrays && !isControl && strays.size() < MOST_STRAYS) {
                strays.add(record);
                merge.seenUpTo(partition, record.offset() + 1);
                return;
            }
            throw new Failure.Fatal(
                    Stop.POISON,
                    "record %s@%d is not of this lane: %s".formatted(partition, record.offset(), e.getMessage()),
                    "somebody else writes to this topic: find out who, and give the pipeline topics of its own",
                    e);
        }
    }

    /**
     * Records of change topics that are not of a lane at all: somebody else has written them. While there are some, offsets must
     * not be saved.
     */
    List<ConsumerRecord<byte[], byte[]>> strays() {
        return strays;
    }

    private boolean isOurs(ConsumerRecord<byte[], byte[]> record) {
        var name = record.headers().lastHeader(Headers.LANE);
        return name != null && Arrays.equals(name.value(), laneName);
    }

    private void pauseWhoIsAhead() {
        for (TopicPartition partition : partitions.keySet()) {
            boolean isAhead = sought.isEmpty() && merge.isAhead(partition);
            if (isAhead && paused.add(partition)) {
                consumer.pause(List.of(partition));
            } else if (!isAhead && paused.remove(partition)) {
                consumer.resume(List.of(partition));
            }
        }
    }

    /**
     * Throws if the lane cannot go on: one of its topics is not the one that was read before, or the next number can
     * never come. That is so if a checkpoint says that it, or a later epoch, was acknowledged, and every partition has
     * since been read beyond what there was then. The number is sought only after some seconds without progress.
     *
     * @throws Failure.Fatal naming the topic or the number
     * @throws Failure.Retryable if the number was found behind so many later ones that not all of them were kept
     */
    void requireNoHole() {
        boolean isOn = merge.expected() != expectedBefore;
        if (isOn) {
            expectedBefore = merge.expected();
            sought = Map.of();
            if (forgot) {
                throw new Failure.Retryable("kafka: record %d came late, reading again".formatted(merge.expected() - 1), null);
            }
        }
        if (!sought.isEmpty() && sought.entrySet().stream().allMatch(end -> consumer.position(end.getKey()) >= end.getValue())) {
            throw hole(missing(proof));
        }
        if (System.nanoTime() - lookedAt >= LOOK_NANOS) {
            lookedAt = System.nanoTime();
            try {
                requireSameTopics();
                if (merge.expected() == expectedAtLook && sought.isEmpty()) {
                    seek();
                }
                expectedAtLook = merge.expected();
                answers(true, "");
            } catch (KafkaException | Failure.Retryable e) {
                answers(false, e.getMessage()); // nothing is proven; look again
            }
        }
    }

    private void answers(boolean doesAnswer, String message) {
        if (doesAnswer && isSilent) {
            log.info("lane {}: kafka answers again", lane.name());
        } else if (!doesAnswer && !isSilent) {
            log.warn("lane {}: {}; waiting", lane.name(), message);
        }
        isSilent = !doesAnswer;
    }

    /** Begins to read every partition to its present end, whoever is ahead, if the number is known to have been there. */
    private void seek() {
        Optional<Checkpoint> checkpoint = CheckpointReader.read(config, lane.name());
        boolean acknowledged = checkpoint
                .filter(c -> c.epoch() > merge.epoch() || c.epoch() == merge.epoch() && c.seq() >= merge.expected())
                .isPresent();
        if (acknowledged) {
            proof = checkpoint.get();
            sought = consumer.endOffsets(partitions.keySet());
        }
    }

    private void requireSameTopics() {
        Map<String, TopicDescription> now = topics();
        topicIds.forEach((name, id) -> {
            TopicDescription topic = now.get(name);
            if (topic == null && !mapped(config, lane).contains(name)) {
                return; // its table has left the lane, and the topic was cleared away
            }
            if (topic == null || !topic.topicId().toString().equals(id)) {
                throw deleted(name, topic == null ? "" : " and made anew");
            }
            long known = partitions.keySet().stream().filter(p -> p.topic().equals(name)).count();
            if (topic.partitions().size() != known) {
                morePartitions = name;
            }
        });
    }

    private String missing(Checkpoint checkpoint) {
        List<String> truncated = new ArrayList<>();
        consumer.beginningOffsets(partitions.keySet()).forEach((partition, beginning) -> {
            if (beginning > 0) {
                truncated.add("%s begins at offset %d".formatted(partition, beginning));
            }
        });
        return ("record %d of epoch %d is missing: capture's checkpoint says that the brokers had it (seq %d of epoch %d), and"
                        + " all partitions were read to their ends%s")
                .formatted(
                        merge.expected(),
                        merge.epoch(),
                        checkpoint.seq(),
                        checkpoint.epoch(),
                        truncated.isEmpty()
                                ? ""
                                : "; retention or an operator has truncated: " + String.join(", ", truncated));
    }

    /** @throws Failure.Retryable if a topic has got more partitions; the next run reads them too */
    void requireSamePartitions() {
        if (morePartitions != null) {
            throw new Failure.Retryable("kafka: topic '%s' has more partitions now".formatted(morePartitions), null);
        }
    }

    /** Shows the group's tools how far the lane is; failures do not matter. */
    void showProgress(Map<TopicPartition, Long> offsets) {
        if (System.nanoTime() - groupAt > GROUP_NANOS) {
            groupAt = System.nanoTime();
            Map<TopicPartition, OffsetAndMetadata> shown = new HashMap<>();
            offsets.forEach((partition, next) -> shown.put(partition, new OffsetAndMetadata(next)));
            consumer.commitAsync(shown, (done, failure) -> {
                if (failure != null) {
                    log.debug("group offsets: {}", failure.getMessage());
                }
            });
        }
    }

    @Override
    public void close() {
        if (consumer != null) {
            consumer.close(CloseOptions.timeout(Duration.ofSeconds(1)));
        }
        admin.close(Duration.ofSeconds(1));
    }
}
