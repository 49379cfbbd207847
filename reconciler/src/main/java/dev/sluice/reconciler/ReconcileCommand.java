package dev.sluice.reconciler;

import dev.sluice.config.PipelineConfig;
import dev.sluice.config.Units;
import dev.sluice.process.LaneThreads;
import dev.sluice.process.Processes;
import dev.sluice.process.StopSignal;
import dev.sluice.schemas.Stop;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Runs the reconciler. Exit codes: {@link Stop}. */
@Command(
        name = "reconcile",
        description = {
            "Verifies every table once in a period, and those that are not in sync a hundred times as often, until it is stopped.",
            "What it finds stands in sluice.verification and sluice.divergence of the target, and in its log."
        },
        mixinStandardHelpOptions = true)
public final class ReconcileCommand implements Callable<Integer> {
    private static final Duration SHORTEST = Duration.ofSeconds(10);

    @Option(
            names = {"-c", "--config"},
            paramLabel = "FILE",
            defaultValue = "pipeline.yml",
            description = "The pipeline's configuration (default: ${DEFAULT-VALUE}).")
    private Path file;

    @Option(
            names = "--every",
            paramLabel = "PERIOD",
            defaultValue = "24h",
            description = "How often each table is verified, as 30m, 24h or 7d (default: ${DEFAULT-VALUE}).")
    private String period;

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() {
        Duration every;
        try {
            every = Units.duration(period);
        } catch (IllegalArgumentException e) {
            throw new ParameterException(spec.commandLine(), "--every: " + e.getMessage(), e);
        }
        if (every.compareTo(SHORTEST) < 0) {
            throw new ParameterException(
                    spec.commandLine(), "--every: must be at least %s, was %s".formatted(Units.print(SHORTEST), period));
        }
        return Processes.run("reconcile", file, (config, stop) -> run(config, every, stop));
    }

    /**
     * Runs until {@code stop} is requested.
     *
     * @throws dev.sluice.schemas.Failure.Fatal if a person is needed
     */
    public static Stop run(PipelineConfig config, Duration every, StopSignal stop) {
        LaneThreads.run(config, "reconcile", stop, lane -> new ReconcileLane(config, lane, every, stop).run());
        return Stop.CLEAN;
    }
}
