package dev.sluice.sandbox;

/**
 * A real Kafka broker that belongs to this program and can be broken by it: one node, KRaft, no automatic topics.
 *
 * <p>Threads: one at a time.
 */
public interface KafkaServer extends AutoCloseable {
    /** {@code host:port}, the same across restarts. */
    String bootstrapServers();

    /** Starts it again on the same data and the same port; returns when it takes requests. */
    void start();

    /** Stops it in order; its data stay. */
    void stop();

    /** Stops it and removes its data unless they were asked to be kept. */
    @Override
    void close();
}
