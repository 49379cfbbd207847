package dev.sluice.apply;

import dev.sluice.apply.MicroBatch.Rows;
import dev.sluice.apply.MicroBatch.Step;
import dev.sluice.apply.RowChange.Kind;
import dev.sluice.apply.TargetTable.OneRow;
import dev.sluice.apply.TargetTable.Suppressed;
import dev.sluice.process.Failpoints;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Types;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/**
 * Writes rows within the caller's transaction: fast as sets, or exactly in the order of the source.
 *
 * <p>Sets: children's deletes first, then parents' rows first, then the deletes that cascade, which agrees with foreign keys
 * in all but rare cases. What they refuse, the caller rolls back and gives to {@link #writeInOrder}.
 *
 * <p>Triggers: tables of which some are {@link Suppressed} are written in the role of a replica, all others as anybody
 * writes. The role is set within the transaction, and outside of {@link #writeAsSets} it is always the ordinary one.
 *
 * <p>Threads: the lane's.
 */
final class TargetWriter {
    /** Set statements that PostgreSQL runs well at any table size; beyond it the arrays grow without gain. */
    private static final int SET_ROWS = 1_000;

    /** object_in_use */
    private static final String CHECKS_PENDING = "55006";

    private final Connection connection;
    private final TargetTables tables;
    private final TableOrder order;
    private final Set<TableId> deletedLate;
    private final Reread reread;
    private final ArrayText text = new ArrayText();
    private final Map<String, PreparedStatement> statements = new HashMap<>();
    private final boolean deletesForTruncate;
    private TargetTable last;
    /** The session's role is that of a replica, in which ordinary triggers do not fire. */
    private boolean isReplica;
    /** Of the source, of which changes are being written, 32 bits. */
    private Set<Long> transactions = Set.of();
    /** What was read at the source for changes of these transactions; some are tried again and again. */
    private final Map<RowChange, RowChange> given = new IdentityHashMap<>();

    TargetWriter(Connection connection, TargetTables tables) {
        this(connection, tables, false);
    }

    /**
     * For one table by itself: where others refer to it, the server truncates it only together with them. Deleting its rows
     * comes to the same.
     */
    static TargetWriter deletingForTruncate(Connection connection, TargetTables tables) {
        return new TargetWriter(connection, tables, true);
    }

    private TargetWriter(Connection connection, TargetTables tables, boolean deletesForTruncate) {
        this.deletesForTruncate = deletesForTruncate;
        this.connection = connection;
        this.tables = tables;
        this.order = tables.order();
        this.deletedLate = order.withAncestors(tables.cascading());
        this.reread = tables.reread();
    }

    /** The changes that come are of these transactions of the source: what is read there must not be of a time before them. */
    void awaitedAtSource(Set<Long> transactions) {
        this.transactions = transactions;
        given.clear();
    }

    /** The table of the last statement; null if there was none. */
    TargetTable last() {
        return last;
    }

    /** @throws SQLException with the server's state, or {@link NeedsOrder}; the transaction is then spoilt */
    void writeAsSets(List<RowChange> changes) throws SQLException {
        isReplica = false; // whatever a refused set had set, its rollback has taken back
        List<Step> steps = MicroBatch.fold(changes).orElseThrow(NeedsOrder::new);
        giveInputsTo(steps);
        for (Step step : steps) {
            truncate(step.truncated());
            for (RowChange move : step.moves()) {
                move(given.getOrDefault(move, move));
            }
            List<TargetTable> tables = new ArrayList<>(step.rows().keySet());
            tables.sort(Comparator.comparing(TargetTable::id, order.parentsFirst()));
            delete(tables, step, table -> !isDeletedLate(table));
            for (TargetTable table : tables) {
                Rows rows = step.rows().get(table);
                for (Map.Entry<Written, List<RowChange>> some : bySameColumns(rows.of(Kind.UPSERT)).entrySet()) {
                    upsert(some.getKey(), some.getValue());
                }
                List<RowChange> patches = rows.of(Kind.PATCH);
                patches.replaceAll(change -> given.getOrDefault(change, change));
                for (Map.Entry<Written, List<RowChange>> some : bySameColumns(patches).entrySet()) {
                    patch(some.getKey(), some.getValue());
                }
            }
            writeKeyless(step.keyless());
            delete(tables, step, this::isDeletedLate);
        }
        role(false);
        Failpoints.reach("apply.in-transaction");
    }

