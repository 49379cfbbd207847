package dev.sluice.reconciler;

import dev.sluice.reconciler.ComparedColumn.State;
import dev.sluice.reconciler.ComparedSide.Value;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.Stream;

/**
 * Whether the comparison of a table would see a change: of every compared column, on both sides, and of rows as such.
 *
 * <p>The statements that compare ({@link ComparedSide}) are given a sample row, once as it is and once with each of the
 * {@link Mutations} of one column. Digest and row must look otherwise each time, and the row in that column alone. What a value
 * really is the output function of its type says.
 *
 * <p>Only reads. Cost: a statement for each column and side, of a row among the first {@value MutatedSample#LOOKED_AT} of the table.
 */
final class SelfTest {
    private static final String LONGEST = "10s";

    /** Of SQLSTATEs that say nothing about a column: connection, resources, shutdown, locks, privileges, conflicts. */
    private static final List<String> NOT_OF_THE_COLUMN = List.of("08", "53", "57P", "55P03", "42501", "40");

    private final Connection connection;
    private final ComparedSide side;
    private final String role;
    private final Map<String, ColumnType> types;
    private final MutatedSample sample;
    private final long seed = ThreadLocalRandom.current().nextLong();
    private final Set<String> longTried;
    private final List<String> unseen = new ArrayList<>();

    /**
     * @param columns that are compared, in the order of the comparison
     * @param unseen what the comparison does not see, with the cure; empty if it sees everything that was tried
     */
    record Result(List<ComparedColumn> columns, List<String> unseen) {}

    private SelfTest(Connection connection, ComparedSide side, String role, Set<String> longTried) throws SQLException {
        this.connection = connection;
        this.side = side;
        this.role = role;
        this.longTried = longTried;
        types = ColumnType.read(connection, side.table());
        sample = new MutatedSample(side, types);
    }

    /**
     * Both connections are in a transaction, with the settings of {@link Snapshots}.
     *
     * @param longTried expressions that were tried with long values; those of this table are added
     * @throws SQLException if a table cannot be read or its server does not answer; not if a statement fails for a column's type
     */
    static Result run(Connection source, ComparedSide here, Connection target, ComparedSide there, Set<String> longTried)
            throws SQLException {
        SelfTest atSource = new SelfTest(source, here, "source", longTried);
        SelfTest inTarget = new SelfTest(target, there, "target", longTried);
        Map<String, ComparedColumn> columns = new LinkedHashMap<>();
        Stream.concat(atSource.columns().stream(), inTarget.columns().stream())
                .forEach(found -> columns.merge(found.name(), found, SelfTest::worse));
        List<ComparedColumn> inOrder = here.values().stream().map(value -> columns.get(value.name())).toList();
        return new Result(inOrder, Stream.concat(atSource.unseen.stream(), inTarget.unseen.stream()).toList());
    }

    private static ComparedColumn worse(ComparedColumn one, ComparedColumn other) {
        List<State> worstFirst = List.of(State.BLIND, State.UNTESTED, State.NO_SAMPLE, State.COMPARED);
        return worstFirst.indexOf(one.state()) <= worstFirst.indexOf(other.state()) ? one : other;
    }

    private List<ComparedColumn> columns() throws SQLException {
        execute("SET LOCAL statement_timeout = '" + LONGEST + "'");
        List<ComparedColumn> columns = new ArrayList<>();
        for (Value value : side.values()) {
            if (value.column().isPresent()) {
                columns.add(column(value, value.column().get()));
            }
        }
        attempt(() -> new MutatedRows(side).unseen(connection, seed)
                        .ifPresent(what -> unseen.add("the comparison does not see %s of the %s".formatted(what, role))))
                .ifPresent(state -> unseen.add("two rows of the %s cannot be compared, SQLSTATE %s".formatted(role, state)));
        execute("SET LOCAL statement_timeout = 0");
        return columns;
    }

