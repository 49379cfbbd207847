package dev.sluice.config;

import dev.sluice.schemas.TopicNames;
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
        ApplyConfig apply) {

    /** The lane's name in the target, where several pipelines may meet. */
    public String nameInTarget(LaneConfig lane) {
        return name + "." + lane.name();
    }

    public TopicNames topics() {
        return new TopicNames(kafka.topicPrefix());
    }
}
