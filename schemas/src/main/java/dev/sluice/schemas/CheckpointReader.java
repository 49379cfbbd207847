package dev.sluice.schemas;

import dev.sluice.config.KafkaClients;
import dev.sluice.config.PipelineConfig;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Reads a lane's last checkpoint. */
public final class CheckpointReader {
    private static final Duration DEADLINE = Duration.ofSeconds(10);

    private CheckpointReader() {}

    /**
     * The last committed checkpoint of the lane; empty if there has been none.
     *
     * @throws Failure.Retryable if Kafka does not answer in time
     */
    public static Optional<Checkpoint> read(PipelineConfig config, String lane) {
        Properties settings = KafkaClients.base(config.kafka(), "sluice-checkpoint-reader-" + lane);
        settings.put(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed");
        settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        settings.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, "false");
        settings.put(ConsumerConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, "5000");
        TopicPartition partition = new TopicPartition(config.topics().checkpoint(), 0);
        try (KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            Instant deadline = Instant.now().plus(DEADLINE);
            Checkpoint last = null;
            while (consumer.position(partition) < end) {
                if (Instant.now().isAfter(deadline)) {
                    throw new Failure.Retryable("kafka: the checkpoint topic was not read to its end in " + DEADLINE, null);
                }
                for (ConsumerRecord<byte[], byte[]> found : consumer.poll(Duration.ofMillis(200))) {
                    if (lane.equals(new String(found.key(), StandardCharsets.UTF_8))) {
                        last = Checkpoint.fromJson(found.value());
                    }
                }
            }
            return Optional.ofNullable(last);
        } catch (KafkaException e) {
            throw new Failure.Retryable("kafka: reading the checkpoint: " + e.getMessage(), e);
        }
    }
}
