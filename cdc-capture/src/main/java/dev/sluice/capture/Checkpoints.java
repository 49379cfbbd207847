package dev.sluice.capture;

import dev.sluice.config.KafkaClients;
import dev.sluice.config.PipelineConfig;
import dev.sluice.process.Failpoints;
import dev.sluice.schemas.Checkpoint;
import dev.sluice.schemas.CheckpointReader;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Headers;
import java.time.Duration;
import java.util.Optional;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.InvalidTxnStateException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The lane's checkpoints: one record per lane in a compacted topic.
 *
 * <p>Each is written in a Kafka transaction of one record, for the fencing alone: once a newer capture has opened its
 * checkpoints, an older one that wakes up cannot write any more, and an old position can never cover a newer one.
 *
 * <p>Threads: one.
 */
final class Checkpoints implements AutoCloseable {
    private final PipelineConfig config;
    private final String lane;
    private final KafkaProducer<byte[], byte[]> producer;

    /** A newer capture has taken the lane. */
    static final class Fenced extends RuntimeException {
        private static final long serialVersionUID = 1L;

        Fenced(Throwable cause) {
            super("another capture has taken the lane over", cause);
        }
    }

    private Checkpoints(PipelineConfig config, String lane, KafkaProducer<byte[], byte[]> producer) {
        this.config = config;
        this.lane = lane;
        this.producer = producer;
    }

    /** Fences every older capture of the lane. */
    static Checkpoints open(PipelineConfig config, String lane) {
        Properties settings = KafkaClients.base(config.kafka(), "sluice-checkpoint-" + lane);
        settings.put(
                ProducerConfig.TRANSACTIONAL_ID_CONFIG, "sluice-%s-%s".formatted(config.kafka().topicPrefix(), lane));
        settings.put(ProducerConfig.ACKS_CONFIG, "all");
        settings.put(ProducerConfig.TRANSACTION_TIMEOUT_CONFIG, "30000");
        // a broker that is away is to be named soon, not after the default of a minute
        settings.put(ProducerConfig.MAX_BLOCK_MS_CONFIG, "10000");
        settings.put(ProducerConfig.LINGER_MS_CONFIG, "0");
        settings.put(ProducerConfig.BUFFER_MEMORY_CONFIG, "2097152");
        KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
        try {
            producer.initTransactions();
            return new Checkpoints(config, lane, producer);
        } catch (KafkaException e) {
            producer.close(Duration.ZERO);
            throw new Failure.Retryable("kafka: opening the checkpoints: " + e.getMessage(), e);
        }
    }

    Optional<Checkpoint> load() {
        return CheckpointReader.read(config, lane);
    }

    /**
     * Returns when the brokers have the checkpoint.
     *
     * @throws Fenced if a newer capture has taken the lane
     */
    void save(Checkpoint checkpoint) {
        Failpoints.reach("capture.before-checkpoint");
        try {
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(config.topics().checkpoint(), Headers.text(lane), checkpoint.toJson()));
            producer.commitTransaction();
        } catch (KafkaException e) {
            if (isFencing(e) || isFencing(e.getCause())) {
                throw new Fenced(e);
            }
            throw new Failure.Retryable("kafka: saving a checkpoint: " + e.getMessage(), e);
        }
        Failpoints.reach("capture.after-checkpoint");
    }

    /** An older producer learns of a newer one in several ways, depending on what it was doing. */
    private static boolean isFencing(Throwable e) {
        return e instanceof ProducerFencedException
                || e instanceof InvalidProducerEpochException
                || e instanceof InvalidTxnStateException;
    }

    @Override
    public void close() {
        producer.close(Duration.ofSeconds(2));
    }
}
