package dev.sluice.cli;

import dev.sluice.apply.ApplyMain;
import dev.sluice.capture.CaptureMain;
import dev.sluice.reconciler.ReconcileCommand;
import dev.sluice.reconciler.ReconcilerMain;
import dev.sluice.reconciler.VerifyCommand;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;
import picocli.CommandLine.IVersionProvider;

/** The {@code sluice} command. Exit codes: {@link dev.sluice.schemas.Stop}. */
@Command(
        name = "sluice",
        description = "Keeps a service's PostgreSQL in step with the monolith's it comes from.",
        subcommands = {
            CaptureMain.class,
            ApplyMain.class,
            CheckCommand.class,
            StatusCommand.class,
            BackfillCommand.class,
            ResyncCommand.class,
            RepairCommand.class,
            RecoverCommand.class,
            DlqCommand.class,
            ResumeCommand.class,
            ReconcilerMain.Compare.class,
            VerifyCommand.class,
            ReconcileCommand.class,
            HelpCommand.class
        },
        mixinStandardHelpOptions = true,
        versionProvider = SluiceMain.Version.class,
        synopsisSubcommandLabel = "COMMAND",
        footer = {"", "  demo     Shows it all in one process, on servers of its own: sluice demo --help", ""},
        usageHelpWidth = 100,
        exitCodeListHeading = "Exit codes:%n",
        exitCodeList = {
            " 0:done, or stopped and drained",
            " 1:failed, a restart may help; of check, status, backfill, resync: a person is needed",
            " 2:wrong command line",
            " 3:differences found, or a sequence behind; of dlq replay: some were refused again",
            " 4:of verify: it could not be told",
            "10:a hole in the lane, rows must be read again",
            "11:a database or Kafka is not set up as it must be",
            "12:another server answers",
            "13:credentials refused",
            "14:a row that the target can never take, with apply.deadLettersPerMinute: 0",
            "78:wrong configuration",
            "143:stopped before it was drained"
        })
public final class SluiceMain {

    private SluiceMain() {}

    public static void main(String[] arguments) {
        System.exit(command().execute(arguments));
    }

    /** The command, for one run of it. */
    public static CommandLine command() {
        return new CommandLine(new SluiceMain());
    }

    static final class Version implements IVersionProvider {
        @Override
        public String[] getVersion() {
            String version = SluiceMain.class.getPackage().getImplementationVersion();
            return new String[] {"sluice " + (version == null ? "(built from a working tree)" : version)};
        }
    }
}
