package dev.sluice.apply;

import dev.sluice.apply.RowChange.Kind;
import dev.sluice.catalog.Catalog;
import dev.sluice.catalog.Column;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Databases;
import dev.sluice.config.TextForm;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads single rows again from the source: those that a change presupposes and the target does not have, and long values that
 * a change did not send and that columns are computed from.
 *
 * <p>The row comes as it is now, which may be later than the change; the changes between then and now follow in the stream
 * and end where the row is already. A row that is gone at the source is gone here when the stream gets there. It is never
 * earlier than the change: a commit shows in the log before it shows in snapshots, so that is waited for.
 *
 * <p>Threads: the lane's, or that of a reader for which the lane waits. The connection is kept from one row to the next: where
 * a condition has left rows out there may be many.
 */
final class Reread implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Reread.class);

    private static final long PATIENCE_NANOS = Duration.ofSeconds(4).toNanos();

    private final DatabaseConfig source;
    /** Rows that were there and rows that were not, by table. */
    private final Map<Boolean, Map<TableId, Long>> counts = Map.of(true, new HashMap<>(), false, new HashMap<>());
    private Connection kept;

    Reread(DatabaseConfig source) {
        this.source = source;
    }

    /**
     * The row that the change leaves behind, whole; empty if the source does not have it any more.
     *
     * @param transactions of the source, 32 bits, that must have been seen
     * @throws Failure.Retryable if the source cannot be asked
     */
    Optional<RowChange> row(RowChange change, Set<Long> transactions) {
        TargetTable table = change.table();
        try {
            Optional<RowChange> row = ask(transactions, connection -> {
                TableShape shape = Catalog.read(connection, List.of(table.source())).get(table.source());
                return shape == null ? Optional.empty() : read(connection, change, shape);
            });
            say(table, row.isPresent());
            return row;
        } catch (SQLException e) {
            throw failed(table, e);
        }
    }

    private Failure failed(TargetTable table, SQLException e) {
        Optional<LargeRow> large = LargeRow.in(e);
        if (large.isPresent()) {
            return new Failure.Fatal(
                    Stop.SETUP,
                    "source %s: reading a row of %s again: %s".formatted(source.address(), table.source(), large.get().getMessage()),
                    "SLUICE_JAVA_OPTS=-Xmx…",
                    e);
        }
        return new Failure.Retryable(
                "source %s: reading a row of %s again (SQLSTATE %s)".formatted(source.address(), table.source(), e.getSQLState()),
                e);
    }

    /**
     * The changes, each with the values of {@link TargetTable#lackedInputs} as the source has them now under its key. One whose
     * row is gone is left out.
     *
     * @param transactions of the source, 32 bits, that must have been seen
     * @throws Failure.Retryable if the source cannot be asked
     */
    Map<RowChange, RowChange> withInputs(List<RowChange> changes, Set<Long> transactions) {
        Map<TargetTable, Map<List<String>, List<RowChange>>> groups = new LinkedHashMap<>();
        changes.forEach(change -> groups.computeIfAbsent(change.table(), table -> new LinkedHashMap<>())
                .computeIfAbsent(change.table().lackedInputs(change), lacked -> new ArrayList<>())
                .add(change));
        TargetTable first = changes.get(0).table();
        try {
            return ask(transactions, connection -> {
                Map<RowChange, RowChange> given = new IdentityHashMap<>();
                for (Map.Entry<TargetTable, Map<List<String>, List<RowChange>>> group : groups.entrySet()) {
                    TableId table = group.getKey().source();
                    TableShape shape = Catalog.read(connection, List.of(table)).get(table);
                    for (Map.Entry<List<String>, List<RowChange>> some : group.getValue().entrySet()) {
                        List<String> lacked = some.getKey();
                        if (shape != null && lacked.stream().allMatch(name -> shape.column(name).isPresent())) {
                            giveInputs(connection, shape, lacked, some.getValue(), given);
                        } // else the stream stops where the columns have gone
                    }
                }
                return given;
            });
        } catch (SQLException e) {
            throw failed(first, e);
        }
    }

    private static void giveInputs(
            Connection connection, TableShape shape, List<String> lacked, List<RowChange> changes, Map<RowChange, RowChange> given)
            throws SQLException {
        TargetTable table = changes.get(0).table();
        List<String> key = table.keyNames();
        Map<String, ColumnType> types = keyTypes(connection, shape, key);
        List<String> arrays = new ArrayList<>();
        List<String> names = new ArrayList<>();
        List<String> same = new ArrayList<>();
        for (int i = 0; i < key.size(); i++) {
            arrays.add("?::text[]");
            names.add("k" + i);
            ColumnType type = types.get(key.get(i));
            same.add(type.same("s." + TableId.quote(key.get(i)), type.cast("k.k" + i)));
        }
        String sql = "SELECT k.n, "
                + lacked.stream().map(name -> "s." + TableId.quote(name) + "::text").collect(Collectors.joining(", "))
                + " FROM unnest(" + String.join(", ", arrays) + ") WITH ORDINALITY AS k(" + String.join(", ", names) + ", n) JOIN "
                + table.source().quoted() + " AS s ON " + String.join(" AND ", same);
        ArrayText text = new ArrayText();
        try (PreparedStatement query = connection.prepareStatement(sql)) {
            for (int i = 0; i < key.size(); i++) {
                int index = i;
                query.setObject(i + 1, text.of(changes, change -> change.key().values().get(index)), Types.OTHER);
            }
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    RowChange change = changes.get(row.getInt(1) - 1);
                    Map<String, String> inputs = new HashMap<>();
                    for (int i = 0; i < lacked.size(); i++) {
                        inputs.put(lacked.get(i), row.getString(i + 2));
                    }
                    given.put(change, table.with(change, inputs));
                }
            }
        }
    }

    private static void awaitSeen(Connection connection, Set<Long> transactions) throws SQLException {
        try {
            long began = System.nanoTime();
            while (!transactions.stream().allMatch(SourceSql.snapshot(connection)::sees)) {
                if (System.nanoTime() - began > PATIENCE_NANOS) {
                    throw new Failure.Retryable(
                            "the source does not show a transaction yet that it has sent: its commit waits for a standby", null);
                }
                TimeUnit.MILLISECONDS.sleep(1);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Failure.Retryable("interrupted", e);
        }
    }

    private interface Question<T> {
        T ask(Connection source) throws SQLException;
    }

    /** A connection that was kept may have been cut since. */
    private <T> T ask(Set<Long> transactions, Question<T> question) throws SQLException {
        boolean isKept = kept != null;
        try {
            return askOnce(transactions, question);
        } catch (SQLException e) {
            close();
            if (isKept) {
                return askOnce(transactions, question);
            }
            throw e;
        }
    }

    private <T> T askOnce(Set<Long> transactions, Question<T> question) throws SQLException {
        if (kept == null) {
            kept = Databases.connectBriefly(source, "sluice-apply reread");
            LargeRow.refuse(kept);
            try (Statement set = kept.createStatement()) {
                set.execute(TextForm.sql());
            }
        }
        awaitSeen(kept, transactions);
        return question.ask(kept);
    }

    /** At the first row of a table of which the same is true, the second, the fourth and so on: there may be thousands. */
    private void say(TargetTable table, boolean isThere) {
        long count = counts.get(isThere).merge(table.source(), 1L, Long::sum);
        if (Long.bitCount(count) == 1) {
            log.warn(
                    "{}: a row that a change of some columns presupposes is missing; {}, key columns {}; {} such rows of it"
                            + " since this run began; somebody else writes to the target, its first copy was not whole, a condition"
                            + " has left rows out, or it is being read from the source",
                    table.id(),
                    isThere ? "it is taken from the source as it is now" : "the source has it no more, so it is left out",
                    table.keyNames(),
                    count);
        }
    }

    @Override
    public void close() {
        try {
            if (kept != null) {
                kept.close();
            }
        } catch (SQLException e) {
            log.debug("closing: {}", e.getMessage());
        }
        kept = null;
    }

    private static Optional<RowChange> read(Connection connection, RowChange change, TableShape shape) throws SQLException {
        TargetTable table = change.table();
        table.requireInputsIn(shape);
        List<String> columns = table.sourceColumns(shape);
        Map<Integer, ColumnType> types =
                ColumnType.read(connection, shape.columns().stream().map(Column::typeOid).toList());
        String sql = "SELECT "
                + columns.stream().map(column -> TableId.quote(column) + "::text").collect(Collectors.joining(", "))
                + " FROM " + table.source().quoted() + " WHERE "
                + ColumnType.matches(table.keyNames(), shape, types);
        try (PreparedStatement query = connection.prepareStatement(sql)) {
            for (int i = 0; i < table.keyNames().size(); i++) {
                query.setString(i + 1, change.key().values().get(i));
            }
            try (ResultSet row = query.executeQuery()) {
                if (!row.next()) {
                    return Optional.empty();
                }
                int[] places = columns.stream().mapToInt(table::place).toArray();
                String[] values = new String[table.width()];
                Arrays.fill(values, RowChange.ABSENT);
                for (int i = 0; i < places.length; i++) {
                    values[places[i]] = row.getString(i + 1);
                }
                return Optional.of(new RowChange(table, Kind.UPSERT, change.key(), values, null));
            }
        }
    }

    private static Map<String, ColumnType> keyTypes(Connection connection, TableShape shape, List<String> key)
            throws SQLException {
        Map<String, Integer> oids = new HashMap<>();
        shape.columns().stream()
                .filter(column -> key.contains(column.name()))
                .forEach(column -> oids.put(column.name(), column.typeOid()));
        Map<Integer, ColumnType> types = ColumnType.read(connection, oids.values());
        return key.stream().collect(Collectors.toMap(Function.identity(), name -> types.get(oids.get(name))));
    }
}
