package dev.sluice.apply;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.apply.RowChange.Key;
import dev.sluice.apply.RowChange.Kind;
import dev.sluice.schemas.Failure;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ExactOrderTest {
    private final TargetTable table = TestTables.withKey("t", false);
    private final TargetTable parent = TestTables.withKey("parent", true);
    private final UniqueRows target = new UniqueRows();
    private final ExactOrder order = new ExactOrder(target);

    @Test
    void aValueThatChangesHandsInACircleThroughAThirdIsWritten() throws SQLException {
        target.has(row(1, "a"), row(2, "b"));

        write(row(1, "temporary"), row(2, "a"), row(1, "b"));

        assertThat(target.rows).containsExactly(Map.entry("1", "b"), Map.entry("2", "a"));
    }

    @Test
    void aRowWaitsForTheOneThatStillHasItsValue() throws SQLException {
        target.has(row(1, "a"), row(2, "b"), row(3, "c"));

        write(row(1, "b"), row(2, "c"), row(3, "d"));

        assertThat(target.rows).containsExactly(Map.entry("1", "b"), Map.entry("2", "c"), Map.entry("3", "d"));
    }

    @Test
    void keysThatAllShiftByOneTakeAFewAttemptsEach() throws SQLException {
        IntStream.rangeClosed(1, 1_000).forEach(id -> target.has(row(id, "v" + id)));

        write(IntStream.rangeClosed(1, 1_000).mapToObj(id -> move(id, id + 1, "v" + id)).toArray(RowChange[]::new));

        assertThat(target.rows).hasSize(1_000).containsEntry("2", "v1").containsEntry("1001", "v1000").doesNotContainKey("1");
        assertThat(target.attempts).isLessThan(4_000);
    }

    @Test
    void aRowThatWaitsIsNotOvertakenByItsLaterChanges() throws SQLException {
        target.has(row(1, "a"), row(2, "b"));

        order.write(List.of(row(1, "b")));
        order.write(List.of(row(1, "c"), delete(1), row(1, "d")));
        order.write(List.of(row(2, "e")));
        order.finish();

        assertThat(target.rows).containsExactly(Map.entry("1", "d"), Map.entry("2", "e"));
    }

    @Test
    void aRowThatMovesTwiceMovesInThisOrder() throws SQLException {
        target.has(row(1, "a"), row(9, "b"));

        write(move(1, 2, "b"), move(2, 3, "b"), row(9, "c"));

        assertThat(target.rows).containsExactly(Map.entry("3", "b"), Map.entry("9", "c"));
    }

    @Test
    void nothingIsWrittenBehindATruncationThatWaits() throws SQLException {
        target.has(row(1, "a"), row(2, "b"));

        order.write(List.of(row(1, "b")));
        order.write(List.of(truncate(), truncate(), row(3, "c")));
        assertThat(target.rows).containsOnlyKeys("1", "2");
        order.write(List.of(row(2, "x")));
        assertThat(target.rows).as("the row that is waited for comes behind the truncation").containsOnlyKeys("1", "2");

        assertThatThrownBy(order::finish).isInstanceOf(Failure.Poison.class);
    }

    @Test
    void theTruncationOfSeveralTablesIsNeverCut() throws SQLException {
        target.has(row(1, "a"), row(2, "b"));
        target.refusesLoneTruncation = true;

        write(row(1, "b"), row(2, "c"), truncate(), truncate(), row(3, "z"));

        assertThat(target.rows).containsExactly(Map.entry("3", "z"));
    }

    @Test
    void aDeletionThatReachesOtherRowsLetsWaitingOnesMoveAway() throws SQLException {
        target.has(row(1, "a"), row(2, "b"));

        order.write(List.of(row(1, "b")));
        order.write(List.of(new RowChange(parent, Kind.DELETE, Key.of("7"), null, null)));
        assertThat(target.deletedParents).isEmpty();
        order.write(List.of(row(2, "c")));
        order.finish();

        assertThat(target.deletedParents).containsExactly("7");
    }

    @Test
    void valuesThatChangeHandsInACircleAreWrittenAnew() throws SQLException {
        target.has(row(1, "a"), row(2, "b"), row(3, "c"), row(4, "d"));

        write(row(1, "b"), row(2, "c"), row(3, "a"), row(4, "e"));

        assertThat(target.rows)
                .containsExactly(Map.entry("1", "b"), Map.entry("2", "c"), Map.entry("3", "a"), Map.entry("4", "e"));
    }

    @Test
    void keysThatChangeHandsInACircleAreWrittenAnew() throws SQLException {
        target.has(row(1, "a"), row(2, "b"));

        write(move(1, 2, "a"), move(2, 1, "b"));

        assertThat(target.rows).containsExactly(Map.entry("1", "b"), Map.entry("2", "a"));
    }

    @Test
    void aRowThatGoesAndComesBackIsNoCircle() {
        target.has(row(1, "a"), row(9, "b"));

        assertThatThrownBy(() -> write(move(1, 2, "b"), move(2, 1, "a"))).isInstanceOf(Failure.Poison.class);
        assertThat(target.rows).containsExactly(Map.entry("1", "a"), Map.entry("9", "b"));
    }

    @Test
    void theFirstRowThatNothingHelpsIsNamed() throws SQLException {
        target.has(row(1, "a"), row(2, "b"));

        order.write(List.of(row(3, "c"), row(4, "a"), row(5, "b")));

        assertThatThrownBy(order::finish)
                .isInstanceOf(Failure.Poison.class)
                .hasMessageContaining("writing public.t")
                .hasMessageContaining("23505")
                .hasMessageContaining("UPSERT of key [id]=[4]");
        assertThat(target.rows).containsEntry("3", "c");
    }

    private void write(RowChange... changes) throws SQLException {
        order.write(List.of(changes));
        order.finish();
    }

    /** A table of keys and unique values, checked row by row. */
    private final class UniqueRows implements ExactOrder.Target {
        private final TreeMap<String, String> rows = new TreeMap<>();
        private final List<String> deletedParents = new ArrayList<>();
        private boolean refusesLoneTruncation;
        private int attempts;

        void has(RowChange... there) {
            for (RowChange row : there) {
                rows.put(row.key().values().get(0), row.values()[1]);
            }
        }

        @Override
        public Optional<SQLException> attempt(List<RowChange> changes) {
            attempts++;
            TreeMap<String, String> before = new TreeMap<>(rows);
            long truncations = changes.stream().filter(change -> change.kind() == Kind.TRUNCATE).count();
            boolean isTaken = !(refusesLoneTruncation && truncations == 1) && changes.stream().allMatch(this::apply);
            if (!isTaken) {
                rows.clear();
                rows.putAll(before);
                return Optional.of(new SQLException("duplicate", "23505"));
            }
            return Optional.empty();
        }

        @Override
        public Optional<SQLException> attemptAnew(List<RowChange> old, List<RowChange> anew) {
            TreeMap<String, String> before = new TreeMap<>(rows);
            boolean isThere = old.stream().allMatch(row -> rows.containsKey(row.key().values().get(0)));
            old.forEach(this::apply);
            Optional<SQLException> refusal =
                    isThere ? attempt(anew) : Optional.of(new SQLException("a row is missing", "22SL1"));
            if (refusal.isPresent()) {
                rows.clear();
                rows.putAll(before);
            }
            return refusal;
        }

        @Override
        public Optional<RowChange> reread(RowChange change) {
            return Optional.empty();
        }

        private boolean apply(RowChange change) {
            String key = change.key() == null ? "" : change.key().values().get(0);
            switch (change.kind()) {
                case TRUNCATE:
                    rows.clear();
                    return true;
                case DELETE:
                    if (change.table() == parent) {
                        deletedParents.add(key);
                    }
                    rows.remove(key);
                    return true;
                case MOVE:
                    String old = change.oldKey().values().get(0);
                    if (!rows.containsKey(old) || rows.containsKey(key)) {
                        return false;
                    }
                    String had = rows.remove(old);
                    if (rows.containsValue(change.values()[1])) {
                        rows.put(old, had);
                        return false;
                    }
                    rows.put(key, change.values()[1]);
                    return true;
                default:
                    String value = change.values()[1];
                    if (rows.containsValue(value) && !value.equals(rows.get(key))) {
                        return false;
                    }
                    rows.put(key, value);
                    return true;
            }
        }
    }

    private RowChange row(int id, String value) {
        return new RowChange(table, Kind.UPSERT, key(id), new String[] {Integer.toString(id), value}, null);
    }

    private RowChange move(int from, int to, String value) {
        return new RowChange(table, Kind.MOVE, key(to), new String[] {Integer.toString(to), value}, key(from));
    }

    private RowChange delete(int id) {
        return new RowChange(table, Kind.DELETE, key(id), null, null);
    }

    private RowChange truncate() {
        return new RowChange(table, Kind.TRUNCATE, null, null, null);
    }

    private static Key key(int id) {
        return Key.of(Integer.toString(id));
    }
}