    private ComparedColumn column(Value value, String column) throws SQLException {
        ColumnType type = types.get(column);
        List<Mutations> all = new ArrayList<>(Mutations.of(type, sample.sampled(column), sample.other(column)));
        // the same expression does the same for another column, and long values take long
        if (!longTried.add(role + ": " + value.expression().replace(TableId.quote(column), "_"))) {
            all.removeIf(Mutations::isLong);
        }
        List<ComparedColumn> found = new ArrayList<>();
        Optional<String> refused = attempt(() -> found.add(tried(value, column, all)));
        if (refused.isPresent() && !type.isBuiltIn()) { // it may not take what is made up for it
            refused = attempt(() -> found.add(
                    tried(value, column, Mutations.atLeast(type, sample.sampled(column), sample.other(column)))));
        }
        return refused.isEmpty()
                ? found.get(0)
                : new ComparedColumn(
                        value.name(), State.UNTESTED, "could not be tried in the %s, SQLSTATE %s".formatted(role, refused.get()));
    }

    /** What a value looks like to the comparison. */
    private record Look(String really, List<String> digest, List<String> row) {}

    private ComparedColumn tried(Value value, String column, List<Mutations> all) throws SQLException {
        List<Look> looks = looks(sample.sql(value, column, all, seed));
        if (looks.isEmpty()) {
            String where = "no value among the first %,d rows of the %s".formatted(MutatedSample.LOOKED_AT, role);
            return new ComparedColumn(value.name(), State.NO_SAMPLE, where);
        }
        int first = 1;
        for (Mutations mutations : all) {
            List<Look> group = looks.subList(first, first + mutations.values().size());
            first += group.size();
            if (!areToldApart(group, value, looks.get(0).really())) {
                return blind(value, column, mutations.what());
            }
        }
        return ComparedColumn.compared(value.name());
    }

    private List<Look> looks(String sql) throws SQLException {
        List<Look> looks = new ArrayList<>();
        try (Statement query = connection.createStatement();
                ResultSet row = query.executeQuery(sql)) {
            int width = row.getMetaData().getColumnCount();
            while (row.next()) {
                List<String> texts = new ArrayList<>();
                for (int i = 2; i <= width; i++) {
                    texts.add(row.getString(i));
                }
                looks.add(new Look(texts.get(0), texts.subList(1, 4), texts.subList(4, texts.size())));
            }
        }
        return looks;
    }

    private boolean areToldApart(List<Look> group, Value value, String sampled) {
        for (int i = 0; i < group.size(); i++) {
            for (int j = 0; j < i; j++) {
                boolean isChange = !group.get(i).really().equals(group.get(j).really());
                // a constant is only told from what is not it
                boolean isAsked = value.only().isEmpty()
                        || group.get(i).really().equals(sampled)
                        || group.get(j).really().equals(sampled);
                if (isChange && isAsked && !areToldApart(group.get(i), group.get(j), value)) {
                    return false;
                }
            }
        }
        return true;
    }

    private boolean areToldApart(Look one, Look other, Value value) {
        if (one.digest().equals(other.digest())) {
            return false;
        }
        if (!side.hasKey()) {
            return !one.row().equals(other.row());
        }
        int width = side.key().size();
        for (int i = 0; i < side.values().size(); i++) {
            boolean isSame = Objects.equals(one.row().get(width + i), other.row().get(width + i));
            boolean isIt = side.values().get(i).name().equals(value.name());
            // what is computed from the column may change with it
            if (side.values().get(i).column().isPresent() && isSame == isIt) {
                return false;
            }
        }
        return true;
    }

    private ComparedColumn blind(Value value, String column, String what) {
        String cast = types.get(column).textCast();
        String sees = "the comparison does not see %s of column %s of the %s".formatted(what, column, role);
        unseen.add(sees + "; " + (cast.isEmpty()
                ? "leave the column out (exclude), and compare it by other means"
                : cast + " it takes the place of the type's own text"));
        return new ComparedColumn(value.name(), State.BLIND, sees);
    }

    private interface Work {
        void run() throws SQLException;
    }

    /** Gives the SQLSTATE if a statement fails for what it says; the transaction goes on. Not the message: it may hold values. */
    private Optional<String> attempt(Work work) throws SQLException {
        Savepoint before = connection.setSavepoint();
        try {
            work.run();
            connection.releaseSavepoint(before);
            return Optional.empty();
        } catch (SQLException e) {
            String state = String.valueOf(e.getSQLState());
            if (NOT_OF_THE_COLUMN.stream().anyMatch(state::startsWith)) {
                throw e;
            }
            connection.rollback(before);
            return Optional.of(state);
        }
    }

    private void execute(String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }
}
