package dev.sluice.apply;

import java.util.Set;

/**
 * A table's rows come with other columns than before. Ends the run; {@link SourceColumns} decides how the next one goes on.
 */
final class SchemaChange extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient TargetTable table;
    private final transient Set<String> columns;

    /** @param columns of the source, as the change at hand has them */
    SchemaChange(TargetTable table, Set<String> columns) {
        super("the columns of %s have changed".formatted(table.source()));
        this.table = table;
        this.columns = columns;
    }

    TargetTable table() {
        return table;
    }

    Set<String> columns() {
        return columns;
    }
}
