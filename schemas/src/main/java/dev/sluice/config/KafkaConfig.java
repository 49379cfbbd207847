package dev.sluice.config;

import java.time.Duration;
import java.util.Map;

/**
 * @param partitions of each change topic made by Sluice; order does not depend on it
 * @param replicationFactor of topics made by Sluice; -1 leaves it to the broker
 * @param retention of change topics made by Sluice
 * @param maxRecordBytes largest record; also {@code max.message.bytes} of topics made by Sluice
 * @param properties further client properties, for every client
 */
public record KafkaConfig(
        String bootstrapServers,
        String topicPrefix,
        int partitions,
        int replicationFactor,
        Duration retention,
        int maxRecordBytes,
        Map<String, String> properties) {

    /** The most that {@code maxRecordBytes} may be: what was tried, with a heap of 5 GB. */
    public static final int LARGEST_RECORD_BYTES = 400 << 20;

    /** A dead letter is its record with headers that say why. */
    private static final int DEAD_LETTER_HEADER_BYTES = 64 << 10;

    /** {@code max.message.bytes} of dead-letter topics. */
    public int maxDeadLetterBytes() {
        return maxRecordBytes + DEAD_LETTER_HEADER_BYTES;
    }

    /** Of the properties the names only: a JAAS line among them holds a password. */
    @Override
    public String toString() {
        return "KafkaConfig[%s, topics %s.*, partitions %d, replication %d, retention %s, records up to %d bytes, properties %s]"
                .formatted(
                        bootstrapServers,
                        topicPrefix,
                        partitions,
                        replicationFactor,
                        retention,
                        maxRecordBytes,
                        properties.keySet());
    }
}
