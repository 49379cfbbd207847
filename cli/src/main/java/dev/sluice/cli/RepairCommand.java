package dev.sluice.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.sluice.apply.RepairStore;
import dev.sluice.apply.RepairStore.Outcome;
import dev.sluice.apply.RowPreview;
import dev.sluice.apply.RowPreview.Row;
import dev.sluice.apply.RowPreview.Row.State;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
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
            "Rows that the source lacks are removed. For many rows `sluice resync` is faster."
        },
        exitCodeListHeading = "Exit codes:%n",
        exitCodeList = {
            " 0:the rows are equal, with --execute: now",
            " 1:a row could not be told or repaired, or a database could not be reached",
            " 2:wrong command line, no such table or key",
            " 3:a row differs; --execute makes it equal",
            "11:`sluice apply` of this version has never run on the target",
            "13:a server refused the credentials",
            "78:wrong configuration"
        })
final class RepairCommand implements Callable<Integer> {
    private static final long PATIENCE_NANOS = TimeUnit.MINUTES.toNanos(10);
    private static final ObjectMapper JSON = new ObjectMapper();

    @Spec
    private CommandSpec spec;

    @Mixin
    private PipelineOption pipeline;

    @Option(names = "--table", paramLabel = "TABLE", required = true, description = "A source table as in the configuration.")
    private String table;

    @Option(
            names = "--key",
            paramLabel = "KEY",
            required = true,
            description = {
                "A row's key at the source: the value, or of several columns a JSON object of them, '{\"year\": 2026, \"no\": 7}';"
                        + " may be given several times."
            })
    private List<String> keys;

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
        Map<LaneConfig, List<TableId>> selected = LaneTables.select(config, List.of(table));
        LaneConfig lane = selected.keySet().iterator().next();
        TableMapping mapping = lane.tables().stream()
                .filter(one -> one.source().equals(selected.get(lane).get(0)))
                .findFirst()
                .orElseThrow();
        try (RowPreview preview = RowPreview.open(config, lane, mapping)) {
            Set<List<String>> canonical = new LinkedHashSet<>();
            keys.forEach(key -> canonical.add(preview.canonical(RepairKeys.parse(key, preview.keyColumns()))));
            List<Row> rows = look(preview, canonical);
            if (!isExecuted) {
                print(mapping.source(), preview.keyColumns(), rows);
                return exitCode(rows);
            }
            List<List<String>> unequal =
                    rows.stream().filter(row -> !isEqual(row)).map(Row::key).toList();
            repair(config, lane, mapping.source(), unequal);
            List<Row> after = look(preview, canonical);
            print(mapping.source(), preview.keyColumns(), after);
            return exitCode(after);
        }
    }

    private static List<Row> look(RowPreview preview, Set<List<String>> keys) throws InterruptedException {
        List<Row> rows = new ArrayList<>();
        for (List<String> key : keys) {
            rows.add(preview.look(key));
        }
        return rows;
    }

    private static boolean isEqual(Row row) {
        return row.state() == State.EQUAL || row.state() == State.NOWHERE;
    }

    private static int exitCode(List<Row> rows) {
        if (rows.stream().anyMatch(row -> row.state() == State.UNKNOWN)) {
            return Stop.FAILED.exitCode();
        }
        return (rows.stream().allMatch(RepairCommand::isEqual) ? Stop.CLEAN : Stop.DIFFERENT).exitCode();
    }

    private void repair(PipelineConfig config, LaneConfig lane, TableId source, List<List<String>> unequal)
            throws InterruptedException {
        if (unequal.isEmpty()) {
            return;
        }
        RepairStore store = new RepairStore(config.nameInTarget(lane));
        try (TargetSession session = TargetSession.open(config)) {
            if (!session.inTransaction("looking for sluice.repair", RepairStore::isThere)) {
                throw new Failure.Fatal(
                        Stop.SETUP,
                        "target %s has no table sluice.repair: no `sluice apply` of this version has been at work there"
                                .formatted(config.target().address()),
                        "start `sluice apply`: it makes the table, and it does the repairing");
            }
            String by = System.getProperty("user.name") + ", " + config.target().user();
            List<Long> ids = session.inTransaction("requesting repairs", target -> store.request(target, source, unequal, by));
            follow(session, store, ids);
        }
    }

    private void follow(TargetSession session, RepairStore store, List<Long> ids) throws InterruptedException {
        PrintWriter err = spec.commandLine().getErr();
        String said = "";
        long began = System.nanoTime();
        while (System.nanoTime() - began < PATIENCE_NANOS) {
            Map<Long, Outcome> outcomes = session.inTransaction("looking at repairs", target -> store.outcomes(target, ids));
            String now = String.join("; ", new LinkedHashSet<>(outcomes.values().stream()
                    .map(Outcome::message)
                    .filter(message -> !message.isEmpty())
                    .toList()));
            if (!now.equals(said)) {
                said = now;
                err.println(now);
            }
            if (outcomes.values().stream().noneMatch(outcome -> outcome.state() == RepairStore.State.REQUESTED)) {
                return;
            }
            TimeUnit.MILLISECONDS.sleep(100);
        }
        throw new Failure.Retryable(
                "not repaired within 10 minutes; the requests stay, `sluice apply` does them when it can", null);
    }

    private void print(TableId source, List<String> columns, List<Row> rows) {
        PrintWriter out = spec.commandLine().getOut();
        if (output.isJson()) {
            ArrayNode list = JSON.createArrayNode();
            rows.forEach(row -> list.add(json(source, columns, row)));
            out.println(list.toPrettyString());
            return;
        }
        for (Row row : rows) {
            out.println("%s %s: %s".formatted(source, RepairKeys.text(row.key(), columns), words(row)));
            if (hasValues) {
                row.differing().forEach(column -> out.println("  %s: source %s, target %s".formatted(
                        column, value(row.source().orElseThrow().get(column)), value(row.target().orElseThrow().get(column)))));
            }
        }
        out.flush();
    }

    private static String value(String text) {
        return text == null ? "NULL" : JSON.getNodeFactory().textNode(text).toString();
    }

    private static String words(Row row) {
        return switch (row.state()) {
            case EQUAL -> "equal";
            case NOWHERE -> "on neither side";
            case MISSING -> "missing in the target";
            case EXTRA -> "only in the target";
            case DIFFERING -> "differs in " + String.join(", ", row.differing());
            case UNKNOWN -> "unknown: it changes all the time, or the lane does not get to where the source is (`sluice status`)";
        };
    }

    private ObjectNode json(TableId source, List<String> columns, Row row) {
        ObjectNode object = JSON.createObjectNode().put("table", source.toString());
        ObjectNode key = object.putObject("key");
        for (int i = 0; i < columns.size(); i++) {
            key.put(columns.get(i), row.key().get(i));
        }
        object.put("state", row.state().name().toLowerCase(Locale.ROOT));
        ObjectNode differing = object.putObject("differing");
        for (String column : row.differing()) {
            ObjectNode values = differing.putObject(column);
            if (hasValues) {
                values.put("source", row.source().orElseThrow().get(column));
                values.put("target", row.target().orElseThrow().get(column));
            }
        }
        return object;
    }
}
