package dev.sluice.cli;

import dev.sluice.capture.CheckpointChecks;
import dev.sluice.config.ConfigReader;
import dev.sluice.config.InvalidConfigException;
import dev.sluice.config.PipelineConfig;
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
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Every check that can be made before the first event. Exit codes: 0 no error, 1 errors, 78 wrong configuration. */
@Command(
        name = "check",
        mixinStandardHelpOptions = true,
        description = "Checks source, Kafka and target, and prints what cures each finding; changes nothing.")
final class CheckCommand implements Callable<Integer> {

    enum Output {
        table,
        json
    }

    @Spec
    private CommandSpec spec;

    @Mixin
    private SluiceMain.ConfigOption config;

    @Option(
            names = {"-o", "--output"},
            defaultValue = "table",
            description = "One of: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    private Output output;

    @Override
    public Integer call() {
        try {
            PipelineConfig pipeline = ConfigReader.read(config.file(), System.getenv());
            Set<Finding> findings = new LinkedHashSet<>(Preflight.findings(pipeline));
            findings.addAll(CheckpointChecks.findings(pipeline));
            CheckReport report = new CheckReport(pipeline.name(), List.copyOf(findings));
            spec.commandLine().getOut().println(output == Output.json ? report.json() : report.table());
            return report.errors() == 0 ? Stop.CLEAN.exitCode() : Stop.FAILED.exitCode();
        } catch (InvalidConfigException e) {
            spec.commandLine().getErr().println(e.report(config.file()));
            return Stop.CONFIG.exitCode();
        }
    }
}