    /** To changes that lack what columns are computed from. */
    private void giveInputsTo(List<Step> steps) {
        List<RowChange> lacking = new ArrayList<>();
        for (Step step : steps) {
            step.moves().stream().filter(TargetWriter::lacksInputs).forEach(lacking::add);
            step.rows().forEach((table, rows) -> {
                if (table.isComputed()) {
                    rows.of(Kind.PATCH).stream().filter(TargetWriter::lacksInputs).forEach(lacking::add);
                }
            });
        }
        giveInputs(lacking);
    }

    private void giveInputs(Collection<RowChange> lacking) {
        List<RowChange> asked = lacking.stream().filter(change -> !given.containsKey(change)).toList();
        if (!asked.isEmpty()) {
            Map<RowChange, RowChange> found = reread.withInputs(asked, transactions);
            asked.forEach(change -> given.put(change, found.getOrDefault(change, change)));
        }
    }

    private static boolean lacksInputs(RowChange change) {
        return change.table().isComputed() && !change.table().lackedInputs(change).isEmpty();
    }

    /**
     * A row whose deletion reaches rows of other tables is deleted behind all else: those that the source has moved away
     * from it before are then out of its reach. So are its table's own parents, which go after their children.
     */
    private boolean isDeletedLate(TargetTable table) {
        return deletedLate.contains(table.id());
    }

    private void delete(List<TargetTable> parentsFirst, Step step, Predicate<TargetTable> isDue) throws SQLException {
        for (int i = parentsFirst.size() - 1; i >= 0; i--) {
            TargetTable table = parentsFirst.get(i);
            if (isDue.test(table)) {
                Rows rows = step.rows().get(table);
                List<RowChange> deleted = rows.of(Kind.DELETE);
                if (isDeletedLate(table) && !deleted.isEmpty() && !table.hasPlainKey() && !rows.of(Kind.UPSERT).isEmpty()) {
                    throw new NeedsOrder(); // the deletion of key 1.0 would take the new row 1.00
                }
                delete(table, deleted);
            }
        }
    }

    /**
     * As sets where the target takes them, else in smaller ones, down to single rows, in the order of the source.
     *
     * @throws Failure.Poison naming the first row that can never be written
     */
    void writeInOrder(List<RowChange> changes) throws SQLException {
        ExactOrder exact = inOrder();
        exact.write(changes);
        exact.finish();
        Failpoints.reach("apply.in-transaction");
    }

    /**
     * As {@link #writeInOrder}, but parks the rows that can never be written.
     *
     * @throws Parking.BreakerOpens if that are too many
     */
    void writeApart(List<RowChange> changes, Parking parking) throws SQLException {
        ExactOrder apart = apart(parking);
        apart.write(changes);
        apart.finish();
        Failpoints.reach("apply.in-transaction");
    }

    /** For a transaction that comes in parts. */
    ExactOrder inOrder() {
        return new ExactOrder(target(false));
    }

    /** For a transaction that comes in parts. What cannot be written is parked. */
    ExactOrder apart(Parking parking) {
        return new ExactOrder(target(tables.hasDeferrable()), parking);
    }

    /** @param isChecked constraints are checked after each attempt, deferred ones too: COMMIT does not say which row it was */
    private ExactOrder.Target target(boolean isChecked) {
        return new ExactOrder.Target() {
            @Override
            public Optional<SQLException> attempt(List<RowChange> changes) throws SQLException {
                return TargetWriter.this.attempt(() -> {
                    writeAsSets(changes);
                    check();
                });
            }

            private void check() throws SQLException {
                if (isChecked) {
                    try (Statement check = connection.createStatement()) {
                        check.execute("SET CONSTRAINTS ALL IMMEDIATE");
                        check.execute("SET CONSTRAINTS ALL DEFERRED");
                    }
                }
            }

            @Override
            public Optional<SQLException> attemptAnew(List<RowChange> old, List<RowChange> anew) throws SQLException {
                return TargetWriter.this.attempt(() -> {
                    giveInputs(anew.stream().filter(TargetWriter::lacksInputs).toList());
                    List<RowChange> whole =
                            completed(anew.stream().map(change -> given.getOrDefault(change, change)).toList(), old);
                    deleteAll(old);
                    writeAsSets(whole);
                    check();
                });
            }

            @Override
            public Optional<RowChange> reread(RowChange change) {
                return reread.row(change, transactions);
            }
        };
    }

    /** The new rows, with the values of the old ones where they do not say. */
    private List<RowChange> completed(List<RowChange> anew, List<RowChange> old) throws SQLException {
        List<RowChange> whole = new ArrayList<>();
        for (int i = 0; i < anew.size(); i++) {
            whole.add(completed(anew.get(i), old.get(i)));
        }
        return whole;
    }

