package dev.sluice.cli;

import dev.sluice.apply.LaneStatus;
import dev.sluice.apply.RowPreview;
import dev.sluice.apply.RowPreview.Row;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.divergence.Divergence;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/**
 * Shows single rows of both sides, and with {@code --execute} has those that differ made equal; then looks at them once more.
 * The work is the applier's. Exit codes: 0 all are equal, 3 some are not, 1 one could not be told or repaired.
 */
@Command(
        name = "repair",
        mixinStandardHelpOptions = true,
        description = {
            "Shows how single rows stand on both sides, and which columns differ. Nothing is changed without --execute: then the"
                    + " running `sluice apply` makes them equal to the source while the stream runs, and they are looked at again.",
            "Rows that the source lacks are removed. For many rows `sluice resync` is faster. Computed columns (transform) are not"
                    + " looked at; with --execute they are computed anew in every row that is named.",
            "With --from-divergences the rows are those that `sluice compare` has found to differ and no later compare has found"
                    + " equal. A repaired row counts only once it was compared again."
        },
        exitCodeListHeading = "Exit codes:%n",
        exitCodeList = {
            " 0:the rows are equal, with --execute: now; or no divergence is open",
            " 1:a row could not be told or repaired, it says why; or a database could not be reached",
            " 2:wrong command line, no such table or key",
            " 3:a row differs; --execute makes it equal",
            "11:`sluice apply` of this version has never run on the target, or has applied nothing yet",
            "13:a server refused the credentials",
            "78:wrong configuration"
        })
final class RepairCommand implements Callable<Integer> {
    /** Rows that are looked at together, with their values in memory. */
    private static final int LOOKED_AT = 100;
    /** Rows that are asked for together. */
    private static final int REPAIRED = 2_000;

    private static final String NOTHING_CHANGED = "nothing was changed; --execute makes equal what differs";

    @Spec
    private CommandSpec spec;

    @Mixin
    private PipelineOption pipeline;

    @Option(
            names = "--table",
            paramLabel = "TABLE",
            description = "A source table as in the configuration; with --from-divergences all of them if left out.")
    private String table;

    @Option(
            names = "--key",
            paramLabel = "KEY",
            description = {
                "A row's key at the source: the value, or of several columns a JSON object of them, '{\"year\": 2026, \"no\": 7}';"
                        + " may be given several times."
            })
    private List<String> keys = List.of();

    @Option(names = "--from-divergences", description = "The rows that `sluice compare` has found to differ.")
    private boolean isFromDivergences;

    @Option(names = "--execute", description = "Have the rows that differ made equal.")
    private boolean isExecuted;

    @Option(names = "--values", description = "Print the values of differing columns too.")
    private boolean hasValues;

    @Mixin
    private OutputOption output;

    @Override
    public Integer call() {
        return pipeline.run(this::run);
    }

    private int run(PipelineConfig config) throws InterruptedException {
        requireOneWayToNameRows();
        Map<LaneConfig, List<TableId>> selected = LaneTables.select(config, table == null ? List.of() : List.of(table));
        RepairOutput printed = new RepairOutput(spec.commandLine(), output.isJson(), hasValues);
        if (isFromDivergences) {
            repairDivergences(config, selected, printed);
        } else {
            LaneConfig lane = selected.keySet().iterator().next();
            repairNamed(config, lane, mapping(lane, selected.get(lane).get(0)), printed);
        }
        return printed.end();
    }

    private void requireOneWayToNameRows() {
        if (isFromDivergences && !keys.isEmpty()) {
            throw new Failure.Fatal(
                    Stop.USAGE,
                    "--key and --from-divergences: both say which rows are meant",
                    "leave one of them out");
        }
        if (!isFromDivergences && (keys.isEmpty() || table == null)) {
            throw new Failure.Fatal(
                    Stop.USAGE,
                    "it is not said which rows are meant",
                    "name them by --table and --key, or take those that `sluice compare` has found: --from-divergences");
        }
    }

    private static TableMapping mapping(LaneConfig lane, TableId source) {
        return lane.tables().stream().filter(one -> one.source().equals(source)).findFirst().orElseThrow();
    }

    private void repairNamed(PipelineConfig config, LaneConfig lane, TableMapping mapping, RepairOutput printed)
            throws InterruptedException {
        requireApplied(config, lane);
        try (RowPreview preview = RowPreview.open(config, lane, mapping)) {
            Set<List<String>> canonical = new LinkedHashSet<>();
            keys.forEach(key -> canonical.add(preview.canonical(RepairKeys.parse(key, preview.keyColumns()))));
            repair(config, lane, mapping, preview, List.copyOf(canonical), Map.of(), printed);
        }
        if (!isExecuted && printed.hasDifferent()) {
            printed.say(NOTHING_CHANGED);
        }
    }

