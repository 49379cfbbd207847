package dev.sluice.apply;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.apply.RereadStore.Range;
import dev.sluice.apply.RowChange.Key;
import java.util.List;
import org.junit.jupiter.api.Test;

class KeyIntervalsTest {
    private static final Key TEN = Key.of("10");
    private static final Key TWENTY = Key.of("20");
    private static final Key THIRTY = Key.of("30");

    @Test
    void aTableBeginsAsOneIntervalToDoAndEndsAsOneThatIsDone() {
        KeyIntervals<String> intervals = new KeyIntervals<>();

        assertThat(intervals.firstToDo()).contains(Range.ALL);
        intervals.read(Range.ALL, null, "all");
        assertThat(intervals.firstToDo()).isEmpty();
        assertThat(intervals.isDone()).isFalse();
        intervals.done("all");

        assertThat(intervals.isDone()).isTrue();
        assertThat(intervals.borders()).isEmpty();
    }

    @Test
    void partsAreTakenFromTheFrontAndBecomeOneWhenTheyAreDone() {
        KeyIntervals<String> intervals = new KeyIntervals<>();

        intervals.read(Range.ALL, TEN, "first");
        intervals.read(new Range(TEN, null), TWENTY, "second");
        assertThat(intervals.borders()).containsExactly(TEN, TWENTY);
        assertThat(intervals.state(0).reading()).isEqualTo("first");
        assertThat(intervals.state(1).reading()).isEqualTo("second");
        assertThat(intervals.state(2).isToDo()).isTrue();

        intervals.done("second");
        intervals.done("first");

        assertThat(intervals.borders()).containsExactly(TWENTY);
        assertThat(intervals.firstToDo()).contains(new Range(TWENTY, null));
    }

    @Test
    void aPartThatIsGivenUpIsToDoAgain() {
        KeyIntervals<String> intervals = new KeyIntervals<>();
        intervals.read(Range.ALL, TEN, "part");

        intervals.giveUp("part");

        assertThat(intervals.firstToDo()).contains(Range.ALL);
    }

    @Test
    void whatWasDoneBeforeARestartLeavesTheGapsToDo() {
        KeyIntervals<String> intervals = new KeyIntervals<>(
                List.of(new Range(null, TEN), new Range(TEN, TWENTY), new Range(THIRTY, null)));

        assertThat(intervals.borders()).containsExactly(TWENTY, THIRTY);
        assertThat(intervals.firstToDo()).contains(new Range(TWENTY, THIRTY));
        assertThat(intervals.state(0).isDone()).isTrue();
        assertThat(intervals.state(2).isDone()).isTrue();
    }
}
