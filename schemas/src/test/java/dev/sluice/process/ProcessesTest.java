package dev.sluice.process;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.BiFunction;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.helpers.NOPLogger;

class ProcessesTest {

    @TempDir
    private Path directory;

    @Test
    void theExitCodeIsTheAnswerOfTheWork() throws IOException {
        assertThat(exitCode((config, stop) -> Stop.CLEAN)).isZero();
        assertThat(exitCode((config, stop) -> Stop.DIFFERENT)).isEqualTo(3);
    }

    @Test
    void aFatalFailureGivesItsOwnExitCode() throws IOException {
        assertThat(exitCode((config, stop) -> {
                    throw new Failure.Fatal(Stop.OTHER_SERVER, "another cluster answers", "correct source.host");
                }))
                .isEqualTo(12);
    }

    @Test
    void anyOtherFailureExitsWithOneSoThatASupervisorRestarts() throws IOException {
        assertThat(exitCode((config, stop) -> {
                    throw new IllegalStateException("unexpected");
                }))
                .isEqualTo(1);
    }

    @Test
    void aWrongConfigurationNeverReachesTheWork() {
        int exitCode = Processes.run(
                NOPLogger.NOP_LOGGER, directory.resolve("none.yml"), Map.of(), new StopSignal(), (config, stop) -> {
                    throw new AssertionError("called");
                });

        assertThat(exitCode).isEqualTo(78);
    }

    private int exitCode(BiFunction<PipelineConfig, StopSignal, Stop> work) throws IOException {
        Path file = Files.writeString(
                directory.resolve("pipeline.yml"),
                """
                pipeline: shop
                source: {host: db1, database: monolith, user: sluice}
                target: {host: db2, database: orders, user: sluice}
                kafka: {bootstrapServers: "kafka:9092"}
                tables: [public.customers]
                """);
        return Processes.run(NOPLogger.NOP_LOGGER, file, Map.of(), new StopSignal(), work);
    }
}
