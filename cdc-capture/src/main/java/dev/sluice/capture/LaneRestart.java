package dev.sluice.capture;

import dev.sluice.config.Databases;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.Checkpoint;
import dev.sluice.schemas.CheckpointReader;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.Stop;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The source's and Kafka's part of starting a lane anew: another slot, and a checkpoint from which capture begins another
 * epoch, whatever became of the old ones. Topics stay; their old records belong to earlier epochs.
 *
 * <p>Order: the checkpoint comes before the slot, as at a lane's first start, so whatever is interrupted can be done again, and
 * a capture that is started in between begins an epoch that an applier with the old progress refuses as a hole.
 *
 * <p>Threads: one. As long as it is open no capture gets the lane.
 */
public final class LaneRestart implements AutoCloseable {
    private final PipelineConfig config;
    private final LaneConfig lane;
    private final ReplicationSlot slot;
    private final Connection source;

    /**
     * Where the lane begins.
     *
     * @param before an epoch that no record has: those of capture come after it, all older records before it
     * @param start everything that ends behind this position is sent
     */
    public record Beginning(long before, Lsn start) {}

    private LaneRestart(PipelineConfig config, LaneConfig lane, ReplicationSlot slot, Connection source) {
        this.config = config;
        this.lane = lane;
        this.slot = slot;
        this.source = source;
    }

    /**
     * Takes the lane.
     *
     * @throws Failure.Fatal if a capture has it, or the slot is somebody else's
     */
    public static LaneRestart open(PipelineConfig config, LaneConfig lane) {
        ReplicationSlot slot = new ReplicationSlot(config.source(), lane);
        Connection source = null;
        boolean isOpen = false;
        try {
            source = Databases.connect(config.source(), "sluice-recover " + lane.name());
            String holder = SourceLock.holder(source, lane, slot);
            if (!holder.isEmpty()) {
                throw new Failure.Fatal(
                        Stop.SETUP,
                        "lane %s: %s".formatted(lane.name(), holder),
                        "stop every capture of the lane first, standbys too");
            }
            requireOurs(config, lane, slot.read(source));
            isOpen = true;
            return new LaneRestart(config, lane, slot, source);
        } catch (SQLException e) {
            throw SourceFailures.translate(config.source(), "taking the lane", e);
        } finally {
            if (!isOpen) {
                close(source);
            }
        }
    }

    private static void requireOurs(PipelineConfig config, LaneConfig lane, Optional<ReplicationSlot.State> found) {
        found.filter(state -> !state.plugin().equals("pgoutput") || !state.database().equals(config.source().database()))
                .ifPresent(state -> {
                    throw new Failure.Fatal(
                            Stop.SETUP,
                            "replication slot '%s' belongs to database '%s' and plugin '%s', so it is somebody else's"
                                    .formatted(lane.slot(), state.database(), state.plugin()),
                            "give the lane another slot name in the configuration (lanes[].slot)");
                });
    }

    /** What is there of the slot, for a person. */
    public String slot() {
        try {
            return slot.read(source)
                    .map(state -> state.lost().isEmpty()
                            ? "is there and stands at " + state.confirmed()
                            : "was given up by the server (%s)".formatted(state.lost()))
                    .orElse("is missing");
        } catch (SQLException e) {
            throw SourceFailures.translate(config.source(), "looking at the slot", e);
        }
    }

    /**
     * Drops the slot if it is there, saves the checkpoint, makes the slot. Making it waits for the transactions that are open at
     * the source.
     *
     * @param applied the epoch of the target's progress, 0 if it has none
     */
    public Beginning begin(long applied) {
        try (Topics topics = new Topics(config)) {
            topics.createCheckpointTopic();
            try (Checkpoints checkpoints = Checkpoints.open(config, lane.name())) {
                long known = CheckpointReader.read(config, lane.name()).map(Checkpoint::epoch).orElse(0L);
                // one more than any that was ever used: the target's progress stands in it, before the first record
                long before = Math.max(Instant.now().getEpochSecond(), Math.max(known, applied) + 1);
                dropSlot();
                checkpoints.save(beginning(before));
                return new Beginning(before, slot.create(source));
            }
        } catch (SQLException e) {
            throw SourceFailures.translate(config.source(), "starting the lane anew", e);
        }
    }

    private void dropSlot() throws SQLException {
        if (slot.read(source).isPresent()) {
            try (PreparedStatement drop = source.prepareStatement("SELECT pg_catalog.pg_drop_replication_slot(?)")) {
                drop.setString(1, lane.slot());
                drop.execute();
            }
        }
    }

    /** As a lane's very first start notes it, but for the epoch. */
    private Checkpoint beginning(long epoch) throws SQLException {
        ReplicationSlot.Cluster cluster = ReplicationSlot.cluster(source);
        return new Checkpoint(
                Checkpoint.State.STARTING,
                epoch,
                0,
                Lsn.ZERO,
                cluster.systemIdentifier(),
                cluster.timeline(),
                List.of(),
                Map.of(),
                Map.of());
    }

    @Override
    public void close() {
        close(source);
    }

    private static void close(Connection source) {
        try {
            if (source != null) {
                source.close();
            }
        } catch (SQLException e) {
            // the lock is gone with the connection
            return;
        }
    }
}
