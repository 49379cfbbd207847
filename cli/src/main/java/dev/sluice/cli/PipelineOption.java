package dev.sluice.cli;

import dev.sluice.config.ConfigReader;
import dev.sluice.config.InvalidConfigException;
import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import java.io.PrintWriter;
import java.nio.file.Path;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The option that every command has, and the way from a failure to what is printed and the exit code. */
final class PipelineOption {

    /** What a command does with the pipeline. */
    interface Work {
        /** Gives the exit code. */
        int run(PipelineConfig pipeline) throws InterruptedException;
    }

    @Spec(Spec.Target.MIXEE)
    private CommandSpec command;

    @Option(
            names = {"-c", "--config"},
            paramLabel = "FILE",
            defaultValue = "pipeline.yml",
            description = "The pipeline's configuration (default: ${DEFAULT-VALUE}).")
    private Path file;

    /** Runs {@code work} with what the file and the environment say; gives the exit code. */
    int run(Work work) {
        PrintWriter err = command.commandLine().getErr();
        try {
            return work.run(ConfigReader.read(file, System.getenv()));
        } catch (InvalidConfigException e) {
            err.println(e.report(file));
            return Stop.CONFIG.exitCode();
        } catch (Failure.Fatal e) {
            err.println(e.getMessage());
            err.println("remedy: " + e.remedy());
            return e.stop().exitCode();
        } catch (Failure e) {
            err.println(e.getMessage());
            return Stop.FAILED.exitCode();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Stop.FAILED.exitCode();
        }
    }
}
