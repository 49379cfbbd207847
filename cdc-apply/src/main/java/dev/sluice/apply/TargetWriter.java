package dev.sluice.apply;

import dev.sluice.apply.MicroBatch.Rows;
import dev.sluice.apply.MicroBatch.Step;
import dev.sluice.apply.RowChange.Kind;
import dev.sluice.process.Failpoints;
import dev.sluice.schemas.Failure;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Types;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Writes rows within the caller's transaction: fast as sets, or exactly in the order of the source.
 *
 * <p>Sets: children's deletes first, then parents' rows first, which agrees with foreign keys in all but rare cases.
 * What they refuse, the caller rolls back and gives to {@link #writeInOrder}.
 *
 * <p>Threads: the lane's.
 */
final class TargetWriter {
    /** Set statements that PostgreSQL runs well at any table size; beyond it the arrays grow without gain. */
    private static final int SET_ROWS = 1_000;

    /** A refused batch is cut into parts of this size first: few rows of it are to blame, and they cost only their part. */
    private static final int FIRST_PART_ROWS = 64;

    private final Connection connection;
    private final TableOrder order;
    private final ArrayText text = new ArrayText();
    private final Map<String, PreparedStatement> statements = new HashMap<>();

    TargetWriter(Connection connection, TableOrder order) {
        this.connection = connection;
        this.order = order;
    }

    /** @throws SQLException with the server's state, or {@link NeedsOrder}; the transaction is then spoilt */
    void writeAsSets(List<RowChange> changes) throws SQLException {
        for (Step step : MicroBatch.fold(changes).orElseThrow(NeedsOrder::new)) {
            truncate(step.truncated());
            for (RowChange move : step.moves()) {
                move(move);
            }
            List<TargetTable> tables = new ArrayList<>(step.rows().keySet());
            tables.sort(Comparator.comparing(TargetTable::id, order.parentsFirst()));
            for (int i = tables.size() - 1; i >= 0; i--) {
                delete(tables.get(i), step.rows().get(tables.get(i)).of(Kind.DELETE));
            }
            for (TargetTable table : tables) {
                Rows rows = step.rows().get(table);
                for (Map.Entry<Written, List<RowChange>> some : bySameColumns(rows.of(Kind.UPSERT)).entrySet()) {
                    upsert(some.getKey(), some.getValue());
                }
                for (Map.Entry<Written, List<RowChange>> some : bySameColumns(rows.of(Kind.PATCH)).entrySet()) {
                    patch(some.getKey(), some.getValue());
                }
            }
        }
        Failpoints.reach("apply.in-transaction");
    }

    /**
     * As sets where the target takes them, else in smaller ones, down to single rows, always in the order of the source. A row
     * that is refused because of another one that comes later in the same source transaction (rows that refer to each
     * other, values that change hands) waits for it.
     *
     * @throws Failure.Poison naming the first row that can never be written
     */
    void writeInOrder(List<RowChange> changes) throws SQLException {
        Waiting waiting = new Waiting();
        writeParts(changes, waiting);
        while (!waiting.changes.isEmpty()) {
            int before = waiting.changes.size();
            retryWaiting(waiting);
            if (waiting.changes.size() == before) {
                RowChange first = waiting.changes.peek();
                throw new Failure.Poison(
                        "%s, %s of key %s"
                                .formatted(
                                        TargetFailures.translate("writing " + first.table().id(), waiting.refusal)
                                                .getMessage(),
                                        first.kind(),
                                        first.key() == null ? "-" : keyText(first)),
                        waiting.refusal);
            }
        }
        Failpoints.reach("apply.in-transaction");
    }

    /** Refused rows, and the keys that may not be written before them. */
    private static final class Waiting {
        final Deque<RowChange> changes = new ArrayDeque<>();
        final Set<Object> rows = new HashSet<>();
        SQLException refusal;

        void add(RowChange change) {
            changes.add(change);
            rows.add(identity(change, change.key()));
        }

        boolean holdsBack(RowChange change) {
            return !rows.isEmpty()
                    && (change.kind() == Kind.TRUNCATE
                            || rows.contains(identity(change, change.key()))
                            || change.oldKey() != null && rows.contains(identity(change, change.oldKey())));
        }
    }

    private void writeParts(List<RowChange> changes, Waiting waiting) throws SQLException {
        if (changes.isEmpty()) {
            return;
        }
        if (changes.stream().noneMatch(waiting::holdsBack)) {
            SQLException refusal = attempt(changes);
            if (refusal == null) {
                retryWaiting(waiting);
                return;
            }
            waiting.refusal = refusal;
        }
        if (changes.size() == 1) {
            waiting.add(changes.get(0));
            return;
        }
        int part = changes.size() > 2 * FIRST_PART_ROWS ? FIRST_PART_ROWS : (changes.size() + 1) / 2;
        for (int from = 0; from < changes.size(); from += part) {
            writeParts(changes.subList(from, Math.min(changes.size(), from + part)), waiting);
        }
    }

    private static String keyText(RowChange change) {
        return change.table().keyNames() + "=" + change.key().values();
    }

    private static Object identity(RowChange change, RowChange.Key key) {
        return List.of(change.table().id(), key);
    }

    /** Tries each waiting row once, in order. */
    private void retryWaiting(Waiting waiting) throws SQLException {
        if (waiting.changes.isEmpty()) {
            return;
        }
        List<RowChange> again = List.copyOf(waiting.changes);
        waiting.changes.clear();
        waiting.rows.clear();
        for (RowChange change : again) {
            SQLException refusal = waiting.holdsBack(change) ? waiting.refusal : attempt(List.of(change));
            if (refusal != null) {
                waiting.refusal = refusal;
                waiting.add(change);
            }
        }
    }

    /** Null if the changes were written, else why they were refused; the transaction goes on either way. */
    private SQLException attempt(List<RowChange> changes) throws SQLException {
        Savepoint before = connection.setSavepoint();
        try {
            writeAsSets(changes);
            connection.releaseSavepoint(before);
            return null;
        } catch (SQLException e) {
            if (!TargetFailures.isAboutRows(e)) {
                throw e;
            }
            connection.rollback(before);
            return e;
        }
    }

    /** A change needs the order it came in. The state is of class 22 so that it counts as a matter of rows. */
    static final class NeedsOrder extends SQLException {
        private static final long serialVersionUID = 1L;

        NeedsOrder() {
            super("a change needs the order it came in", "22SL2");
        }
    }

    private void truncate(Set<TargetTable> tables) throws SQLException {
        if (!tables.isEmpty()) {
            try (Statement truncate = connection.createStatement()) {
                truncate.execute("TRUNCATE "
                        + tables.stream().map(table -> table.id().quoted()).collect(Collectors.joining(", ")));
            }
        }
    }

    private void delete(TargetTable table, List<RowChange> rows) throws SQLException {
        for (List<RowChange> some : parts(rows)) {
            PreparedStatement delete = prepared(table.deleteSql());
            int parameter = 1;
            for (int key = 0; key < table.keyPlaces().length; key++) {
                int index = key;
                delete.setObject(
                        parameter++, text.of(some, row -> row.key().values().get(index)), Types.OTHER);
            }
            delete.executeUpdate();
        }
    }

    private void upsert(Written written, List<RowChange> rows) throws SQLException {
        for (List<RowChange> some : parts(rows)) {
            PreparedStatement upsert = prepared(written.table().upsertSql(written.places()));
            int parameter = bindValues(upsert, written, some);
            for (String constant : written.table().constants()) {
                upsert.setString(parameter++, constant);
            }
            upsert.executeUpdate();
        }
    }

    private void patch(Written written, List<RowChange> rows) throws SQLException {
        for (List<RowChange> some : parts(rows)) {
            PreparedStatement patch = prepared(written.table().patchSql(written.places()));
            bindValues(patch, written, some);
            requireAll(written.table(), some, patch.executeUpdate());
        }
    }

    private void move(RowChange change) throws SQLException {
        Written written = written(change);
        PreparedStatement move = prepared(written.table().moveSql(written.places()));
        List<RowChange> one = List.of(change);
        int parameter = bindValues(move, written, one);
        for (int key = 0; key < change.table().keyPlaces().length; key++) {
            int index = key;
            move.setObject(parameter++, text.of(one, row -> row.oldKey().values().get(index)), Types.OTHER);
        }
        requireAll(change.table(), one, move.executeUpdate());
    }

    /** A change that carries only some columns needs the row; made up from nothing it would be wrong. */
    private static void requireAll(TargetTable table, List<RowChange> rows, int found) throws SQLException {
        if (found != rows.size()) {
            throw new MissingRows(table, rows.size() - found);
        }
    }

    /** Rows that must be in the target are not. The state is of class 22 so that it counts as a matter of rows. */
    static final class MissingRows extends SQLException {
        private static final long serialVersionUID = 1L;

        MissingRows(TargetTable table, int count) {
            super(
                    "%d rows of %s are missing in the target, and the change carries only some of their columns"
                            .formatted(count, table.id()),
                    "22SL1");
        }
    }

    private int bindValues(PreparedStatement statement, Written written, List<RowChange> rows) throws SQLException {
        int parameter = 1;
        for (int place : written.places()) {
            statement.setObject(parameter++, text.of(rows, row -> row.value(place)), Types.OTHER);
        }
        return parameter;
    }

    private static List<List<RowChange>> parts(List<RowChange> rows) {
        if (rows.isEmpty()) {
            return List.of();
        }
        if (rows.size() <= SET_ROWS) {
            return List.of(rows);
        }
        List<List<RowChange>> parts = new ArrayList<>();
        for (int from = 0; from < rows.size(); from += SET_ROWS) {
            parts.add(rows.subList(from, Math.min(rows.size(), from + SET_ROWS)));
        }
        return parts;
    }

    /** The places that a change writes. */
    private record Written(TargetTable table, int[] places) {
        @Override
        public boolean equals(Object other) {
            return other instanceof Written w && w.table == table && Arrays.equals(w.places, places);
        }

        @Override
        public int hashCode() {
            return Arrays.hashCode(places);
        }
    }

    private static Written written(RowChange change) {
        TargetTable table = change.table();
        int[] places = new int[table.width()];
        int count = 0;
        for (int place = 0; place < table.width(); place++) {
            if (table.isWritten(place) && !RowChange.isAbsent(change.value(place))) {
                places[count++] = place;
            }
        }
        return new Written(table, Arrays.copyOf(places, count));
    }

    private static Map<Written, List<RowChange>> bySameColumns(List<RowChange> rows) {
        Map<Written, List<RowChange>> groups = new LinkedHashMap<>();
        rows.forEach(row -> groups.computeIfAbsent(written(row), w -> new ArrayList<>()).add(row));
        return groups;
    }

    private PreparedStatement prepared(String sql) throws SQLException {
        PreparedStatement statement = statements.get(sql);
        if (statement == null) {
            statement = connection.prepareStatement(sql);
            statements.put(sql, statement);
        }
        return statement;
    }
}
