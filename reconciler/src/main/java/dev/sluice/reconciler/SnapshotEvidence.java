package dev.sluice.reconciler;

import static dev.sluice.reconciler.Questions.tried;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.sluice.catalog.Catalog;
import dev.sluice.catalog.Column;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.config.VerifyConfig.Evidence;
import dev.sluice.divergence.Divergence;
import dev.sluice.divergence.Divergence.Kind;
import dev.sluice.reconciler.RowWriters.Writer;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * What the two snapshots in which rows differ tell about these rows: their values, the dead letters that hold them back, whether the
 * publication sends them. A question that a server refuses is left out; it never keeps a row from being reported.
 *
 * <p>Threads: one at a time.
 */
final class SnapshotEvidence {
    /** Types between which no value changes. */
    private static final String TEXT = "text|character varying.*";

    private static final String GONE = "a row that is not there does not tell who deleted it";

    private final PipelineConfig config;
    private final LaneConfig lane;
    private final SnapshotPair pair;
    private final ComparedTable table;
    private final TableMapping mapping;
    private final Evidence policy;
    /** Of the key. */
    private final int width;

    SnapshotEvidence(PipelineConfig config, LaneConfig lane, SnapshotPair pair, ComparedTable table) {
        this.config = config;
        this.lane = lane;
        this.pair = pair;
        this.table = table;
        this.mapping = table.mapping();
        this.policy = config.verify().evidence();
        this.width = table.key().size();
    }

    /** @throws SQLException if a connection is lost */
    List<ConfirmedRow> of(List<Divergence> found) throws SQLException {
        List<List<String>> here = keys(found, Kind.EXTRA);
        List<List<String>> there = keys(found, Kind.MISSING);
        Map<List<String>, String[]> source = answers(pair.source(), table.source(), here, shown(table.source()));
        Map<List<String>, String[]> target = answers(pair.target(), table.target(), there, shown(table.target()));
        Map<List<String>, Long> letters = tried(
                        pair.target(), to -> ParkedRows.read(to, config.nameInTarget(lane), mapping.source()))
                .orElse(Map.of());
        Optional<RowFilter> filter =
                tried(pair.source(), from -> RowFilter.read(from, lane, table, here)).orElse(Optional.empty());
        Map<String, String> drifts = tried(pair.source(), from -> drifts()).orElse(Map.of());
        RowWriters writers = tried(pair.target(), to -> RowWriters.read(to, config.nameInTarget(lane), mapping.source()))
                .orElseGet(RowWriters::unknown);
        Map<List<String>, String[]> written =
                writers.canTell() ? answers(pair.target(), table.target(), there, writers.asked(mapping.target())) : Map.of();
        ObjectNode taken = taken();
        List<ConfirmedRow> rows = new ArrayList<>();
        for (Divergence row : found) {
            String[] values = target.get(row.key());
            List<String> causes = new ArrayList<>();
            Optional.ofNullable(letters.get(row.key())).ifPresent(id -> causes.add("dead letter %d holds it back".formatted(id)));
            placeholders(row, values).ifPresent(causes::add);
            row.columns().stream().map(drifts::get).filter(drift -> drift != null).findFirst().ifPresent(causes::add);
            filter.filter(some -> some.unsent().contains(row.key())).ifPresent(some -> causes.add(some.cause()));
            Optional<Writer> writer = Optional.ofNullable(written.get(row.key())).map(writers::of);
            writer.flatMap(Writer::cause).ifPresent(causes::add);
            ObjectNode evidence = taken.deepCopy();
            writer.flatMap(Writer::evidence).ifPresent(json -> evidence.set("writtenInTarget", json));
            evidence.set("columns", columns(row, source.get(row.key()), values));
            Optional.ofNullable(letters.get(row.key())).ifPresent(id -> evidence.put("deadLetter", id));
            String doubt = row.kind() == Kind.MISSING ? GONE : writer.map(Writer::doubt).orElse(writers.doubt());
            rows.add(new ConfirmedRow(row, evidence, causes, doubt));
        }
        return rows;
    }

    /** Of rows that one side has. */
    private static List<List<String>> keys(List<Divergence> found, Kind lacking) {
        return found.stream().filter(row -> row.kind() != lacking).map(Divergence::key).toList();
    }

    private List<String> shown(ComparedSide side) {
        return side.values().stream().map(value -> ShownValue.sql(policy, value.expression(), side.key())).toList();
    }

    // ---- questions to a side

    /** By key, what was asked. */
    private Map<List<String>, String[]> answers(
            Connection connection, ComparedSide side, Collection<List<String>> keys, List<String> asked) throws SQLException {
        if (keys.isEmpty()) {
            return Map.of();
        }
        String from = side.from(new RowCondition.Keys(keys, width));
        return tried(connection, of -> Questions.answers(of, side.rowsSql(from, asked.stream()), width)).orElse(Map.of());
    }

    /** When and where the row was seen. */
    private ObjectNode taken() throws SQLException {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("at", pair.at().toString());
        try (Statement statement = pair.source().createStatement();
                ResultSet row = statement.executeQuery("SELECT pg_current_snapshot()::text")) {
            row.next();
            json.put("sourceSnapshot", row.getString(1));
        }
        json.put("sourcePosition", pair.position().toString());
        json.put("targetEpoch", pair.epoch()).put("targetSeq", pair.seq());
        return json;
    }

    // ---- values

    /** Those that differ, or all of the side that has the row; a side that lacks it is left out. */
    private ObjectNode columns(Divergence row, String[] source, String[] target) {
        ObjectNode columns = JsonNodeFactory.instance.objectNode();
        List<String> names = table.columns();
        for (int i = 0; i < names.size(); i++) {
            if (row.columns().isEmpty() || row.columns().contains(names.get(i))) {
                ObjectNode column = columns.putObject(names.get(i));
                if (source != null) {
                    column.set("source", ShownValue.json(policy, source[i]));
                }
                if (target != null) {
                    column.set("target", ShownValue.json(policy, target[i]));
                }
            }
        }
        return columns;
    }

    private Optional<String> placeholders(Divergence row, String[] target) {
        List<String> names = table.columns();
        String placeholders = row.columns().stream()
                .filter(column -> target != null && ShownValue.isPlaceholder(target[names.indexOf(column)]))
                .collect(Collectors.joining(", "));
        return placeholders.isEmpty() ? Optional.empty() : Optional.of("TOAST placeholder in " + placeholders);
    }

    // ---- causes

    /** By source column, for those whose types are not the same on both sides. */
    private Map<String, String> drifts() throws SQLException {
        TableShape here = Catalog.read(pair.source(), List.of(mapping.source())).get(mapping.source());
        TableShape there = Catalog.read(pair.target(), List.of(mapping.target())).get(mapping.target());
        Map<String, String> drifts = new HashMap<>();
        for (Column column : here.columns()) {
            there.column(mapping.targetColumn(column.name())).ifPresent(other -> {
                boolean isText = column.type().matches(TEXT) && other.type().matches(TEXT);
                if (!column.type().equals(other.type()) && !isText) {
                    drifts.put(column.name(), "schema drift: %s is %s at the source and %s in the target"
                            .formatted(column.name(), column.type(), other.type()));
                }
            });
        }
        return drifts;
    }
}
