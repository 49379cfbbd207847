package dev.sluice.cli;

import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * Asks for the rows that were at the source before the lane was, and follows the reading; pauses and throttles what is read,
 * whichever command asked for it. The work is the applier's. Exit codes: 0 all done, 1 a table has failed, 143 stopped
 * following.
 */
@Command(
        name = "backfill",
        mixinStandardHelpOptions = true,
        description = {
            "Has tables copied from the source while the stream runs, and follows the copying.",
            "The running `sluice apply` does the work. Ctrl-C ends the following only."
        },
        exitCodeListHeading = "Exit codes:%n",
        exitCodeList = {
            " 0:all tables are done, or with --no-wait asked for",
            " 1:a table has failed, or the target could not be reached",
            " 2:wrong command line, or a table is not in the state that it takes",
            "11:`sluice apply` has never run on the target",
            "13:the target refused the credentials",
            "78:wrong configuration",
            "143:Ctrl-C or SIGTERM: not followed any more, the copying goes on"
        })
final class BackfillCommand implements Callable<Integer> {

    @Spec
    private CommandSpec spec;

    @Mixin
    private PipelineOption pipeline;

    @Option(
            names = "--table",
            paramLabel = "TABLE",
            description = "A source table as in the configuration; may be given several times (default: all).")
    private List<String> tables = List.of();

    @Option(names = "--again", description = "Begin anew what is being read or was read already.")
    private boolean isAgain;

    @Mixin
    private RequestOptions request;

    @ArgGroup(exclusive = true)
    private Change change = new Change();

    /** Of what is under way; nothing is asked for or followed then. */
    static final class Change {
        @Option(names = "--pause", description = "Begin no further range of what is being read.")
        private boolean isPause;

        @Option(names = "--resume", description = "Let it go on.")
        private boolean isResume;

        @Option(
                names = "--limits",
                description = {
                    "Read on with the limits given by --rate, --bytes-rate and --while-active-below in place of the present"
                            + " ones; with none of them: without limits."
                })
        private boolean isLimits;
    }

    @Override
    public Integer call() {
        if (!change.isPause && !change.isResume && !change.isLimits) {
            return pipeline.run(config -> request.request(config, "backfill", tables, isAgain));
        }
        if (isAgain || request.hasWhere() || request.isNoWait() || !change.isLimits && request.throttle().isGiven()) {
            throw new ParameterException(
                    spec.commandLine(),
                    change.isLimits
                            ? "--limits changes what is being read: it takes --table and limits only"
                            : "--pause and --resume change what is being read: they take --table only");
        }
        return pipeline.run(this::change);
    }

    private int change(PipelineConfig config) {
        RereadChange what =
                change.isPause ? RereadChange.PAUSE : change.isResume ? RereadChange.RESUME : RereadChange.LIMITS;
        Map<LaneConfig, List<TableId>> selected = LaneTables.select(config, tables);
        try (TargetSession session = TargetSession.open(config)) {
            session.requireRereads(config);
            session.inTransaction(
                            "changing what is read",
                            target -> what.write(
                                    target, config, selected, request.throttle().throttle(), !tables.isEmpty()))
                    .forEach(spec.commandLine().getOut()::println);
        }
        return Stop.CLEAN.exitCode();
    }
}
