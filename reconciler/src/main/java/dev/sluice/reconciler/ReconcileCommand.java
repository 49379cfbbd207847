package dev.sluice.reconciler;

import dev.sluice.config.PipelineConfig;
import dev.sluice.config.Units;
import dev.sluice.process.LaneThreads;
import dev.sluice.process.Processes;
import dev.sluice.process.StopSignal;
import dev.sluice.schemas.Stop;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
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
            "Verifies, until it is stopped: each row soon after it has changed, and every table once in a period; tables that are not in sync"
                    + " a hundred times as often.",
            "How much of the databases it takes stands under verify in the configuration.",
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
            defaultValue = "",
            description = "How often each table is verified, as 30m, 24h or 7d (default: verify.every of the configuration).")
    private String period;

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() {
        Optional<Duration> every = period.isEmpty() ? Optional.empty() : Optional.of(every());
        return Processes.run("reconcile", file, (config, stop) -> run(every.map(config::verifyingEvery).orElse(config), stop));
    }

    private Duration every() {
        try {
            Duration every = Units.duration(period);
            if (every.compareTo(SHORTEST) >= 0) {
                return every;
            }
        } catch (IllegalArgumentException e) {
            throw new ParameterException(spec.commandLine(), "--every: " + e.getMessage(), e);
        }
        throw new ParameterException(
                spec.commandLine(), "--every: must be at least %s, was %s".formatted(Units.print(SHORTEST), period));
    }

    /**
     * Runs until {@code stop} is requested.
     *
     * @throws dev.sluice.schemas.Failure.Fatal if a person is needed
     */
    public static Stop run(PipelineConfig config, StopSignal stop) {
        try (ReconcileMetrics metrics = new ReconcileMetrics(config.verify().metricsPort())) {
            LaneThreads.run(config, "reconcile", stop, lane -> new ReconcileLane(config, lane, stop, metrics).run());
            return Stop.CLEAN;
        }
    }
}
