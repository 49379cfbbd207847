package dev.sluice.cli;

import dev.sluice.capture.CheckpointChecks;
import dev.sluice.preflight.Preflight;
import dev.sluice.process.Finding;
import dev.sluice.schemas.Stop;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Every check that can be made before the first event. Exit codes: 0 no error, 1 errors, 78 wrong configuration. */
@Command(
        name = "check",
        mixinStandardHelpOptions = true,
        description = "Checks source, Kafka and target, and prints what cures each finding; changes nothing.")
final class CheckCommand implements Callable<Integer> {

    @Spec
    private CommandSpec spec;

    @Mixin
    private PipelineOption pipeline;

    @Mixin
    private OutputOption output;

    @Override
    public Integer call() {
        return pipeline.run(config -> {
            Set<Finding> findings = new LinkedHashSet<>(Preflight.findings(config));
            findings.addAll(CheckpointChecks.findings(config));
            CheckReport report = new CheckReport(config.name(), List.copyOf(findings));
            spec.commandLine().getOut().println(output.isJson() ? report.json() : report.table());
            return report.errors() == 0 ? Stop.CLEAN.exitCode() : Stop.FAILED.exitCode();
        });
    }
}
