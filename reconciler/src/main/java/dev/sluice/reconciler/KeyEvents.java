package dev.sluice.reconciler;

import dev.sluice.config.KafkaClients;
import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.TableId;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * The last events of some keys of a table, looked for at the end of its change topic: in {@value #BACK} records of each partition, and
 * for {@link #PATIENCE}. A TRUNCATE is an event of every key.
 *
 * @param byKey the last ones, {@value #KEPT} at most, in the order of the lane
 * @param looked where was looked, for a person
 */
record KeyEvents(Map<List<String>, List<KeyEvent>> byKey, String looked) {
    static final int KEPT = 3;
    private static final long BACK = 20_000;
    private static final Duration PATIENCE = Duration.ofSeconds(5);

    /** @param columns of the keys, in their order */
    static KeyEvents read(PipelineConfig config, TableId table, List<String> columns, Set<List<String>> keys) {
        Properties settings = KafkaClients.reader(config.kafka(), "sluice-verify-events");
        settings.put(ConsumerConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, Long.toString(PATIENCE.toMillis()));
        settings.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, "2000");
        try (Reading reading = new Reading(
                new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer()), columns, keys)) {
            return reading.run(config.topics().change(table));
        } catch (KafkaException | IllegalArgumentException | IllegalStateException e) {
            return new KeyEvents(Map.of(), "the topic could not be read (%s)".formatted(e.getClass().getSimpleName()));
        }
    }

    List<KeyEvent> of(List<String> key) {
        return byKey.getOrDefault(key, List.of());
    }

    /** One way to the end of the topic. */
    private static final class Reading implements AutoCloseable {
        private final KafkaConsumer<byte[], byte[]> consumer;
        private final List<String> columns;
        private final Set<List<String>> keys;
        private final Map<List<String>, List<KeyEvent>> found = new HashMap<>();

        Reading(KafkaConsumer<byte[], byte[]> consumer, List<String> columns, Set<List<String>> keys) {
            this.consumer = consumer;
            this.columns = columns;
            this.keys = keys;
        }

        KeyEvents run(String topic) {
            long deadline = System.nanoTime() + PATIENCE.toNanos();
            List<TopicPartition> partitions = new ArrayList<>();
            for (PartitionInfo info : consumer.partitionsFor(topic)) {
                partitions.add(new TopicPartition(topic, info.partition()));
            }
            consumer.assign(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            consumer.beginningOffsets(partitions).forEach((partition, beginning) ->
                    consumer.seek(partition, Math.max(beginning, ends.get(partition) - BACK)));
            boolean isRead = isAt(ends);
            while (!isRead && System.nanoTime() < deadline) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                    take(record);
                }
                isRead = isAt(ends);
            }
            String where = "among the last %,d records of each partition".formatted(BACK);
            return new KeyEvents(found, isRead ? where : where + ", as many as came within " + PATIENCE.toSeconds() + " s");
        }

        private boolean isAt(Map<TopicPartition, Long> ends) {
            return ends.entrySet().stream().allMatch(end -> consumer.position(end.getKey()) >= end.getValue());
        }

        private void take(ConsumerRecord<byte[], byte[]> record) {
            if (record.value() == null) {
                return;
            }
            try {
                if (record.key() == null) {
                    note(KeyEvent.of(record), keys);
                } else {
                    Optional<List<String>> key = InFlight.texts(new String(record.key(), StandardCharsets.UTF_8), columns);
                    if (key.isPresent() && keys.contains(key.get())) {
                        note(KeyEvent.of(record), List.of(key.get()));
                    }
                }
            } catch (IllegalArgumentException e) {
                return; // somebody else's record
            }
        }

        private void note(KeyEvent event, Collection<List<String>> of) {
            for (List<String> key : of) {
                List<KeyEvent> events = found.computeIfAbsent(key, k -> new ArrayList<>());
                if (!events.contains(event)) { // a capture that died has sent some twice
                    events.add(event);
                    events.sort(KeyEvent.IN_LANE_ORDER);
                }
                if (events.size() > KEPT) {
                    events.remove(0);
                }
            }
        }

        @Override
        public void close() {
            consumer.close(CloseOptions.timeout(Duration.ofSeconds(1)));
        }
    }
}
