package dev.sluice.reconciler;

import dev.sluice.config.KafkaClients;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.ControlRecord;
import dev.sluice.schemas.Headers;
import dev.sluice.schemas.TableId;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Follows the lane's topics and tells of each pair of snapshots which rows are {@link InFlight}: those of events that one of them
 * has and the other has not.
 *
 * <p>It reads forward only. An event is kept until a pair was met of which both sides have it: both then have it for good. So what is
 * kept is what lies between the two databases. A pair is answered when everything up to the marker that was written behind its
 * source's snapshot, and everything that its target has, has been read; the lane's numbers have no gaps, so that is known.
 *
 * <p>Memory: some 200 bytes for each event that one side lacks, {@value #MOST} events at most.
 *
 * <p>Threads: one.
 */
final class TouchLog implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofSeconds(10);

    /**
     * Records before the target's position that are read too, per partition: a transaction that waits for a standby's answer is in the
     * stream, and may be in the target, before anybody sees it at the source.
     */
    private static final long BACK = 1_000;

    /** Events kept at most. */
    private static final int MOST = 1_000_000;

    private static final int MARKERS = 1_000;

    private final PipelineConfig config;
    private final byte[] laneName;
    private final Map<String, TableId> tables = new HashMap<>();
    private final Listener listener;
    private final KafkaConsumer<byte[], byte[]> consumer;

    /** What was read and is not on both sides yet, in no order. */
    private List<Touch> kept = new ArrayList<>();

    /** The latest markers of verifications, with their numbers. */
    private final Map<String, Long> markers = new LinkedHashMap<>() {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Long> eldest) {
            return size() > MARKERS;
        }
    };

    /** Topics of former tables that are not there any more. */
    private final Set<String> gone = new HashSet<>();

    private Optional<Start> start;
    private boolean isFollowing;
    private long epoch;
    /** Of the target of the pair before. */
    private long appliedBefore;
    /** All numbers up to it have been read, or had been applied when the reading began. */
    private long readTo;
    /** Where that was. */
    private long begunBehind;
    /** Those behind it that have been read: bit 0 is {@code readTo + 1}. */
    private BitSet ahead = new BitSet();
    /** A record of a later numbering has been met. */
    private boolean isOver;
    /** Partitions that were not read from their beginning, and the transaction of the first record that was met there. */
    private final Map<TopicPartition, Optional<Long>> firstXids = new HashMap<>();

    /** Is told what the log reads. */
    interface Listener {
        Listener NONE = new Listener() {
            @Override
            public void touched(Touch touch) {}

            @Override
            public void gap() {}
        };

        /** Of every event behind the place where reading began, as it is read: in no order, of some more than once. */
        void touched(Touch touch);

        /** There are events that it was not told of, and will not be. */
        void gap();
    }

    /** Where reading may begin: behind number {@code seq}, at these offsets. */
    record Start(long epoch, long seq, Map<TopicPartition, Long> offsets) {}

    /** It cannot be told what is in flight. */
    static final class Unknown extends Exception {
        private static final long serialVersionUID = 1L;

        Unknown(String reason) {
            super(reason);
        }
    }

    /** @param start where to begin, if it is in the numbering of the first pair, and no more than {@value #MOST} records behind it */
    TouchLog(PipelineConfig config, LaneConfig lane, Listener listener, Optional<Start> start) {
        this.config = config;
        this.start = start;
        this.laneName = Headers.text(lane.name());
        this.listener = listener;
        lane.tables().forEach(table -> tables.put(config.topics().change(table.source()), table.source()));
        Properties settings = KafkaClients.reader(config.kafka(), "sluice-verify-" + lane.name());
        settings.put(ConsumerConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, "10000");
        settings.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, "2000");
        settings.put(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG, "50"); // a fetch that waits would hold up a seek
        consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    /**
     * What is in flight between the two snapshots of {@code pair}.
     *
     * @throws Unknown if the topics do not say
     */
    InFlight between(SnapshotPair pair) throws Unknown {
        if (pair.epoch() == 0) {
            throw new Unknown("nothing was ever applied");
        }
        if (!pair.isBeyond()) {
            throw new Unknown("the lane's numbering has begun anew, and repeats what the target has");
        }
        try {
            boolean isOther = pair.epoch() != epoch || pair.seq() < appliedBefore;
            if (!isFollowing || isOther || !consumer.assignment().containsAll(offsets(pair).keySet())) {
                begin(pair);
            }
            readTo(pair);
            return sort(pair);
        } catch (KafkaException | IllegalArgumentException e) {
            isFollowing = false;
            throw new Unknown("kafka: " + e.getMessage());
        }
    }

    /** Reads what there is, without a pair. */
    void follow(Duration most) {
        try {
            if (isFollowing) {
                poll(most);
            }
        } catch (KafkaException | IllegalArgumentException | Unknown e) {
            isFollowing = false; // with the next pair it begins anew, and says why it cannot
        }
    }

    boolean isFollowing() {
        return isFollowing;
    }

    /** Other servers may answer from now on: what both sides had before, they need not have. */
    void beginAnew() {
        isFollowing = false;
    }

    /** All numbers up to it have been read. */
    long readTo() {
        return readTo;
    }

    /**
     * Where another log may begin that is to be told of everything behind it, once everything up to it has been read: records that
     * stand before these offsets may have higher numbers than {@link #readTo}. Empty if it does not follow.
     */
    Optional<Start> position() {
        if (!isFollowing) {
            return Optional.empty();
        }
        Map<TopicPartition, Long> offsets = new HashMap<>();
        consumer.assignment().forEach(partition -> offsets.put(partition, consumer.position(partition)));
        return Optional.of(new Start(epoch, readTo + ahead.length(), offsets));
    }

    /** Goes back until everything before is known to be on both sides. */
    private void begin(SnapshotPair pair) throws Unknown {
        long toldTo = epoch == pair.epoch() && appliedBefore <= pair.seq() ? readTo : -1;
        List<TopicPartition> partitions = partitions(pair.offsets().keySet());
        consumer.assign(partitions);
        Map<TopicPartition, Long> beginnings = consumer.beginningOffsets(partitions);
        Optional<Start> given = start.filter(one -> isUsable(one, pair, beginnings));
        start = Optional.empty();
        long behind = given.map(Start::seq).orElse(pair.seq());
        if (given.isEmpty() && toldTo < behind) {
            listener.gap();
        }
        for (long back = BACK; back <= MOST; back *= 10) {
            Map<TopicPartition, Long> from = new HashMap<>();
            for (TopicPartition partition : partitions) {
                long offset = pair.offsets().getOrDefault(partition, 0L) - back;
                from.put(partition, Math.max(beginnings.get(partition), offset));
            }
            given.ifPresent(one -> partitions.forEach(partition -> from.merge(
                    partition, one.offsets().getOrDefault(partition, beginnings.get(partition)), Math::min)));
            begin(pair.epoch(), behind, from, beginnings);
            readTo(pair);
            if (firstXids.values().stream().allMatch(xid -> xid.isEmpty() || pair.sees(xid.get()))) {
                return;
            }
        }
        isFollowing = false;
        throw new Unknown("the database that is read as the source is too far behind it");
    }

    /** Whether all of its partitions are there from its offsets on, and it is not too far behind. */
    private static boolean isUsable(Start start, SnapshotPair pair, Map<TopicPartition, Long> beginnings) {
        return start.epoch() == pair.epoch()
                && start.seq() <= pair.seq()
                && pair.seq() - start.seq() <= MOST
                && start.offsets().entrySet().stream()
                        .allMatch(from -> beginnings.getOrDefault(from.getKey(), Long.MAX_VALUE) <= from.getValue());
    }

    private void begin(long numbering, long behind, Map<TopicPartition, Long> from, Map<TopicPartition, Long> beginnings) {
        kept.clear();
        ahead.clear();
        markers.clear();
        firstXids.clear();
        isOver = false;
        epoch = numbering;
        readTo = behind;
        begunBehind = behind;
        appliedBefore = behind;
        from.forEach((partition, offset) -> {
            consumer.seek(partition, offset);
            if (offset > beginnings.get(partition)) {
                firstXids.put(partition, Optional.empty());
            }
        });
        isFollowing = true;
    }

    private List<TopicPartition> partitions(Set<TopicPartition> known) throws Unknown {
        Set<String> topics = new TreeSet<>(tables.keySet());
        topics.add(config.topics().control());
        known.forEach(partition -> topics.add(partition.topic()));
        List<TopicPartition> partitions = new ArrayList<>();
        for (String topic : topics) {
            List<PartitionInfo> found = consumer.partitionsFor(topic);
            if (found == null || found.isEmpty()) {
                if (tables.containsKey(topic) || topic.equals(config.topics().control())) {
                    throw new Unknown("kafka has no topic " + topic);
                }
                gone.add(topic);
                continue;
            }
            found.forEach(info -> partitions.add(new TopicPartition(topic, info.partition())));
        }
        return partitions;
    }

    private void readTo(SnapshotPair pair) throws Unknown {
        long progressAt = System.nanoTime();
        while (!hasRead(pair)) {
            if (poll(Duration.ofMillis(100))) {
                progressAt = System.nanoTime();
            } else if (System.nanoTime() - progressAt > PATIENCE.toNanos()) {
                isFollowing &= readTo >= pair.seq(); // a number that the target has cannot come any more
                throw new Unknown("the stream does not get to where the source is: capture is down or far behind");
            }
        }
    }

    /** By offsets too: where it began in the midst, numbers do not tell of what comes before the target's. */
    private boolean hasRead(SnapshotPair pair) {
        return readTo >= Math.max(markers.getOrDefault(pair.fence(), Long.MAX_VALUE), pair.seq())
                && offsets(pair).entrySet().stream().allMatch(to -> consumer.position(to.getKey()) >= to.getValue());
    }

    /** Without topics of former tables that are gone. */
    private Map<TopicPartition, Long> offsets(SnapshotPair pair) {
        Map<TopicPartition, Long> offsets = new HashMap<>(pair.offsets());
        offsets.keySet().removeIf(partition -> gone.contains(partition.topic()));
        return offsets;
    }

    /** Whether there was something new of the lane. */
    private boolean poll(Duration most) throws Unknown {
        boolean isOwn = false;
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(most)) {
            isOwn |= take(record);
        }
        int run = ahead.nextClearBit(0);
        if (run > 0) {
            readTo += run;
            ahead = ahead.get(run, Math.max(run, ahead.length()));
        }
        if (isOver) {
            throw new Unknown("the lane's numbering begins anew");
        }
        if (kept.size() > MOST) {
            isFollowing = false;
            throw new Unknown("more than %,d changes are on one side only: the target is too far behind".formatted(MOST));
        }
        return isOwn;
    }

    /** Whether it is a record of the lane, in the numbering of the target. */
    private boolean take(ConsumerRecord<byte[], byte[]> record) {
        TableId table = tables.get(record.topic());
        boolean isControl = record.topic().equals(config.topics().control());
        Optional<byte[]> numbering = header(record, Headers.EPOCH);
        if (numbering.isEmpty() || isControl && !Arrays.equals(header(record, Headers.LANE).orElse(null), laneName)) {
            return false; // somebody else's
        }
        long itsEpoch = Headers.number(numbering.get());
        isOver |= itsEpoch > epoch;
        if (itsEpoch < epoch && table != null) {
            kept.add(touch(record, table, 0)); // if it was applied, the source may not show it yet
        }
        if (itsEpoch != epoch) {
            return false;
        }
        long seq = Headers.number(header(record, Headers.SEQ).orElse(null));
        if (seq > readTo) {
            ahead.set(Math.toIntExact(seq - readTo - 1));
        }
        if (isControl && ControlRecord.fromJson(record.value()) instanceof ControlRecord.Marker marker
                && marker.content().startsWith(SnapshotPair.FENCE)) {
            markers.put(marker.content(), seq);
        }
        if (table != null) {
            Touch touch = touch(record, table, seq);
            kept.add(touch);
            if (seq > begunBehind) {
                listener.touched(touch);
            }
        }
        return true;
    }

    private Touch touch(ConsumerRecord<byte[], byte[]> record, TableId table, long seq) {
        long xid = Headers.number(header(record, Headers.XID).orElse(null));
        TopicPartition partition = new TopicPartition(record.topic(), record.partition());
        firstXids.computeIfPresent(partition, (p, first) -> first.isPresent() ? first : Optional.of(xid));
        String oldKey = header(record, Headers.OLD_KEY).map(TouchLog::text).orElse("");
        return new Touch(seq, xid, table, record.key() == null ? "" : text(record.key()), oldKey);
    }

    /** Leaves out what both sides have. */
    private InFlight sort(SnapshotPair pair) {
        InFlight inFlight = new InFlight();
        List<Touch> rest = new ArrayList<>();
        for (Touch touch : kept) {
            boolean isApplied = touch.seq() <= pair.seq();
            boolean isVisible = pair.sees(touch.xid());
            if (isApplied ? !isVisible : pair.maySee(touch.xid())) {
                inFlight.add(touch);
            }
            if (!isApplied || !isVisible) {
                rest.add(touch);
            }
        }
        kept = rest;
        appliedBefore = pair.seq();
        return inFlight;
    }

    private static String text(byte[] json) {
        return new String(json, StandardCharsets.UTF_8);
    }

    private static Optional<byte[]> header(ConsumerRecord<byte[], byte[]> record, String name) {
        return Optional.ofNullable(record.headers().lastHeader(name)).map(Header::value);
    }

    @Override
    public void close() {
        consumer.close(CloseOptions.timeout(Duration.ofSeconds(1)));
    }
}
