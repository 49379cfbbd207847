package dev.sluice.capture;

import dev.sluice.config.Databases;
import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.Checkpoint;
import dev.sluice.schemas.ControlRecord;
import dev.sluice.schemas.Failure;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes a heartbeat marker into the source's WAL at every interval, and looks every few seconds at what Debezium does
 * not notice or notices too late: slot given up, publication changed, topic deleted.
 *
 * <p>The heartbeat lets the slot move while nobody writes to the lane's tables, and measures lag then.
 *
 * <p>Threads: one of its own, {@code capture-watch}.
 */
final class SourceWatch implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(SourceWatch.class);
    private static final Duration LOOK_EVERY = Duration.ofSeconds(5);

    private final PipelineConfig config;
    private final ReplicationSlot slot;
    private final Publication publication;
    private final Topics topics;
    private final Checkpoint checkpoint;
    private final Consumer<RuntimeException> onFailure;
    private final ScheduledExecutorService thread = Executors.newSingleThreadScheduledExecutor(work -> {
        Thread named = new Thread(work, "capture-watch");
        named.setDaemon(true);
        return named;
    });
    private Connection connection;
    private long lookedAt = System.nanoTime();

    SourceWatch(
            PipelineConfig config,
            ReplicationSlot slot,
            Publication publication,
            Topics topics,
            Checkpoint checkpoint,
            Consumer<RuntimeException> onFailure) {
        this.config = config;
        this.slot = slot;
        this.publication = publication;
        this.topics = topics;
        this.checkpoint = checkpoint;
        this.onFailure = onFailure;
        long every = config.capture().heartbeatInterval().toMillis();
        thread.scheduleWithFixedDelay(this::beat, 0, every, TimeUnit.MILLISECONDS);
    }

    private void beat() {
        try {
            if (connection == null) {
                connection = Databases.connect(config.source(), "sluice-capture watch");
            }
            try (PreparedStatement emit =
                    connection.prepareStatement("SELECT pg_catalog.pg_logical_emit_message(true, ?, ?)")) {
                emit.setString(1, ControlRecord.MARKER_PREFIX);
                emit.setString(2, "{\"kind\":\"heartbeat\",\"at\":\"" + Instant.now() + "\"}");
                emit.execute();
            }
            if (System.nanoTime() - lookedAt >= LOOK_EVERY.toNanos()) {
                lookedAt = System.nanoTime();
                slot.require(connection);
                publication.requireComplete(connection, checkpoint.tables());
                topics.requireSame(checkpoint.topicIds());
            }
        } catch (SQLException e) {
            log.debug("heartbeat: {}", e.getMessage()); // the stream breaks with the same cause and says it
            close(connection);
            connection = null;
        } catch (Failure.Retryable e) {
            log.debug("watch: {}", e.getMessage()); // Kafka is away; publishing says it
        } catch (RuntimeException e) {
            onFailure.accept(e);
        }
    }

    private static void close(Connection connection) {
        if (connection != null) {
            try {
                connection.close();
            } catch (SQLException e) {
                log.debug("closing: {}", e.getMessage());
            }
        }
    }

    @Override
    public void close() {
        thread.shutdownNow();
        try {
            thread.awaitTermination(2, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        close(connection);
    }
}
