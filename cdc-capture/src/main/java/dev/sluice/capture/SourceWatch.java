package dev.sluice.capture;

import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.Checkpoint;
import dev.sluice.schemas.ControlRecord;
import dev.sluice.schemas.Failure;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes a heartbeat marker into the source's WAL at every interval, and looks every few seconds at what Debezium does
 * not notice or notices too late: slot given up, publication changed, topic deleted, partitions attached or detached.
 *
 * <p>The heartbeat lets the slot move while nobody writes to the lane's tables, and measures lag then.
 *
 * <p>Threads: {@code capture-watch}, with the session of {@link SourceLock}.
 */
final class SourceWatch implements SourceLock.Watch {
    private static final Logger log = LoggerFactory.getLogger(SourceWatch.class);
    private static final Duration LOOK_EVERY = Duration.ofSeconds(5);

    private final ReplicationSlot slot;
    private final Publication publication;
    private final Topics topics;
    private final Checkpoint checkpoint;
    private final Partitions partitions;
    private final long beatNanos;
    private final String address;
    private final Consumer<RuntimeException> onFailure;
    private long beatAt = System.nanoTime() - Duration.ofDays(1).toNanos();
    private long lookedAt = System.nanoTime();

    /** @param onFailure told once what must end the run */
    SourceWatch(
            PipelineConfig config,
            ReplicationSlot slot,
            Publication publication,
            Topics topics,
            Checkpoint checkpoint,
            Partitions partitions,
            Consumer<RuntimeException> onFailure) {
        this.slot = slot;
        this.publication = publication;
        this.topics = topics;
        this.checkpoint = checkpoint;
        this.partitions = partitions;
        this.address = config.source().address();
        this.beatNanos = config.capture().heartbeatInterval().toNanos();
        this.onFailure = onFailure;
    }

    @Override
    public void look(Connection session) throws SQLException {
        try {
            if (System.nanoTime() - beatAt >= beatNanos) {
                beatAt = System.nanoTime();
                beat(session);
            }
            if (System.nanoTime() - lookedAt >= LOOK_EVERY.toNanos()) {
                lookedAt = System.nanoTime();
                slot.require(session);
                publication.requireSame(session, checkpoint);
                partitions.look(session);
                topics.requireSame(checkpoint.topicIds());
            }
        } catch (Failure.Retryable e) {
            log.debug("watch: {}", e.getMessage()); // Kafka is away; publishing says it
        } catch (RuntimeException e) {
            onFailure.accept(e);
        }
    }

    private static void beat(Connection session) throws SQLException {
        try (PreparedStatement emit =
                session.prepareStatement("SELECT pg_catalog.pg_logical_emit_message(true, ?, ?)")) {
            emit.setString(1, ControlRecord.MARKER_PREFIX);
            emit.setString(2, "{\"kind\":\"heartbeat\",\"at\":\"" + Instant.now() + "\"}");
            emit.execute();
        }
    }

    @Override
    public void lost(SQLException cause) {
        onFailure.accept(new Failure.Retryable(
                "source %s: the connection is lost: %s".formatted(address, cause.getMessage()), cause));
    }
}
