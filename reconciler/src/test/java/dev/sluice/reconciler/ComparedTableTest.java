package dev.sluice.reconciler;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.catalog.Column;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class ComparedTableTest {
    private static final Column ID = column("id", "bigint", 20);
    private static final Column NAME = column("name", "text", 25);
    private static final Column WEIGHT = column("weight", "double precision", 701);
    private static final Column SECRET = column("secret", "text", 25);
    private static final Column CODE = column("code", "character(5)", 1042);

    @Test
    void theStatementsReadBothSidesAsTextsInOneOrder() throws IOException {
        TableMapping mapping = new TableMapping(
                TableId.parse("orders"),
                TableId.parse("sales.\"odd\"\"name\""),
                "main",
                Map.of("name", "label"),
                Set.of("secret"),
                Map.of("origin", "it's"));
        TableShape source = table("orders", List.of("id"), ID, NAME, WEIGHT, SECRET, CODE);
        TableShape target = table(
                "odd", List.of("id"), ID, column("label", "text", 25), WEIGHT, CODE, column("origin", "text", 25));

        ComparedTable compared = new ComparedTable(mapping, source, target);

        assertThat(compared.sourceSql() + ";\n\n" + compared.targetSql() + ";\n").isEqualTo(expected("keyed.sql"));
        assertThat(compared.columns()).containsExactly("id", "name", "weight", "code", "origin");
        assertThat(compared.notCompared()).containsExactly("secret (left out by the mapping)");
    }

    @Test
    void aTableWithoutAKeyIsReadAsDigestsOfItsRows() throws IOException {
        TableShape shape = table("log", List.of(), NAME, WEIGHT);

        ComparedTable compared = new ComparedTable(TableMapping.identity(TableId.parse("log"), "main"), shape, shape);

        assertThat(compared.hasKey()).isFalse();
        assertThat(compared.sourceSql() + ";\n").isEqualTo(expected("keyless.sql"));
    }

    @Test
    void aTableWhoseKeyIsLeftOutHasNone() {
        TableMapping mapping = new TableMapping(
                TableId.parse("t"), TableId.parse("t"), "main", Map.of(), Set.of("id"), Map.of());

        ComparedTable compared =
                new ComparedTable(mapping, table("t", List.of("id"), ID, NAME), table("t", List.of(), NAME));

        assertThat(compared.hasKey()).isFalse();
    }

    @Test
    void aColumnThatTheTargetLacksIsNamed() {
        TableMapping mapping = TableMapping.identity(TableId.parse("t"), "main");

        assertThatThrownBy(() -> new ComparedTable(mapping, table("t", List.of("id"), ID, NAME), table("t", List.of("id"), ID)))
                .isInstanceOfSatisfying(Failure.Fatal.class, fatal -> assertThat(fatal.stop()).isEqualTo(Stop.SETUP))
                .hasMessage("target public.t has no column name");
    }

    private static Column column(String name, String type, int oid) {
        return new Column(name, type, oid, false, false, false, false);
    }

    private static TableShape table(String name, List<String> key, Column... columns) {
        return new TableShape(
                TableId.parse(name), 'r', 'p', List.of(columns), key, 'd', List.of(), List.of(), false);
    }

    private static String expected(String file) throws IOException {
        try (InputStream sql = ComparedTableTest.class.getResourceAsStream(file)) {
            return new String(sql.readAllBytes(), StandardCharsets.UTF_8);
        }
    }
}
