package dev.sluice.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;

/** What has to do with dead letters. */
@Command(
        name = "dlq",
        mixinStandardHelpOptions = true,
        description = "Dead letters: changes that the target has refused, with what waits behind them.",
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {
            DlqListCommand.class,
            DlqShowCommand.class,
            DlqReplayCommand.class,
            DlqEditCommand.class,
            DlqDiscardCommand.class,
            DlqAuditCommand.class,
            HelpCommand.class
        })
final class DlqCommand {}
