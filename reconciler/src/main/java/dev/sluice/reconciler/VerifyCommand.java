package dev.sluice.reconciler;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.util.RawValue;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code verify}: two living databases, row by row. */
@Command(
        name = "verify",
        description = {
            "Compares mapped tables of source and target row by row while both are written, and however far behind the target is.",
            "A row that is said to differ differs although both sides have exactly the same changes of it. Rows in flight are looked"
                    + " at again until they are at rest.",
            "Beside the rows it looks at references, sequences and unique keys; before, at whether it would see a change of each column.",
            "The keys that differ are stored in sluice.divergence of the target, for `sluice repair --from-divergences`; with them why they"
                    + " differ, and what shows it. `-o json` prints that too."
        },
        mixinStandardHelpOptions = true,
        exitCodeListHeading = "Exit codes:%n",
        exitCodeList = {
            " 0:every table is in sync",
            " 1:a database could not be reached",
            " 2:wrong command line, no such table",
            " 3:a table has diverged or a reference is broken, the keys are printed",
            " 4:of some table or reference it could not be told, or rows were in flight to the end; none is known to have diverged",
            "11:a table or column is missing, or may not be read",
            "13:a server refused the credentials",
            "78:the configuration is wrong"
        })
public final class VerifyCommand implements Callable<Integer> {
    private static final ObjectMapper JSON = new ObjectMapper();

    @Option(
            names = {"-c", "--config"},
            paramLabel = "FILE",
            defaultValue = "pipeline.yml",
            description = "The pipeline's configuration (default: ${DEFAULT-VALUE}).")
    private Path file;

    @Option(names = "--table", paramLabel = "TABLE", description = "A source table; may be given several times (default: all).")
    private List<String> tables = new ArrayList<>();

