package dev.sluice.apply;

import dev.sluice.config.PipelineConfig;
import dev.sluice.process.LaneThreads;
import dev.sluice.process.Processes;
import dev.sluice.process.RecordHeap;
import dev.sluice.process.StopSignal;
import dev.sluice.schemas.Stop;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Runs cdc-apply. Exit codes: {@link Stop}. */
@Command(
        name = "apply",
        description = "Writes the changes from Kafka to the target, until it is stopped.",
        mixinStandardHelpOptions = true)
public final class ApplyMain implements Callable<Integer> {
    @Option(
            names = {"-c", "--config"},
            paramLabel = "FILE",
            defaultValue = "pipeline.yml",
            description = "The pipeline's configuration (default: ${DEFAULT-VALUE}).")
    private Path file;

    public static void main(String[] arguments) {
        System.exit(new CommandLine(new ApplyMain()).execute(arguments));
    }

    @Override
    public Integer call() {
        ApplyStats stats = new ApplyStats();
        return Processes.run("apply", file, (config, stop) -> {
            try (StatsLog log = StatsLog.every10Seconds(stats)) {
                return run(config, stop, stats);
            }
        });
    }

    /**
     * Runs every lane until {@code stop} is requested and everything in hand is drained.
     *
     * @param stats filled as the lanes apply
     * @throws dev.sluice.schemas.Failure.Fatal if a person is needed
     */
    public static Stop run(PipelineConfig config, StopSignal stop, ApplyStats stats) {
        RecordHeap.require(config.kafka());
        LaneThreads.run(config, "apply", stop, lane -> new ApplyLane(config, lane, stop, stats).run());
        return Stop.CLEAN;
    }
}
