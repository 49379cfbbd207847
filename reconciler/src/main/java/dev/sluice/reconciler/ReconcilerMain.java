package dev.sluice.reconciler;

import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.Stop;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Runs the reconciler. Exit codes: those of {@link Stop}. */
@Command(
        name = "reconciler",
        description = "Compares source and target.",
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {ReconcilerMain.Compare.class, VerifyCommand.class, ReconcileCommand.class})
public final class ReconcilerMain {
    private ReconcilerMain() {}

    public static void main(String[] arguments) {
        System.exit(new CommandLine(new ReconcilerMain()).execute(arguments));
    }

    /** {@code compare}: both databases at rest, row by row. */
    @Command(
            name = "compare",
            description = {
                "Compares every mapped table of source and target row by row, and the sequences that fill their columns.",
                "Both must be at rest and everything applied: stop the writers first.",
                "The keys that differ are stored in sluice.divergence of the target, for `sluice repair --from-divergences`."
            },
            mixinStandardHelpOptions = true,
            exitCodeListHeading = "Exit codes:%n",
            exitCodeList = {
                " 0:everything is equal",
                " 1:a database could not be reached",
                " 3:something differs, the keys are printed; or a sequence of the target is behind",
                "11:a table or column is missing, or may not be read",
                "13:a server refused the credentials",
                "78:the configuration is wrong"
            })
    public static final class Compare implements Callable<Integer> {
        @Option(names = {"-c", "--config"}, required = true, paramLabel = "FILE", description = "pipeline.yml")
        private Path file;

        @Spec
        private CommandSpec spec;

        @Override
        public Integer call() throws InterruptedException {
            return ConfiguredCommand.run(spec, file, ReconcilerMain::compare);
        }
    }

    /**
     * Compares, stores what differs in {@code sluice.divergence} of the target, and prints the report.
     *
     * @return {@link Stop#CLEAN} if everything is equal and no sequence behind, else {@link Stop#DIFFERENT}
     */
    public static Stop compare(PipelineConfig config, PrintWriter out) {
        return compare(config, StoredDivergences.MOST_KEYS, out);
    }

    /** @param mostKeys of a table that are stored, the first in the order in which it is compared */
    public static Stop compare(PipelineConfig config, int mostKeys, PrintWriter out) {
        ComparisonReport report;
        try (StoredDivergences divergences = StoredDivergences.open(config, mostKeys)) {
            report = new RowComparison(config).run(divergences);
            report.lines().forEach(out::println);
            divergences.lines().forEach(out::println);
        }
        SequencesAtRest sequences = SequencesAtRest.compare(config);
        sequences.lines().forEach(out::println);
        out.flush();
        return report.isEqual() && !sequences.areBehind() ? Stop.CLEAN : Stop.DIFFERENT;
    }
}
