package dev.sluice.capture;

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

/** Runs cdc-capture. Exit codes: {@link Stop}. */
@Command(
        name = "capture",
        description = "Carries the source's changes to Kafka, until it is stopped.",
        mixinStandardHelpOptions = true)
public final class CaptureMain implements Callable<Integer> {
    @Option(
            names = {"-c", "--config"},
            paramLabel = "FILE",
            defaultValue = "pipeline.yml",
            description = "The pipeline's configuration (default: ${DEFAULT-VALUE}).")
    private Path file;

    public static void main(String[] arguments) {
        System.exit(new CommandLine(new CaptureMain()).execute(arguments));
    }

    @Override
    public Integer call() {
        return Processes.run("capture", file, CaptureMain::run);
    }

    /**
     * Runs every lane until {@code stop} is requested and everything in hand is drained.
     *
     * @throws dev.sluice.schemas.Failure.Fatal if a person is needed
     */
    public static Stop run(PipelineConfig config, StopSignal stop) {
        RecordHeap.require(config.kafka());
        LaneThreads.run(config, "capture", stop, lane -> new CaptureLane(config, lane, stop).run());
        return Stop.CLEAN;
    }
}
