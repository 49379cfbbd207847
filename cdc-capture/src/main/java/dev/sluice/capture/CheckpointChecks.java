package dev.sluice.capture;

import dev.sluice.config.Databases;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.process.Finding;
import dev.sluice.schemas.Checkpoint;
import dev.sluice.schemas.CheckpointReader;
import dev.sluice.schemas.Failure;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.kafka.common.KafkaException;

/**
 * Whether each lane can go on from its last checkpoint: same cluster, slot and publication as they were left, topics that
 * are still the same.
 *
 * <p>What capture would stop at is an error here; nothing is changed.
 */
public final class CheckpointChecks {
    private final PipelineConfig config;
    private final List<Finding> findings = new ArrayList<>();

    private CheckpointChecks(PipelineConfig config) {
        this.config = config;
    }

    /** A check that throws what is wrong. */
    private interface Check {
        void run() throws SQLException;
    }

    /**
     * Every finding, lane by lane; none if there is no connection to the source and no client of Kafka, which the other
     * checks say.
     */
    public static List<Finding> findings(PipelineConfig config) {
        CheckpointChecks checks = new CheckpointChecks(config);
        try (Topics topics = new Topics(config);
                Connection source = Databases.connect(config.source(), "sluice-check")) {
            for (LaneConfig lane : config.lanes()) {
                checks.finish(lane, topics, source);
            }
        } catch (SQLException | KafkaException e) {
            return checks.findings;
        }
        return checks.findings;
    }

    private void finish(LaneConfig lane, Topics topics, Connection source) {
        try {
            lane(lane, topics, source);
        } catch (SQLException | Failure.Retryable | KafkaException e) {
            findings.add(new Finding(
                    Finding.Level.ERROR,
                    (e instanceof SQLException ? "source" : "kafka") + " lane " + lane.name(),
                    "whether it can go on from its last checkpoint is not known: " + e.getMessage(),
                    "cure the other findings, and check again"));
        }
    }

    private void lane(LaneConfig lane, Topics topics, Connection source) throws SQLException {
        ReplicationSlot slot = new ReplicationSlot(config.source(), lane);
        // before the checkpoint, which a capture that runs saves before it makes or moves the slot
        Optional<ReplicationSlot.State> state = slot.read(source);
        Optional<Checkpoint> known =
                topics.hasCheckpointTopic() ? CheckpointReader.read(config, lane.name()) : Optional.empty();
        String slotSubject = "source slot " + lane.slot();
        if (known.isEmpty()) {
            check(slotSubject, () -> slot.requireUnused(state, config.topics().checkpoint()));
            return;
        }
        Checkpoint checkpoint = known.get();
        boolean isOurs = check(
                "source " + config.source().address(),
                () -> slot.requireSameCluster(checkpoint, ReplicationSlot.cluster(source)));
        if (isOurs && !CaptureLane.isFirstStart(checkpoint)) {
            check(slotSubject, () -> {
                slot.require(source);
                state.ifPresent(it -> slot.requireNotBeyond(it, checkpoint.position()));
            });
            check(
                    "source publication " + lane.publication(),
                    () -> new Publication(lane).requireSame(source, checkpoint));
            check("kafka lane " + lane.name(), () -> topics.requireSame(checkpoint.topicIds()));
        }
    }

    /** True if nothing was found. */
    private boolean check(String subject, Check check) throws SQLException {
        try {
            check.run();
            return true;
        } catch (Failure.Fatal e) {
            findings.add(new Finding(Finding.Level.ERROR, subject, e.getMessage(), e.remedy()));
            return false;
        }
    }
}
