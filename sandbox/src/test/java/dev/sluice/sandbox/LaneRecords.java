package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.sluice.schemas.Headers;
import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.TopicNames;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Everything that stands on a broker's topics, read as any consumer would: each partition in its order, every record as
 * often as it was produced. There is one pipeline with one lane on the broker.
 */
record LaneRecords(TopicNames topics, Map<TopicPartition, List<LaneRecords.Produced>> partitions) {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** A record's place in its lane. */
    record Place(long epoch, long seq) implements Comparable<Place> {
        @Override
        public int compareTo(Place other) {
            return epoch != other.epoch ? Long.compare(epoch, other.epoch) : Long.compare(seq, other.seq);
        }
    }

    /** One record; {@code headers} by name. */
    record Produced(ConsumerRecord<byte[], byte[]> kafka, Map<String, String> headers) {
        Place place() {
            return new Place(Long.parseLong(headers.get(Headers.EPOCH)), Long.parseLong(headers.get(Headers.SEQ)));
        }

        boolean endsTransaction() {
            return headers.containsKey(Headers.END);
        }

        Lsn end() {
            return Lsn.parse(headers.get(Headers.END));
        }

        String xid() {
            return headers.get(Headers.XID);
        }

        String topic() {
            return kafka.topic();
        }

        boolean hasKey() {
            return kafka.key() != null;
        }

        String key() {
            return text(kafka.key());
        }

        JsonNode value() {
            return json(text(kafka.value()));
        }

        /** All that two records of one number must share. */
        List<String> content() {
            return List.of(topic(), String.valueOf(kafka.partition()), key(), text(kafka.value()), headers.toString());
        }

        @Override
        public String toString() {
            return "%s-%d@%d".formatted(topic(), kafka.partition(), kafka.offset());
        }
    }

    static LaneRecords read(KafkaServer kafka, TopicNames topics) throws ExecutionException, InterruptedException {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", kafka.bootstrapServers());
        settings.put("isolation.level", "read_committed");
        Map<TopicPartition, List<Produced>> partitions = new LinkedHashMap<>();
        try (Admin admin = Admin.create(settings);
                KafkaConsumer<byte[], byte[]> consumer =
                        new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            admin.describeTopics(admin.listTopics().names().get()).allTopicNames().get().forEach((name, topic) ->
                    topic.partitions().forEach(p -> partitions.put(new TopicPartition(name, p.partition()), new ArrayList<>())));
            consumer.assign(partitions.keySet());
            consumer.seekToBeginning(partitions.keySet());
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions.keySet());
            while (ends.entrySet().stream().anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
                consumer.poll(Duration.ofMillis(200)).forEach(record -> partitions
                        .get(new TopicPartition(record.topic(), record.partition()))
                        .add(new Produced(record, headers(record))));
            }
        }
        return new LaneRecords(topics, partitions);
    }

    private static Map<String, String> headers(ConsumerRecord<byte[], byte[]> record) {
        Map<String, String> headers = new TreeMap<>();
        for (Header header : record.headers()) {
            assertThat(headers.put(header.key(), text(header.value()))).as("header %s twice", header.key()).isNull();
        }
        return headers;
    }

    /** Every change and control record, as often as it was produced. */
    Stream<Produced> all() {
        return partitions.entrySet().stream()
                .filter(partition -> !partition.getKey().topic().equals(topics.checkpoint()))
                .flatMap(partition -> partition.getValue().stream());
    }

    Stream<Produced> changes() {
        return all().filter(record -> !record.topic().equals(topics.control()));
    }

    Stream<Produced> control() {
        return all().filter(record -> record.topic().equals(topics.control()));
    }

    List<Produced> checkpoints() {
        return partitions.get(new TopicPartition(topics.checkpoint(), 0));
    }

    /** Every change and control record once, by epoch and number. */
    List<Produced> inOrder() {
        Map<Place, Produced> ordered = new TreeMap<>();
        all().forEach(record -> ordered.putIfAbsent(record.place(), record));
        return List.copyOf(ordered.values());
    }

    static JsonNode json(String text) {
        try {
            return JSON.readTree(text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String text(byte[] bytes) {
        return bytes == null ? "null" : new String(bytes, StandardCharsets.UTF_8);
    }
}
