package dev.sluice.capture;

import dev.sluice.config.KafkaClients;
import dev.sluice.config.KafkaConfig;
import dev.sluice.process.Failpoints;
import dev.sluice.schemas.Failure;
import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Sends the lane's records to Kafka.
 *
 * <p>Delivery: idempotent and acknowledged by all in-sync replicas. Nothing is known to be delivered until
 * {@link #awaitAcknowledged} has returned; after one failure every further call fails.
 *
 * <p>Threads: one, beside the producer's own, which calls back, and {@code capture-send}.
 */
final class ChangePublisher implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(ChangePublisher.class);
    private static final long REPORT_AFTER_NANOS = Duration.ofSeconds(3).toNanos();

    /** Beside the largest record. */
    private static final long BUFFER_BYTES = Math.min(32L << 20, Runtime.getRuntime().maxMemory() / 16);

    private final KafkaProducer<byte[], byte[]> producer;
    private final int maxRecordBytes;
    private final AtomicReference<Refusal> failed = new AtomicReference<>();
    private final Object acknowledgement = new Object();
    private final AtomicBoolean isSending = new AtomicBoolean();
    /** For {@link KafkaProducer#flush}, which waits for the brokers. */
    private final ExecutorService sender;
    private long sent;
    private volatile long acknowledged;

    /** Why a record was not delivered, and which; not the record itself, which would be kept until it is acknowledged. */
    private record Refusal(String topic, byte[] key, int bytes, Exception reason) {}

    ChangePublisher(KafkaConfig kafka, String lane) {
        Properties settings = KafkaClients.base(kafka, "sluice-changes-" + lane);
        settings.put(ProducerConfig.ACKS_CONFIG, "all");
        settings.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, "true");
        settings.put(ProducerConfig.COMPRESSION_TYPE_CONFIG, "lz4");
        settings.put(ProducerConfig.LINGER_MS_CONFIG, "20");
        settings.put(ProducerConfig.BATCH_SIZE_CONFIG, "131072");
        settings.put(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, Integer.toString(kafka.maxRecordBytes()));
        settings.put(
                ProducerConfig.BUFFER_MEMORY_CONFIG, Long.toString(BUFFER_BYTES + kafka.maxRecordBytes()));
        producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
        maxRecordBytes = kafka.maxRecordBytes();
        sender = Executors.newSingleThreadExecutor(work -> {
            Thread named = new Thread(work, "capture-send");
            named.setDaemon(true);
            return named;
        });
    }

    /** Hands one record over; blocks while the producer's buffer is full. */
    void publish(ProducerRecord<byte[], byte[]> record) {
        throwIfFailed();
        try {
            sent++;
            requireFits(record, producer.send(record, acknowledgement(record)));
        } catch (InterruptException e) {
            throw e;
        } catch (KafkaException e) {
            throw failure(e);
        }
        Failpoints.reach("capture.after-produce");
    }

    /** The producer refuses a record that is too large at once. */
    private void requireFits(ProducerRecord<byte[], byte[]> record, Future<RecordMetadata> result) {
        if (result.isDone() && failed.get() != null && failed.get().reason() instanceof RecordTooLargeException e) {
            throw LargeChange.refused(record, maxRecordBytes, e);
        }
    }

    private Callback acknowledgement(ProducerRecord<byte[], byte[]> record) {
        String topic = record.topic();
        byte[] key = record.key();
        int bytes = record.value() == null ? 0 : record.value().length;
        return (metadata, failure) -> {
            if (failure != null) {
                failed.compareAndSet(null, new Refusal(topic, key, bytes, failure));
            }
            acknowledge();
        };
    }

    private void acknowledge() {
        synchronized (acknowledgement) {
            acknowledged++;
            acknowledgement.notifyAll();
        }
    }

    /**
     * Sends what lingers for more, at the end of what has arrived together. A request for each record, or one every
     * millisecond, would cost the brokers more than the records do.
     */
    void send() {
        if (isSending.compareAndSet(false, true)) {
            sender.execute(() -> {
                isSending.set(false);
                try {
                    producer.flush();
                } catch (InterruptException e) {
                    log.debug("closed while sending", e);
                }
            });
        }
    }

    /** Returns when the brokers have everything published so far. */
    void awaitAcknowledged() throws InterruptedException {
        send();
        long started = System.nanoTime();
        long reported = started;
        synchronized (acknowledgement) {
            while (acknowledged < sent) {
                acknowledgement.wait(500);
                long now = System.nanoTime();
                if (now - reported > REPORT_AFTER_NANOS) {
                    reported = now;
                    log.warn(
                            "kafka: waiting {} s for the brokers to acknowledge {} records",
                            Duration.ofNanos(now - started).toSeconds(),
                            sent - acknowledged);
                }
            }
        }
        throwIfFailed();
    }

    private void throwIfFailed() {
        Refusal refusal = failed.get();
        if (refusal != null && refusal.reason() instanceof RecordTooLargeException e) {
            throw LargeChange.refusedByBroker(refusal.topic(), refusal.key(), refusal.bytes(), e);
        }
        if (refusal != null) {
            throw failure(refusal.reason());
        }
    }

    private static Failure failure(Exception e) {
        return new Failure.Retryable("kafka: publishing changes: " + e.getMessage(), e);
    }

    @Override
    public void close() {
        sender.shutdownNow();
        producer.close(Duration.ofSeconds(2));
    }
}
