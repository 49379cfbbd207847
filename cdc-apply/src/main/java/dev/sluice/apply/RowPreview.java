package dev.sluice.apply;

import dev.sluice.apply.RowPreview.Row.State;
import dev.sluice.catalog.Catalog;
import dev.sluice.catalog.Column;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.Databases;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * Single rows of a table on both sides, for a person. A row of the target is looked at when the lane has applied what the
 * source's snapshot has seen, and the source's then once more: a row that stayed as it was there must be the same here.
 *
 * <p>Threads: one.
 */
public final class RowPreview implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final int MOST_TRIES = 5;
    /** Which version of the row it is: a value may change there and back. */
    private static final String VERSION = " version";

    private final TableMapping mapping;
    private final String lane;
    private final Connection source;
    private final Connection target;
    private final TableShape here;
    private final TableShape there;
    private final Map<Integer, ColumnType> sourceTypes;
    private final Map<Integer, ColumnType> targetTypes;

    /**
     * One row.
     *
     * @param key as the source prints it, in key order
     * @param source texts of differing columns by source column; a constant has none
     * @param target texts of differing columns, named alike
     * @param differing source columns, or target columns of constants
     */
    public record Row(
            List<String> key,
            State state,
            Map<String, String> source,
            Map<String, String> target,
            List<String> differing) {
        public boolean isEqual() {
            return state == State.EQUAL || state == State.NOWHERE;
        }

        /** How the two sides are to each other. */
        public enum State {
            EQUAL,
            /** Neither side has it. */
            NOWHERE,
            MISSING,
            EXTRA,
            DIFFERING,
            /** It changes at the source too often, or the lane is too far behind, to say. */
            UNKNOWN
        }
    }

    private RowPreview(TableMapping mapping, String lane, Connection source, Connection target) throws SQLException {
        this.mapping = mapping;
        this.lane = lane;
        this.source = source;
        this.target = target;
        here = shape(source, mapping.source(), "source");
        there = shape(target, mapping.target(), "target");
        sourceTypes = ColumnType.read(source, here.columns().stream().map(Column::typeOid).toList());
        targetTypes = ColumnType.read(target, there.columns().stream().map(Column::typeOid).toList());
        if (here.keyColumns().isEmpty()) {
            throw new Failure.Fatal(
                    Stop.USAGE,
                    "%s has no key that would name a row".formatted(mapping.source()),
                    "make the whole table equal: `sluice resync --table %s`".formatted(mapping.source()));
        }
    }

    /** @throws Failure if a database cannot be reached, or the table has no key */
    public static RowPreview open(PipelineConfig pipeline, LaneConfig lane, TableMapping mapping) {
        try {
            Connection source = Databases.connect(pipeline.source(), "sluice-command");
            try {
                Connection target = Databases.connect(pipeline.target(), "sluice-command");
                for (Connection side : List.of(source, target)) {
                    SourceSql.prepare(side);
                }
                return new RowPreview(mapping, pipeline.nameInTarget(lane), source, target);
            } catch (SQLException | RuntimeException e) {
                source.close();
                throw e;
            }
        } catch (SQLException e) {
            throw failure(e);
        }
    }

    private static TableShape shape(Connection side, TableId id, String role) throws SQLException {
        TableShape shape = Catalog.read(side, List.of(id)).get(id);
        if (shape == null) {
            throw new Failure.Fatal(Stop.SETUP, "the %s has no table %s".formatted(role, id), "run `sluice check`");
        }
        return shape;
    }

    private static Failure failure(SQLException e) {
        return new Failure.Retryable("looking at rows: %s (SQLSTATE %s)".formatted(Databases.reason(e), e.getSQLState()), e);
    }

    /** The key's columns at the source, in key order. */
    public List<String> keyColumns() {
        return here.keyColumns();
    }

    /**
     * The key as the source prints it.
     *
     * @param values in key order
     * @throws Failure.Fatal if one is no value of its column's type
     */
    public List<String> canonical(List<String> values) {
        List<String> canonical = new ArrayList<>();
        for (int i = 0; i < values.size(); i++) {
            Column column = here.column(here.keyColumns().get(i)).orElseThrow();
            String sql = "SELECT " + sourceTypes.get(column.typeOid()).cast("?::text") + "::text";
            try (PreparedStatement query = source.prepareStatement(sql)) {
                query.setString(1, values.get(i));
                try (ResultSet row = query.executeQuery()) {
                    row.next();
                    canonical.add(row.getString(1));
                }
            } catch (SQLException e) {
                if (!String.valueOf(e.getSQLState()).startsWith("22")) {
                    throw failure(e);
                }
                throw new Failure.Fatal(
                        Stop.USAGE,
                        "'%s' is no value of key column %s, which is of type %s"
                                .formatted(values.get(i), column.name(), column.type()),
                        "give the key as the source prints it",
                        e);
            }
        }
        return canonical;
    }

    /**
     * How the rows stand on both sides, in the order of the keys.
     *
     * @param keys that are held in memory with the source's rows meanwhile
     */
    public List<Row> look(List<List<String>> keys) throws InterruptedException {
        try {
            Map<List<String>, Row> known = new HashMap<>();
            for (int i = 0; i < MOST_TRIES && !known.keySet().containsAll(keys); i++) {
                Map<List<String>, Optional<Map<String, String>>> before = new LinkedHashMap<>();
                for (List<String> key : keys) {
                    if (!known.containsKey(key)) {
                        before.put(key, sourceRow(key));
                    }
                }
                if (!awaitApplied()) {
                    break;
                }
                for (Map.Entry<List<String>, Optional<Map<String, String>>> row : before.entrySet()) {
                    Optional<Map<String, String>> found = targetRow(row.getKey());
                    if (sourceRow(row.getKey()).equals(row.getValue())) {
                        known.put(row.getKey(), row(row.getKey(), row.getValue(), found));
                    }
                }
            }
            return keys.stream().map(key -> known.getOrDefault(key, unknown(key))).toList();
        } catch (SQLException e) {
            throw failure(e);
        }
    }

    private static Row unknown(List<String> key) {
        return new Row(key, State.UNKNOWN, Map.of(), Map.of(), List.of());
    }

    private Row row(List<String> key, Optional<Map<String, String>> before, Optional<Map<String, String>> found) {
        before.ifPresent(row -> row.remove(VERSION));
        if (before.isEmpty() || found.isEmpty()) {
            State state = before.isPresent() ? State.MISSING : found.isPresent() ? State.EXTRA : State.NOWHERE;
            return new Row(key, state, Map.of(), Map.of(), List.of());
        }
        List<String> differing = found.get().keySet().stream()
                .filter(name -> !Objects.equals(found.get().get(name), before.get().getOrDefault(name, mapping.constants().get(name))))
                .toList();
        before.get().keySet().retainAll(differing);
        found.get().keySet().retainAll(differing);
        return new Row(key, differing.isEmpty() ? State.EQUAL : State.DIFFERING, before.get(), found.get(), differing);
    }

    private Optional<Map<String, String>> sourceRow(List<String> key) throws SQLException {
        Map<String, String> columns = new LinkedHashMap<>();
        columns.put(VERSION, "xmin::text || ' ' || ctid::text");
        carried().forEach(column -> columns.put(column.name(), TableId.quote(column.name()) + "::text"));
        return read(source, mapping.source(), here, sourceTypes, here.keyColumns(), columns, key);
    }

    private Optional<Map<String, String>> targetRow(List<String> key) throws SQLException {
        Map<String, String> columns = new LinkedHashMap<>();
        carried().forEach(column -> columns.put(column.name(), TableId.quote(mapping.targetColumn(column.name())) + "::text"));
        mapping.constants().forEach((name, value) -> there.column(name).ifPresent(column -> columns.put(
                name,
                // the text that was configured, where that is its value
                "CASE WHEN %1$s IS NOT DISTINCT FROM %2$s THEN %3$s ELSE %1$s::text END".formatted(
                        TableId.quote(name), targetTypes.get(column.typeOid()).cast(literal(value)), literal(value)))));
        List<String> keyThere = here.keyColumns().stream().map(mapping::targetColumn).toList();
        return read(target, mapping.target(), there, targetTypes, keyThere, columns, key);
    }

    private static String literal(String value) {
        return "'" + value.replace("'", "''") + "'";
    }

    /** Source columns that the target has. */
    private List<Column> carried() {
        return here.columns().stream()
                .filter(column -> !mapping.exclude().contains(column.name())
                        && there.column(mapping.targetColumn(column.name())).isPresent())
                .toList();
    }

    private static Optional<Map<String, String>> read(
            Connection side,
            TableId table,
            TableShape shape,
            Map<Integer, ColumnType> types,
            List<String> keyColumns,
            Map<String, String> columns,
            List<String> key)
            throws SQLException {
        String sql = "SELECT " + String.join(", ", columns.values()) + " FROM " + table.quoted() + " WHERE "
                + ColumnType.matches(keyColumns, shape, types);
        try (PreparedStatement query = side.prepareStatement(sql)) {
            for (int i = 0; i < key.size(); i++) {
                query.setString(i + 1, key.get(i));
            }
            try (ResultSet row = query.executeQuery()) {
                if (!row.next()) {
                    return Optional.empty();
                }
                Map<String, String> values = new LinkedHashMap<>();
                int place = 1;
                for (String name : columns.keySet()) {
                    values.put(name, row.getString(place++));
                }
                return Optional.of(values);
            }
        }
    }

    /** Whether the lane gets to where the source is now. */
    private boolean awaitApplied() throws SQLException, InterruptedException {
        Lsn until = SourceSql.position(source);
        SourceSql.mark(source, "repair");
        long began = System.nanoTime();
        while (System.nanoTime() - began < PATIENCE.toNanos()) {
            Optional<LaneStatus.Applied> applied = LaneStatus.read(target, lane).applied();
            if (applied.isPresent() && applied.get().end().compareTo(until) >= 0) {
                return true;
            }
            TimeUnit.MILLISECONDS.sleep(20);
        }
        return false;
    }

    @Override
    public void close() {
        try {
            source.close();
            target.close();
        } catch (SQLException e) {
            throw failure(e);
        }
    }
}
