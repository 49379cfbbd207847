package dev.sluice.schemas;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class SourceSnapshotTest {
    private static final long ROUND = 1L << 32;

    @Test
    void aTransactionIsSeenIfItHadEnded() {
        SourceSnapshot snapshot = SourceSnapshot.parse("100:110:100,105");

        assertThat(snapshot.sees(99)).isTrue();
        assertThat(snapshot.sees(101)).isTrue();
        assertThat(snapshot.sees(100)).isFalse();
        assertThat(snapshot.sees(105)).isFalse();
        assertThat(snapshot.sees(110)).isFalse();
        assertThat(snapshot.isBehind(99)).isTrue();
        assertThat(snapshot.isBehind(101)).isFalse();
    }

    @Test
    void aSnapshotWithoutRunningTransactionsIsRead() {
        assertThat(SourceSnapshot.parse("7:7:").sees(6)).isTrue();
    }

    @Test
    void transactionsOnBothSidesOfTheCountersEndAreTold() {
        SourceSnapshot justAfter = SourceSnapshot.parse("%d:%d:%d".formatted(3 * ROUND - 2, 3 * ROUND + 5, 3 * ROUND - 2));

        assertThat(justAfter.sees(ROUND - 2)).isFalse();
        assertThat(justAfter.sees(ROUND - 1)).isTrue();
        assertThat(justAfter.sees(4)).isTrue();
        assertThat(justAfter.sees(5)).isFalse();

        SourceSnapshot justBefore = SourceSnapshot.parse("%1$d:%1$d:".formatted(3 * ROUND - 3));

        assertThat(justBefore.sees(ROUND - 4)).isTrue();
        assertThat(justBefore.sees(ROUND - 3)).isFalse();
        assertThat(justBefore.sees(2)).as("begun after the counter went round").isFalse();
    }

    @Test
    void whatIsNoSnapshotIsRefused() {
        assertThatThrownBy(() -> SourceSnapshot.parse("12")).isInstanceOf(IllegalArgumentException.class).hasMessageContaining("12");
    }
}