    @Option(
            names = {"-o", "--output"},
            defaultValue = "table",
            description = "One of: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    private Output output;

    @Spec
    private CommandSpec spec;

    enum Output {
        table,
        json
    }

    @Override
    public Integer call() throws InterruptedException {
        return ConfiguredCommand.run(spec, file, this::verify);
    }

    private Stop verify(PipelineConfig config, PrintWriter out) throws InterruptedException {
        Set<TableId> wanted = wanted(config);
        List<TableVerification> tables = new ArrayList<>();
        List<ReferenceVerification> references = new ArrayList<>();
        try (StoredDivergences divergences = StoredDivergences.open(config, StoredDivergences.MOST_KEYS)) {
            for (LaneConfig lane : config.lanes()) {
                List<TableMapping> mappings = lane.tables().stream().filter(table -> wanted.contains(table.source())).toList();
                try (Verification verification = new Verification(config, lane)) {
                    for (TableMapping mapping : mappings) {
                        tables.add(verification.verify(mapping, divergences, new Eta(spec.commandLine().getErr())));
                        print(tables.get(tables.size() - 1), out);
                    }
                    for (TableMapping mapping : mappings) {
                        List<ReferenceVerification> found = verification.verifyReferences(mapping);
                        references.addAll(found);
                        found.stream().flatMap(reference -> reference.lines().stream()).forEach(line -> print(line, out));
                    }
                }
            }
            PipelineVerification found = new PipelineVerification(tables, references, CutOverHazards.read(config, lanes(config, wanted)));
            if (output == Output.json) {
                out.println(json(found).toPrettyString());
            } else {
                divergences.lines().forEach(out::println);
                found.hazards().lines().forEach(out::println);
                out.println(found.verdict());
            }
            out.flush();
            return found.stop();
        }
    }

    /** Only with the tables that are wanted. */
    private static List<LaneConfig> lanes(PipelineConfig config, Set<TableId> wanted) {
        return config.lanes().stream()
                .map(lane -> new LaneConfig(
                        lane.name(),
                        lane.slot(),
                        lane.publication(),
                        lane.createPublication(),
                        lane.tables().stream().filter(table -> wanted.contains(table.source())).toList()))
                .filter(lane -> !lane.tables().isEmpty())
                .toList();
    }

    /** Says every few seconds how far a table is. */
    private static final class Eta implements Verification.Progress {
        private static final long SAY_NANOS = TimeUnit.SECONDS.toNanos(5);

        private final PrintWriter err;
        private final long began = System.nanoTime();
        private long saidAt = began;

        Eta(PrintWriter err) {
            this.err = err;
        }

        @Override
        public void at(TableId table, long done, long estimated) {
            long now = System.nanoTime();
            if (now - saidAt > SAY_NANOS) {
                saidAt = now;
                double perSecond = done / ((now - began) / 1e9);
                String left = estimated > done ? ", about %,d s left".formatted(Math.round((estimated - done) / perSecond)) : "";
                err.println(String.format(
                        Locale.ROOT, "%s: %,d of about %,d rows, %,.0f rows/s%s", table, done, Math.max(done, estimated), perSecond, left));
                err.flush();
            }
        }
    }

    private Set<TableId> wanted(PipelineConfig config) {
        Set<TableId> mapped = new HashSet<>();
        config.lanes().forEach(lane -> lane.tables().forEach(table -> mapped.add(table.source())));
        if (tables.isEmpty()) {
            return mapped;
        }
        Set<TableId> wanted = new HashSet<>();
        for (String name : tables) {
            TableId table;
            try {
                table = TableId.parse(name);
            } catch (IllegalArgumentException e) {
                throw new ParameterException(spec.commandLine(), "--table: " + e.getMessage());
            }
            if (!mapped.contains(table)) {
                throw new ParameterException(
                        spec.commandLine(), "--table %s: no lane maps it; mapped are %s".formatted(name, mapped.stream().sorted().toList()));
            }
            wanted.add(table);
        }
        return wanted;
    }

    private void print(TableVerification table, PrintWriter out) {
        print(table.headline(), out);
        table.differences().forEach(difference -> print("  " + difference
                + (difference.explanation().isEmpty() ? "" : ": " + difference.explanation()), out));
        if (table.confirmed() > table.differences().size()) {
            print("  … and %,d more".formatted(table.confirmed() - table.differences().size()), out);
        }
    }

    /** As it is found; what is for programs comes as a whole. */
    private void print(String line, PrintWriter out) {
        if (output == Output.table) {
            out.println(line);
            out.flush();
        }
    }

    private static ObjectNode json(PipelineVerification found) {
        ObjectNode json = JSON.createObjectNode().put("verdict", found.word());
        ArrayNode tables = json.putArray("tables");
        found.tables().forEach(table -> tables.add(json(table)));
        ArrayNode references = json.putArray("references");
        found.references().forEach(reference -> references.add(json(reference)));
        found.hazards().addTo(json);
        return json;
    }

    private static ObjectNode json(ReferenceVerification reference) {
        ObjectNode json = JSON.createObjectNode()
                .put("table", reference.child().toString())
                .put("reference", reference.reference());
        if (!reference.unknown().isEmpty()) {
            return json.put("verdict", "unknown").put("reason", reference.unknown());
        }
        json.put("verdict", reference.isBroken() ? "broken" : reference.holds() ? "holds" : "in flight")
                .put("broken", reference.broken())
                .put("explainedByDeadLetters", reference.explained())
                .put("preExistingAtSource", reference.preExisting())
                .put("inFlight", reference.inFlight());
        json.set("rows", JSON.valueToTree(reference.rows()));
        return json;
    }

    private static String word(TableVerification table) {
        if (table.isUnknown() || table.isBlind() && !table.isDiverged()) {
            return "unknown";
        }
        return table.isDiverged() ? "diverged" : table.isInSync() ? "in sync" : "in flight";
    }

    private static ObjectNode json(TableVerification table) {
        ObjectNode json = JSON.createObjectNode().put("table", table.source().toString()).put("verdict", word(table));
        if (table.isUnknown()) {
            return json.put("reason", table.unknown());
        }
        json.put("at", table.at().toString()).put("sourcePosition", table.position().toString());
        json.put("rows", table.rows()).put("targetRows", table.targetRows());
        ArrayNode columns = json.putArray("columns");
        table.columns().forEach(column -> columns.addObject()
                .put("name", column.name())
                .put("state", column.state().word())
                .put("reason", column.reason()));
        json.set("unseen", JSON.valueToTree(table.unseen()));
        json.put("confirmed", table.confirmed()).put("explainedByDeadLetters", table.explained()).put("inFlight", table.inFlight());
        ArrayNode differences = json.putArray("differences");
        table.differences().forEach(difference -> differences.add(json(difference)));
        return json;
    }

    private static ObjectNode json(RowDifference difference) {
        ObjectNode json = JSON.createObjectNode();
        json.put("kind", difference.kind().name().toLowerCase(Locale.ROOT))
                .put("key", difference.key())
                .set("columns", JSON.valueToTree(difference.columns()));
        if (!difference.explanation().isEmpty()) {
            json.put("explanation", difference.explanation()).putRawValue("evidence", new RawValue(difference.evidence()));
        }
        return json;
    }
}
