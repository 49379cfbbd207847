package dev.sluice.reconciler;

import dev.sluice.config.ConfigReader;
import dev.sluice.config.InvalidConfigException;
import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import java.io.PrintWriter;
import java.nio.file.Path;
import picocli.CommandLine.Model.CommandSpec;

/** The outside of a command that needs the configuration: reads it, and says on the error output why it could not be done. */
final class ConfiguredCommand {
    private ConfiguredCommand() {}

    /** What the command does. */
    interface Work {
        Stop run(PipelineConfig config, PrintWriter out) throws InterruptedException;
    }

    /** Gives the exit code. */
    static int run(CommandSpec spec, Path file, Work work) throws InterruptedException {
        PrintWriter err = spec.commandLine().getErr();
        try {
            return work.run(ConfigReader.read(file, System.getenv()), spec.commandLine().getOut()).exitCode();
        } catch (InvalidConfigException e) {
            err.println(e.report(file));
            return Stop.CONFIG.exitCode();
        } catch (Failure.Fatal e) {
            err.println(e.getMessage());
            err.println("remedy: " + e.remedy());
            return e.stop().exitCode();
        } catch (Failure.Retryable e) {
            err.println(e.getMessage());
            return Stop.FAILED.exitCode();
        }
    }
}