    /** The session prints a value so that it reads the same value from it. */
    private RowChange completed(RowChange anew, RowChange old) throws SQLException {
        TargetTable table = anew.table();
        int[] absent = table.keptPlaces(anew);
        if (absent.length == 0) {
            return anew;
        }
        PreparedStatement read = prepared(table.readSql(absent));
        bindKeys(read, List.of(old));
        String[] values = new String[table.width()];
        Arrays.setAll(values, anew::value);
        try (ResultSet row = read.executeQuery()) {
            if (!row.next()) {
                throw new MissingRows(table, 1);
            }
            for (int i = 0; i < absent.length; i++) {
                values[absent[i]] = row.getString(i + 1);
            }
        }
        return new RowChange(table, anew.kind(), anew.key(), values, anew.oldKey());
    }

    /** @throws MissingRows unless each of the rows is there */
    private void deleteAll(List<RowChange> rows) throws SQLException {
        isReplica = false;
        Map<TargetTable, List<RowChange>> byTable = new LinkedHashMap<>();
        rows.forEach(row -> byTable.computeIfAbsent(row.table(), table -> new ArrayList<>()).add(row));
        List<TargetTable> tables = new ArrayList<>(byTable.keySet());
        tables.sort(Comparator.comparing(TargetTable::id, order.parentsFirst().reversed()));
        for (TargetTable table : tables) {
            List<RowChange> some = byTable.get(table);
            requireAll(table, some, delete(table, some));
        }
        role(false);
    }

    private interface Writing {
        void run() throws SQLException;
    }

    private Optional<SQLException> attempt(Writing writing) throws SQLException {
        Savepoint before = connection.setSavepoint();
        try {
            writing.run();
            connection.releaseSavepoint(before);
            return Optional.empty();
        } catch (SQLException e) {
            if (!TargetFailures.isAboutRows(e)) {
                throw e;
            }
            connection.rollback(before);
            connection.releaseSavepoint(before); // a rollback leaves it open, and the next one would nest in it
            return Optional.of(e);
        }
    }

    /** A change needs the order it came in. The state is of class 22 so that it counts as a matter of rows. */
    static final class NeedsOrder extends SQLException {
        private static final long serialVersionUID = 1L;

        NeedsOrder() {
            super("a change needs the order it came in", "22SL2");
        }
    }

    private void writing(TargetTable table) throws SQLException {
        last = table;
        role(table.suppressed() == Suppressed.ALL);
    }

    /** For statements that delete rows or change their keys. */
    private void writingKeys(TargetTable table) throws SQLException {
        last = table;
        role(table.suppressed() != Suppressed.NONE);
    }

    /** A change of role costs a round trip and the session's plans. */
    private void role(boolean replica) throws SQLException {
        if (replica != isReplica) {
            try (Statement set = connection.createStatement()) {
                set.execute("SET LOCAL session_replication_role = " + (replica ? "replica" : "origin"));
            }
            isReplica = replica;
        }
    }

    private void truncate(Set<TargetTable> tables) throws SQLException {
        if (!tables.isEmpty()) {
            last = tables.iterator().next();
            role(tables.stream().anyMatch(table -> table.suppressed() == Suppressed.ALL));
            String sql = (deletesForTruncate ? "DELETE FROM " : "TRUNCATE ")
                    + tables.stream().map(table -> table.id().quoted()).collect(Collectors.joining(", "));
            try (Statement truncate = connection.createStatement()) {
                if (this.tables.hasDeferrable()) {
                    truncateChecked(truncate, sql, tables);
                } else {
                    truncate.execute(sql);
                }
            }
        }
    }

    /**
     * The server does not truncate a table while checks of its rows are put off: by rows of the source transactions before,
     * which stand in the same target transaction, or because all constraints are deferred here that can be.
     */
    private void truncateChecked(Statement truncate, String sql, Set<TargetTable> truncated) throws SQLException {
        Savepoint before = connection.setSavepoint();
        try {
            truncate.execute(sql);
        } catch (SQLException e) {
            if (!CHECKS_PENDING.equals(e.getSQLState())) {
                throw e;
            }
            connection.rollback(before);
            tables.checkNow(connection, truncated.stream().map(TargetTable::id).toList());
            truncate.execute(sql);
            tables.deferConstraints(connection);
        }
        connection.releaseSavepoint(before);
    }

    /** Statements are kept, and their values could be large. */
    private static int execute(PreparedStatement statement) throws SQLException {
        int rows = statement.executeUpdate();
        statement.clearParameters();
        return rows;
    }

    private int delete(TargetTable table, List<RowChange> rows) throws SQLException {
        int found = 0;
        for (List<RowChange> some : parts(rows)) {
            writingKeys(table);
            PreparedStatement delete = prepared(table.deleteSql());
            bindKeys(delete, some);
            found += execute(delete);
        }
        return found;
    }

