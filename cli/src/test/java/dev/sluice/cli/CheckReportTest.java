package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.process.Finding;
import dev.sluice.process.Finding.Level;
import java.util.List;
import org.junit.jupiter.api.Test;

class CheckReportTest {

    private final CheckReport report = new CheckReport("shop", List.of(
            new Finding(Level.ERROR, "source public.orders", "has no usable key", "ALTER TABLE …;"),
            new Finding(Level.WARNING, "source db1:5432/m", "keeps WAL without limit", "ALTER SYSTEM …;"),
            new Finding(Level.ERROR, "target sales.orders", "does not exist", "CREATE TABLE …;")));

    @Test
    void findingsAreGroupedBySideWithTheCureBelowTheProblem() {
        assertThat(report.table())
                .isEqualTo(
                        """
                        source
                          ERROR    public.orders  has no usable key
                                                  cure: ALTER TABLE …;
                          WARNING  db1:5432/m     keeps WAL without limit
                                                  cure: ALTER SYSTEM …;
                        kafka: nothing found
                        target
                          ERROR    sales.orders  does not exist
                                                 cure: CREATE TABLE …;
                        shop: 2 errors, 1 warning""");
    }

    @Test
    void asJsonEveryFindingHasItsFields() {
        assertThat(report.json())
                .contains("\"errors\" : 2", "\"warnings\" : 1", "\"subject\" : \"target sales.orders\"", "\"level\" : \"ERROR\"");
    }

    @Test
    void withoutErrorsNothingKeepsAProcessFromStarting() {
        assertThat(new CheckReport("shop", List.of()).errors()).isZero();
    }
}
