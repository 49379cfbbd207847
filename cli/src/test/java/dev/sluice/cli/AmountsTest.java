package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AmountsTest {

    @ParameterizedTest
    @CsvSource({
        "0, 0 bytes", "1023, 1023 bytes", "1024, 1 kB", "1536, 1.5 kB", "10240, 10 kB", "1023999, 1.0 MB", "4718592, 4.5 MB",
        "5368709120, 5 GB", "-2048, -2 kB"
    })
    void sizesHaveThreeDigitsAtMost(long bytes, String text) {
        assertThat(Amounts.size(bytes)).isEqualTo(text);
    }

    @ParameterizedTest
    @CsvSource({
        "PT0S, 0 s", "PT0.01S, 0 s", "PT0.25S, 0.3 s", "PT9.97S, 10.0 s", "PT59.9S, 59 s", "PT2M10S, 2 min 10 s",
        "PT3H5M59S, 3 h 5 min", "P4DT2H, 4 d 2 h"
    })
    void timesHaveTheirTwoLargestUnits(Duration time, String text) {
        assertThat(Amounts.time(time)).isEqualTo(text);
    }
}