    private void bindKeys(PreparedStatement statement, List<RowChange> rows) throws SQLException {
        for (int key = 0; key < rows.get(0).table().keyPlaces().length; key++) {
            int index = key;
            statement.setObject(key + 1, text.of(rows, row -> row.key().values().get(index)), Types.OTHER);
        }
    }

    private void upsert(Written written, List<RowChange> rows) throws SQLException {
        for (List<RowChange> some : parts(rows)) {
            writing(written.table());
            PreparedStatement upsert = prepared(written.table().upsertSql(written.places()));
            int parameter = bindValues(upsert, written, some);
            for (String constant : written.table().constants()) {
                upsert.setString(parameter++, constant);
            }
            int found = execute(upsert);
            if (!written.table().identitiesBesideKey().isEmpty()) {
                requireAll(written.table(), some, found);
            }
        }
    }

    private void patch(Written written, List<RowChange> rows) throws SQLException {
        for (List<RowChange> some : parts(rows)) {
            writing(written.table());
            PreparedStatement patch = prepared(written.table().patchSql(written.places()));
            bindValues(patch, written, some);
            requireAll(written.table(), some, execute(patch));
        }
    }

    private void move(RowChange change) throws SQLException {
        Written written = written(change);
        writingKeys(written.table());
        PreparedStatement move = prepared(written.table().moveSql(written.places()));
        List<RowChange> one = List.of(change);
        int parameter = bindValues(move, written, one);
        for (int key = 0; key < change.table().keyPlaces().length; key++) {
            int index = key;
            move.setObject(parameter++, text.of(one, row -> row.oldKey().values().get(index)), Types.OTHER);
        }
        requireAll(change.table(), one, execute(move));
    }

    /** In order; rows that are put in one after another go together. */
    private void writeKeyless(List<RowChange> changes) throws SQLException {
        List<RowChange> inserted = new ArrayList<>();
        for (RowChange change : changes) {
            if (change.oldKey() != null
                    || !inserted.isEmpty() && !written(inserted.get(0)).equals(written(change))) {
                insert(inserted);
                inserted.clear();
            }
            if (change.oldKey() == null) {
                inserted.add(change);
            } else {
                replaceOne(change);
            }
        }
        insert(inserted);
    }

    private void insert(List<RowChange> rows) throws SQLException {
        for (List<RowChange> some : parts(rows)) {
            Written written = written(some.get(0));
            writing(written.table());
            PreparedStatement insert = prepared(written.table().insertSql(written.places()));
            int parameter = bindValues(insert, written, some);
            for (String constant : written.table().constants()) {
                insert.setString(parameter++, constant);
            }
            execute(insert);
        }
    }

    private void replaceOne(RowChange change) throws SQLException {
        TargetTable table = change.table();
        RowChange old = new RowChange(table, Kind.ROW, null, change.oldKey().values().toArray(new String[0]), null);
        writing(table);
        if (change.values() == null) {
            one(table, change, table.deleteOne(old));
        } else if (table.changesIdentityAlways(old, change)) { // cannot be updated
            one(table, change, table.deleteOne(old));
            insert(List.of(change));
        } else {
            one(table, change, table.updateOne(old, change));
        }
    }

    /** Its SQL depends on which values are NULL, so the driver keeps the statements that come often. */
    private void one(TargetTable table, RowChange change, OneRow one) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(one.sql())) {
            for (int i = 0; i < one.parameters().size(); i++) {
                statement.setString(i + 1, one.parameters().get(i));
            }
            requireAll(table, List.of(change), execute(statement));
        }
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
            super(table.keyNames().isEmpty() ? keyless(table) : message(table, count), "22SL1");
        }

        private static String keyless(TargetTable table) {
            return ("%s, which has no key, lacks the row that the change names by all its values; somebody else has written"
                            + " there, or the replica identity at the source is not FULL any more")
                    .formatted(table.id());
        }

        private static String message(TargetTable table, int count) {
            List<String> identities = table.identitiesBesideKey();
            return "%d rows of %s are missing in the target, and the change carries only some of their columns"
                            .formatted(count, table.id())
                    + (identities.isEmpty()
                            ? ""
                            : ("; or it changes %s, GENERATED ALWAYS AS IDENTITY (cure: ALTER TABLE %s ALTER COLUMN %s"
                                            + " SET GENERATED BY DEFAULT)")
                                    .formatted(String.join(", ", identities), table.id().quoted(), identities.get(0)));
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
        return new Written(table, table.sentPlaces(place -> !RowChange.isAbsent(change.value(place))));
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
