package dev.sluice.cli;

import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * Asks for tables to be made equal to the source again, and follows it. The work is the applier's. Exit codes as those of
 * {@link BackfillCommand}.
 */
@Command(
        name = "resync",
        mixinStandardHelpOptions = true,
        description = {
            "Has damaged or emptied tables made equal to the source while the stream runs, and follows it: missing rows are"
                    + " copied, others corrected, rows that the source lacks removed.",
            "What is being read of these tables begins anew. The running `sluice apply` does the work. Ctrl-C ends the"
                    + " following only; `sluice backfill` has --pause, --resume and --limits for this too."
        },
        exitCodeListHeading = "Exit codes:%n",
        exitCodeList = {
            " 0:all tables are done, or with --no-wait asked for",
            " 1:a table has failed, or the target could not be reached",
            " 2:wrong command line",
            "11:`sluice apply` has never run on the target",
            "13:the target refused the credentials",
            "78:wrong configuration",
            "143:Ctrl-C or SIGTERM: not followed any more, the reading goes on"
        })
final class ResyncCommand implements Callable<Integer> {

    @Mixin
    private PipelineOption pipeline;

    @Option(
            names = "--table",
            paramLabel = "TABLE",
            required = true,
            description = "A source table as in the configuration; may be given several times.")
    private List<String> tables;

    @Mixin
    private RequestOptions request;

    @Override
    public Integer call() {
        return pipeline.run(config -> request.request(config, "resync", tables, true));
    }
}
