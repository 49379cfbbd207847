package dev.sluice.transform;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.transform.ComputedColumn.Input;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ComputedColumnTest {
    @Test
    void theExpressionSeesTheSourcesColumnsAndNothingElse() {
        ComputedColumn column = new ComputedColumn(
                "x", "tables[0].transform.x", "(\"a b\" || 'c'::text)", Map.of("a b", new Input("\"pg_catalog\".\"text\"", "text")));

        assertThat(column.sql(name -> "u.c1"))
                .isEqualTo("(SELECT (\"a b\" || 'c'::text) FROM (SELECT u.c1 AS \"a b\") AS source)");
    }

    @Test
    void onlyOperatorsAreTakenForPlaceholders() {
        assertThat(ComputedColumn.withoutPlaceholders("(j ? 'it''s ?'::text) AND \"a?\" ?| E'\\\\?' AND j ? 'b'"))
                .isEqualTo("(j ?? 'it''s ?'::text) AND \"a?\" ??| E'\\\\?' AND j ?? 'b'");
    }
}
