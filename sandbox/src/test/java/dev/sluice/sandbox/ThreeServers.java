package dev.sluice.sandbox;

import dev.sluice.config.ApplyConfig;
import dev.sluice.config.CaptureConfig;
import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.KafkaConfig;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/** Source, target and broker that the tests of a class share; each test has databases and topics of its own. */
record ThreeServers(PostgresServer source, PostgresServer target, KafkaServer kafka) implements AutoCloseable {
    static final String LANE = "main";

    static ThreeServers start() {
        return new ThreeServers(Servers.postgres(), Servers.postgres(), Servers.kafka());
    }

    /** A pipeline between two new databases, both of its name. */
    InProcessPipeline pipeline(String name, List<TableMapping> tables) {
        TestDatabase from = TestDatabase.create(source, name);
        TestDatabase to = TestDatabase.create(target, name);
        return new InProcessPipeline(config(name, from.config("source"), to.config("target"), tables), from, to);
    }

    PipelineConfig config(String name, DatabaseConfig from, DatabaseConfig to, List<TableMapping> tables) {
        String slot = "sluice_" + name + "_" + LANE;
        return new PipelineConfig(
                name,
                from,
                to,
                new KafkaConfig(kafka.bootstrapServers(), name, 2, -1, Duration.ofDays(7), 16 << 20, Map.of()),
                List.of(new LaneConfig(LANE, slot, slot, true, tables)),
                new CaptureConfig(Duration.ofMillis(100), Duration.ofMillis(200), Duration.ofMillis(5)),
                new ApplyConfig(500, 8 << 20, Duration.ofMillis(2), Duration.ofMinutes(5), 100));
    }

    @Override
    public void close() {
        kafka.close();
        target.close();
        source.close();
    }
}
