package dev.sluice.reconciler;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.reconciler.RowDifference.Kind;
import dev.sluice.schemas.TableId;
import java.util.List;
import org.junit.jupiter.api.Test;

class ComparisonReportTest {
    private static final TableComparison EQUAL = table("customers", 7, 0, 0, 0, List.of());

    @Test
    void equalDatabasesAreSaidToBeEqualInOneLine() {
        ComparisonReport report = new ComparisonReport(List.of(EQUAL, EQUAL));

        assertThat(report.isEqual()).isTrue();
        assertThat(report.verdict()).isEqualTo("EQUAL: 2 tables, 14 rows, every compared column the same");
    }

    @Test
    void differencesAreCountedInTheVerdictAndListedAboveIt() {
        TableComparison different = table("orders", 5, 1, 2, 3, List.of(
                new RowDifference(Kind.MISSING, "id=1", List.of()),
                new RowDifference(Kind.EXTRA, "id=2", List.of()),
                new RowDifference(Kind.DIFFERING, "id=3", List.of("total", "note"))));

        ComparisonReport report = new ComparisonReport(List.of(EQUAL, different));

        assertThat(report.isEqual()).isFalse();
        assertThat(report.lines()).containsExactly(
                "public.customers: equal, 7 rows",
                "public.orders: DIFFERENT, 5 rows in the source and 6 in the target: 1 missing, 2 extra, 3 differing",
                "  missing in the target: id=1",
                "  extra in the target: id=2",
                "  differs: id=3 in total, note",
                "  … and 3 more",
                "DIFFERENT: 1 of 2 tables; 1 rows missing in the target, 2 extra, 3 differing");
    }

    private static TableComparison table(
            String name, long rows, long missing, long extra, long differing, List<RowDifference> differences) {
        TableId id = TableId.parse(name);
        return new TableComparison(id, id, rows, rows - missing + extra, missing, extra, differing, differences, List.of());
    }
}
