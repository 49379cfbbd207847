package dev.sluice.config;

import dev.sluice.schemas.TopicNames;
import java.time.Duration;
import java.util.List;

/**
 * The pipeline as {@code pipeline.yml} and the environment give it; one that exists is valid.
 *
 * @param name names slots, publications and topics that are not named themselves
 */
public record PipelineConfig(
        String name,
        DatabaseConfig source,
        DatabaseConfig target,
        KafkaConfig kafka,
        List<LaneConfig> lanes,
        CaptureConfig capture,
        ApplyConfig apply,
        Backfill backfill,
        VerifyConfig verify) {

    /** What happens with rows that are there before the lane is. */
    public enum Backfill {
        /** Apply reads every table from the source that it has never read. */
        AUTO,
        /** They are read when somebody asks for it. */
        NONE
    }

    /** With nothing said about verifying. */
    public PipelineConfig(
            String name,
            DatabaseConfig source,
            DatabaseConfig target,
            KafkaConfig kafka,
            List<LaneConfig> lanes,
            CaptureConfig capture,
            ApplyConfig apply,
            Backfill backfill) {
        this(name, source, target, kafka, lanes, capture, apply, backfill, VerifyConfig.DEFAULT);
    }

    /** Without a backfill. */
    public PipelineConfig(
            String name,
            DatabaseConfig source,
            DatabaseConfig target,
            KafkaConfig kafka,
            List<LaneConfig> lanes,
            CaptureConfig capture,
            ApplyConfig apply) {
        this(name, source, target, kafka, lanes, capture, apply, Backfill.NONE);
    }

    /** The lane's name in the target, where several pipelines may meet. */
    public String nameInTarget(LaneConfig lane) {
        return name + "." + lane.name();
    }

    public PipelineConfig verifying(VerifyConfig otherwise) {
        return new PipelineConfig(name, source, target, kafka, lanes, capture, apply, backfill, otherwise);
    }

    public PipelineConfig verifyingEvery(Duration period) {
        return verifying(new VerifyConfig(
                period, verify.sharePercent(), verify.rowsPerSecond(), verify.pauseAboveSessions(), verify.standby(),
                verify.metricsPort(), verify.evidence()));
    }

    /** The database that is compared with the target: the source, or a standby of it. */
    public DatabaseConfig comparedSource() {
        return verify.standby().orElse(source);
    }

    public TopicNames topics() {
        return new TopicNames(kafka.topicPrefix());
    }
}
