package dev.sluice.apply;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.apply.MicroBatch.Step;
import dev.sluice.apply.RowChange.Key;
import dev.sluice.apply.RowChange.Kind;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class MicroBatchTest {
    private final TargetTable table = TestTables.withKey("t", false);
    private final TargetTable other = TestTables.withKey("other", false);

    @Test
    void onlyTheLastStateOfARowIsWritten() {
        List<Step> steps = MicroBatch.fold(List.of(upsert("1", "a"), upsert("2", "b"), upsert("1", "c"), delete("2")))
                .orElseThrow();

        assertThat(steps).hasSize(1);
        assertThat(steps.get(0).rows().get(table).of(Kind.UPSERT)).containsExactly(upsert("1", "c"));
        assertThat(steps.get(0).rows().get(table).of(Kind.DELETE)).containsExactly(delete("2"));
    }

    @Test
    void aPartialChangeKeepsWhatTheOneBeforeItSaid() {
        List<Step> steps = MicroBatch.fold(List.of(upsert("1", "a", "long text"), patch("1", "b"))).orElseThrow();

        RowChange written = steps.get(0).rows().get(table).of(Kind.UPSERT).get(0);
        assertThat(written.values()).containsExactly("1", "b", "long text");
    }

    @Test
    void aPartialChangeBehindADeletionNeedsTheOrder() {
        assertThat(MicroBatch.fold(List.of(delete("1"), patch("1", "b")))).isEmpty();
    }

    @Test
    void aTruncationStaysBetweenWhatCameBeforeAndAfterIt() {
        List<Step> steps = MicroBatch.fold(List.of(upsert("1", "a"), truncate(table), truncate(other), upsert("1", "b")))
                .orElseThrow();

        assertThat(steps).hasSize(2);
        assertThat(steps.get(0).rows().get(table).of(Kind.UPSERT)).containsExactly(upsert("1", "a"));
        assertThat(steps.get(1).truncated()).containsExactly(table, other);
        assertThat(steps.get(1).rows().get(table).of(Kind.UPSERT)).containsExactly(upsert("1", "b"));
    }

    @Test
    void rowsWithoutAKeyAreNotFoldedAndKeepTheirOrder() {
        RowChange put = new RowChange(other, Kind.ROW, null, new String[] {"1"}, null);
        RowChange changed = new RowChange(other, Kind.ROW, null, new String[] {"2"}, Key.of("1"));
        RowChange gone = new RowChange(other, Kind.ROW, null, null, Key.of("2"));

        List<Step> steps = MicroBatch.fold(List.of(put, upsert("1", "a"), put, changed, gone, truncate(other), put))
                .orElseThrow();

        assertThat(steps).hasSize(2);
        assertThat(steps.get(0).keyless()).containsExactly(put, put, changed, gone);
        assertThat(steps.get(0).rows().get(table).of(Kind.UPSERT)).containsExactly(upsert("1", "a"));
        assertThat(steps.get(1).keyless()).containsExactly(put);
    }

    @Test
    void aChangeOfKeyStaysBetweenWhatCameBeforeAndAfterIt() {
        RowChange move = new RowChange(table, Kind.MOVE, Key.of("2"), new String[] {"2", "a"}, Key.of("1"));

        List<Step> steps = MicroBatch.fold(List.of(upsert("1", "a"), move, upsert("1", "new"))).orElseThrow();

        assertThat(steps).hasSize(2);
        assertThat(steps.get(1).moves()).containsExactly(move);
        assertThat(steps.get(1).rows().get(table).of(Kind.UPSERT)).containsExactly(upsert("1", "new"));
    }

    @Test
    void arraysHoldNullsQuotesAndBackslashesAsTheyAre() {
        List<String> values = Arrays.asList("plain", null, "NULL", "", "a\"b", "c\\d", "{x,y}");

        assertThat(new ArrayText().of(values, value -> value))
                .isEqualTo("{\"plain\",NULL,\"NULL\",\"\",\"a\\\"b\",\"c\\\\d\",\"{x,y}\"}");
    }

    /** Changes made before, so that the same words give the same object and lists of them can be compared. */
    private final Map<List<Object>, RowChange> made = new HashMap<>();

    private RowChange upsert(String... values) {
        return made.computeIfAbsent(
                List.of(Kind.UPSERT, List.of(values)),
                same -> new RowChange(table, Kind.UPSERT, Key.of(values[0]), values, null));
    }

    private RowChange delete(String id) {
        return made.computeIfAbsent(
                List.of(Kind.DELETE, id), same -> new RowChange(table, Kind.DELETE, Key.of(id), null, null));
    }

    private RowChange patch(String id, String value) {
        return new RowChange(table, Kind.PATCH, Key.of(id), new String[] {id, value, RowChange.ABSENT}, null);
    }

    private static RowChange truncate(TargetTable table) {
        return new RowChange(table, Kind.TRUNCATE, null, null, null);
    }
}
