package dev.sluice.process;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

class OutageTest {
    private final Outage outage = new Outage(LoggerFactory.getLogger(OutageTest.class), "main", "streaming");

    @Test
    void thePausesGrowUntilItIsOver() {
        long first = outage.met("away").toMillis();
        long second = outage.met("away").toMillis();
        outage.over();

        assertThat(second).isGreaterThan(first);
        assertThat(outage.met("away").toMillis()).isLessThan(second);
    }
}
