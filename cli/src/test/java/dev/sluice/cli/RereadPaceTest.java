package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

class RereadPaceTest {
    private final RereadPace pace = new RereadPace();

    @Test
    void thePaceIsThatOfTheLastSeconds() {
        for (int second = 0; second <= 60; second++) {
            pace.add(nanos(second), second < 30 ? second : 30 + (second - 30) * 100L);
        }

        assertThat(pace.rowsPerSecond()).hasValue(100);
    }

    @Test
    void whileNothingWasReadNoTimePasses() {
        pace.add(nanos(0), 0);
        pace.add(nanos(14), 0);
        pace.add(nanos(16), 1_000);

        assertThat(pace.rowsPerSecond()).hasValue(500);
    }

    @Test
    void aTableThatBeginsAnewHasNoPaceYet() {
        pace.add(nanos(0), 0);
        pace.add(nanos(5), 5_000);
        pace.add(nanos(6), 100);

        assertThat(pace.rowsPerSecond()).isEmpty();
    }

    @Test
    void oneLookTellsNothing() {
        assertThat(pace.rowsPerSecond()).isEmpty();
        pace.add(nanos(0), 500);
        assertThat(pace.rowsPerSecond()).isEmpty();
    }

    @Test
    void theTimeToGoIsRoundedUp() {
        assertThat(RereadPace.toGo(0, 101, OptionalLong.of(100))).contains(Duration.ofSeconds(2));
        assertThat(RereadPace.toGo(1, 101, OptionalLong.of(100))).contains(Duration.ofSeconds(1));
        assertThat(RereadPace.toGo(101, 101, OptionalLong.of(100))).isEmpty();
        assertThat(RereadPace.toGo(1, 101, OptionalLong.empty())).isEmpty();
    }

    private static long nanos(long second) {
        return Duration.ofSeconds(second).toNanos();
    }
}
