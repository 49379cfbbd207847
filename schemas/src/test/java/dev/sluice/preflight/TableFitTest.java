package dev.sluice.preflight;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.catalog.Column;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.TableMapping;
import dev.sluice.process.Finding;
import dev.sluice.schemas.TableId;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class TableFitTest {

    private static final TableId ORDERS = TableId.parse("public.orders");
    private static final TableMapping SAME = TableMapping.identity(ORDERS, "main");

    private final Findings findings = new Findings("target");

    @Test
    void aTableFitsItsCopy() {
        TableShape shape = table(List.of("id"), key("id"), plain("note", "text"), generated("total"));

        fit(SAME, shape, shape);

        assertThat(findings.list()).isEmpty();
    }

    @Test
    void aColumnThatTheTargetLacksIsAnErrorUnlessItIsExcluded() {
        TableShape from = table(List.of("id"), key("id"), plain("note", "text"));
        TableShape to = table(List.of("id"), key("id"));

        fit(SAME, from, to);
        fit(new TableMapping(ORDERS, ORDERS, "main", Map.of(), Set.of("note"), Map.of()), from, to);

        assertThat(findings.list())
                .containsExactly(new Finding(
                        Finding.Level.ERROR,
                        "target public.orders",
                        "has no column 'note'",
                        "ALTER TABLE \"public\".\"orders\" ADD COLUMN \"note\" text; or exclude 'note'"));
    }

    @Test
    void aRequiredTargetColumnMustBeFilledByAColumnOrAConstant() {
        TableShape from = table(List.of("id"), key("id"), plain("cust", "bigint"));
        TableShape to = table(List.of("id"), key("id"), required("customer"), required("origin"));
        Map<String, String> rename = Map.of("cust", "customer");

        fit(new TableMapping(ORDERS, ORDERS, "main", rename, Set.of(), Map.of("origin", "x")), from, to);
        assertThat(problems(Finding.Level.ERROR)).isEmpty();

        fit(new TableMapping(ORDERS, ORDERS, "main", rename, Set.of(), Map.of()), from, to);
        assertThat(problems(Finding.Level.ERROR))
                .containsExactly("nothing fills column 'origin', which is NOT NULL and has no default");
    }

    @Test
    void aGeneratedColumnFitsOnlyAGeneratedOne() {
        TableShape computed = table(List.of("id"), key("id"), generated("total"));
        TableShape stored = table(List.of("id"), key("id"), plain("total", "bigint"));

        fit(SAME, computed, stored);
        fit(SAME, stored, computed);

        assertThat(problems(Finding.Level.ERROR))
                .containsExactly(
                        "column 'total' is generated at the source, so its values are not sent",
                        "column 'total' is generated and cannot be written");
    }

    @Test
    void theKeyNeedsAUniqueIndexOnExactlyItsTargetColumns() {
        TableShape from = table(List.of("id"), key("id"), key("line"));
        TableShape wider = table(List.of("number", "line"), key("number"), key("line"));
        TableShape exact = table(List.of("number"), key("number"), key("line"));
        TableMapping mapping = new TableMapping(ORDERS, ORDERS, "main", Map.of("id", "number"), Set.of(), Map.of());

        fit(mapping, from, exact);
        assertThat(findings.list()).isEmpty();

        fit(mapping, from, wider);
        assertThat(findings.list()).singleElement().satisfies(finding -> {
            assertThat(finding.problem()).startsWith("has no unique index on exactly the key (number)");
            assertThat(finding.cure()).isEqualTo("CREATE UNIQUE INDEX ON \"public\".\"orders\" (\"number\");");
        });
    }

    @Test
    void anotherTypeIsAWarning() {
        fit(
                SAME,
                table(List.of("id"), key("id"), plain("note", "text")),
                table(List.of("id"), key("id"), plain("note", "character varying(10)")));

        assertThat(problems(Finding.Level.WARNING)).singleElement().asString().contains("character varying(10)", "text");
        assertThat(problems(Finding.Level.ERROR)).isEmpty();
    }

    @Test
    void theTableThatWouldFitIsWrittenOut() {
        TableShape from = table(List.of("id"), key("id"), plain("cust", "bigint"), plain("note", "text"), generated("total"));
        TableMapping mapping = new TableMapping(
                ORDERS, TableId.parse("sales.orders"), "main", Map.of("cust", "customer"), Set.of("note"), Map.of("origin", "x"));

        assertThat(TableFit.createSql(mapping, from))
                .isEqualTo("CREATE TABLE \"sales\".\"orders\" (\"id\" bigint NOT NULL, \"customer\" bigint,"
                        + " \"origin\" text, PRIMARY KEY (\"id\"));");
    }

    private void fit(TableMapping mapping, TableShape from, TableShape to) {
        TableFit fit = new TableFit(mapping, to, findings);
        fit.columns(from);
        fit.keys(from);
    }

    private List<String> problems(Finding.Level level) {
        return findings.list().stream().filter(finding -> finding.level() == level).map(Finding::problem).toList();
    }

    private static TableShape table(List<String> primaryKey, Column... columns) {
        return new TableShape(
                ORDERS, 'r', 'p', List.of(columns), primaryKey, 'd', List.of(), List.of(primaryKey), false);
    }

    private static Column key(String name) {
        return new Column(name, "bigint", 20, true, false, false, false);
    }

    private static Column plain(String name, String type) {
        return new Column(name, type, 0, false, false, false, false);
    }

    private static Column required(String name) {
        return new Column(name, "bigint", 20, true, false, false, false);
    }

    private static Column generated(String name) {
        return new Column(name, "bigint", 20, false, true, true, false);
    }
}