    /** Where nothing was applied there is no position at which both sides could be looked at. */
    private static void requireApplied(PipelineConfig config, LaneConfig lane) {
        try (TargetSession session = TargetSession.open(config)) {
            if (session.inTransaction("looking for the lane", target -> LaneStatus.read(target, config.nameInTarget(lane)))
                    .applied()
                    .isEmpty()) {
                throw new Failure.Fatal(
                        Stop.SETUP,
                        "lane %s has applied nothing to target %s yet".formatted(lane.name(), config.target().address()),
                        "start `sluice capture` and `sluice apply`; `sluice status` shows how far they are");
            }
        }
    }

    private void repairDivergences(PipelineConfig config, Map<LaneConfig, List<TableId>> selected, RepairOutput printed)
            throws InterruptedException {
        boolean isAny = false;
        for (Map.Entry<LaneConfig, List<TableId>> lane : selected.entrySet()) {
            OpenDivergences open = OpenDivergences.read(config, lane.getKey());
            if (table == null) {
                open.unmapped(lane.getKey()).forEach((source, count) -> printed.say(
                        "%s: %,d divergences are open, but the table is not mapped any more".formatted(source, count)));
            }
            for (TableId source : lane.getValue()) {
                if (open.count(source) > 0) {
                    isAny = true;
                    repairDivergences(config, lane.getKey(), mapping(lane.getKey(), source), open, printed);
                }
            }
        }
        if (!isAny) {
            String where = table == null ? "" : " of " + table;
            printed.say("no divergence%s is open; `sluice compare` looks for new ones".formatted(where));
        } else if (isExecuted || !printed.hasDifferent()) {
            printed.say("a repaired row counts only once it was compared again: `sluice compare`");
        } else {
            printed.say(NOTHING_CHANGED);
        }
    }

    private void repairDivergences(
            PipelineConfig config, LaneConfig lane, TableMapping mapping, OpenDivergences open, RepairOutput printed)
            throws InterruptedException {
        try (RowPreview preview = RowPreview.open(config, lane, mapping)) {
            Map<List<String>, List<String>> computed = new LinkedHashMap<>();
            for (Divergence divergence : open.of(mapping.source())) {
                try {
                    computed.put(open.key(divergence, preview), open.computed(divergence, mapping));
                } catch (Failure.Fatal e) {
                    printed.unnamable(mapping.source(), divergence.key(), e);
                }
            }
            repair(config, lane, mapping, preview, List.copyOf(computed.keySet()), computed, printed);
        }
    }

    /** @param computed by key, computed columns that differed when they were compared: nobody sees them here */
    private void repair(
            PipelineConfig config,
            LaneConfig lane,
            TableMapping mapping,
            RowPreview preview,
            List<List<String>> rows,
            Map<List<String>, List<String>> computed,
            RepairOutput printed)
            throws InterruptedException {
        RepairRequests requests = new RepairRequests(config, lane, mapping.source(), spec.commandLine().getErr());
        for (int from = 0; from < rows.size(); from += REPAIRED) {
            List<List<String>> some = rows.subList(from, Math.min(rows.size(), from + REPAIRED));
            Map<List<String>, String> failed = new HashMap<>();
            if (isExecuted) {
                List<List<String>> unequal = new ArrayList<>();
                look(preview, some, row -> {
                    if (!row.isEqual() || isDoubtful(row, mapping, computed)) {
                        unequal.add(row.key());
                    }
                });
                failed.putAll(requests.fulfil(unequal));
            }
            look(preview, some, row -> {
                String note = "";
                if (failed.containsKey(row.key()) && !row.isEqual()) {
                    printed.failed();
                    note = "not repaired: " + failed.get(row.key());
                } else if (!isExecuted && isDoubtful(row, mapping, computed) && !isFromDivergences) {
                    note = "not looked at, since computed: " + String.join(", ", new TreeSet<>(mapping.transform().keySet()));
                }
                printed.row(
                        mapping,
                        preview.keyColumns(),
                        row,
                        isExecuted ? List.of() : computed.getOrDefault(row.key(), List.of()),
                        note);
            });
        }
    }

    /** Whether a row that is equal as far as it is looked at may have computed columns that are not. */
    private boolean isDoubtful(Row row, TableMapping mapping, Map<List<String>, List<String>> computed) {
        return isFromDivergences
                ? !computed.getOrDefault(row.key(), List.of()).isEmpty()
                : (row.state() == Row.State.EQUAL || row.state() == Row.State.DIFFERING) && !mapping.transform().isEmpty();
    }

    private static void look(RowPreview preview, List<List<String>> rows, Consumer<Row> seen) throws InterruptedException {
        for (int from = 0; from < rows.size(); from += LOOKED_AT) {
            preview.look(rows.subList(from, Math.min(rows.size(), from + LOOKED_AT))).forEach(seen);
        }
    }
}
