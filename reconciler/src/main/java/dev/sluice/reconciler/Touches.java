package dev.sluice.reconciler;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
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
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
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
 * Which rows have changes that one snapshot of a pair has and the other has not: these are in flight and say nothing. Every other
 * row must be the same on both sides, whatever goes on in both databases.
 *
 * <p>Read from the lane's topics: everything behind the target's position up to a marker that was written after the source's
 * snapshot was taken. The lane's numbers have no gaps, so it is known when everything has been read.
 *
 * <p>Threads: one.
 */
final class Touches {
    private static final Duration PATIENCE = Duration.ofSeconds(10);

    /** Records before the target's position that are looked at too, per partition: their transactions may not be visible yet. */
    private static final long BACK = 1_000;

    private static final ObjectMapper JSON = new ObjectMapper();

    /** In flight, by source table: keys as JSON objects of texts; a table may be in flight as a whole. */
    private final Map<TableId, Set<Map<String, String>>> keys = new HashMap<>();
    private final Set<TableId> whole = new HashSet<>();

    /** It cannot be told what is in flight. */
    static final class Unknown extends Exception {
        private static final long serialVersionUID = 1L;

        Unknown(String reason) {
            super(reason);
        }
    }

    private Touches() {}

    /** Reads the lane's topics, time and again. */
    static final class Reader implements AutoCloseable {
        private final PipelineConfig config;
        private final LaneConfig lane;
        private final KafkaConsumer<byte[], byte[]> consumer;

        Reader(PipelineConfig config, LaneConfig lane) {
            this.config = config;
            this.lane = lane;
            Properties settings = KafkaClients.base(config.kafka(), "sluice-verify-" + lane.name());
            settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "none");
            settings.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, "false");
            settings.put(ConsumerConfig.ALLOW_AUTO_CREATE_TOPICS_CONFIG, "false");
            settings.put(ConsumerConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, "10000");
            settings.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, "2000");
            settings.put(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG, "20"); // a fetch that waits would hold up the next reading
            consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        }

        /** @throws Unknown if the topics do not say */
        Touches read(SnapshotPair pair) throws Unknown {
            if (pair.epoch() == 0) {
                throw new Unknown("nothing was ever applied");
            }
            try {
                Reading reading = new Reading(config, lane, pair);
                reading.assign(consumer);
                reading.run(consumer);
                return reading.touches;
            } catch (KafkaException | IllegalArgumentException e) {
                throw new Unknown("kafka: " + e.getMessage());
            }
        }

        @Override
        public void close() {
            consumer.close(CloseOptions.timeout(Duration.ofSeconds(1)));
        }
    }

    /** The keys of a table that are in flight, by column. */
    Set<Map<String, String>> keys(TableId table) {
        return keys.getOrDefault(table, Set.of());
    }

    /** A row of the table is in flight, and nobody knows which: it was truncated, or has no key. */
    boolean isWhole(TableId table) {
        return whole.contains(table);
    }

    /** One way through the topics. */
    private static final class Reading {
        private final PipelineConfig config;
        private final SnapshotPair pair;
        private final byte[] lane;
        private final Map<String, TableId> tables = new HashMap<>();
        private final Touches touches = new Touches();
        /** Of the numbers behind the target's, those that were read. */
        private final BitSet seen = new BitSet();
        private long fence = -1;

        Reading(PipelineConfig config, LaneConfig lane, SnapshotPair pair) {
            this.config = config;
            this.pair = pair;
            this.lane = Headers.text(lane.name());
            lane.tables().forEach(table -> tables.put(config.topics().change(table.source()), table.source()));
        }

        void assign(KafkaConsumer<byte[], byte[]> consumer) throws Unknown {
            Set<String> topics = new TreeSet<>(tables.keySet());
            topics.add(config.topics().control());
            pair.offsets().keySet().forEach(partition -> topics.add(partition.topic()));
            Collection<TopicPartition> partitions = new ArrayList<>();
            for (String topic : topics) {
                List<PartitionInfo> found = consumer.partitionsFor(topic);
                if (found == null || found.isEmpty()) {
                    throw new Unknown("kafka has no topic " + topic);
                }
                found.forEach(info -> partitions.add(new TopicPartition(topic, info.partition())));
            }
            consumer.assign(partitions);
            consumer.beginningOffsets(partitions).forEach((partition, beginning) ->
                    consumer.seek(partition, Math.max(beginning, pair.offsets().getOrDefault(partition, 0L) - BACK)));
        }

        void run(KafkaConsumer<byte[], byte[]> consumer) throws Unknown {
            long progressAt = System.nanoTime();
            while (fence < 0 || seen.cardinality() < fence - pair.seq()) {
                int before = seen.cardinality();
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                    take(record);
                }
                if (seen.cardinality() > before) {
                    progressAt = System.nanoTime();
                } else if (System.nanoTime() - progressAt > PATIENCE.toNanos()) {
                    throw new Unknown("the stream does not get to where the source is: capture is down or far behind");
                }
            }
        }

        private void take(ConsumerRecord<byte[], byte[]> record) throws Unknown {
            TableId table = tables.get(record.topic());
            boolean isControl = record.topic().equals(config.topics().control());
            Optional<byte[]> epoch = header(record, Headers.EPOCH);
            if (epoch.isEmpty() || isControl && !Arrays.equals(header(record, Headers.LANE).orElse(null), lane)) {
                return; // somebody else's
            }
            if (Headers.number(epoch.get()) > pair.epoch()) {
                throw new Unknown("the lane's numbering begins anew");
            }
            if (Headers.number(epoch.get()) < pair.epoch()) {
                return;
            }
            long seq = Headers.number(header(record, Headers.SEQ).orElse(null));
            boolean isApplied = seq <= pair.seq();
            if (isControl && ControlRecord.fromJson(record.value()) instanceof ControlRecord.Marker marker
                    && marker.content().equals(pair.fence())) {
                fence = seq;
            }
            if (!isApplied && (fence < 0 || seq <= fence)) {
                seen.set(Math.toIntExact(seq - pair.seq() - 1));
            }
            boolean isVisible = pair.snapshot().sees(Headers.number(header(record, Headers.XID).orElse(null)));
            if (table != null && isVisible != isApplied) {
                touch(table, record);
            }
            if (fence == seq) {
                seen.clear(Math.toIntExact(fence - pair.seq()), seen.length() + 1);
            }
        }

        private void touch(TableId table, ConsumerRecord<byte[], byte[]> record) {
            if (record.key() == null) {
                touches.whole.add(table);
                return;
            }
            Set<Map<String, String>> of = touches.keys.computeIfAbsent(table, t -> new HashSet<>());
            of.add(key(record.key()));
            header(record, Headers.OLD_KEY).ifPresent(old -> of.add(key(old)));
        }

        private static Map<String, String> key(byte[] json) {
            try {
                Map<String, String> key = new HashMap<>();
                JsonNode node = JSON.readTree(new String(json, StandardCharsets.UTF_8));
                node.properties().forEach(field ->
                        key.put(field.getKey(), field.getValue().isNull() ? null : field.getValue().asText()));
                return key;
            } catch (JsonProcessingException e) {
                throw new IllegalArgumentException("a key is no JSON", e);
            }
        }

        private static Optional<byte[]> header(ConsumerRecord<byte[], byte[]> record, String name) {
            return Optional.ofNullable(record.headers().lastHeader(name)).map(Header::value);
        }
    }
}
