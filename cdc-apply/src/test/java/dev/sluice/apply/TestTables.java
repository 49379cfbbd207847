package dev.sluice.apply;

import dev.sluice.catalog.Column;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.TableId;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Tables as the target's catalog would give them. */
final class TestTables {
    private TestTables() {}

    /** A table of schema public whose key is the bigint {@code id}. */
    static TargetTable withKey(String name, boolean hasCascade) {
        TableId id = new TableId("public", name);
        TableShape shape = new TableShape(
                id,
                'r',
                'p',
                List.of(new Column("id", "bigint", 20, true, false, false, false)),
                List.of("id"),
                'd',
                List.of(),
                List.of(List.of("id")),
                false);
        ColumnType bigint = new ColumnType("int8", "_int8", false, "=", Optional.empty());
        TargetTable table = new TargetTable(TableMapping.identity(id, "main"), shape, Map.of(20, bigint), hasCascade);
        table.keyIs(List.of("id"));
        return table;
    }
}
