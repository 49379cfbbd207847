package dev.sluice.apply;

import dev.sluice.schemas.TableId;

/** A table's key at the source is not the one by whose order its ranges were cut: its reread must begin anew. */
final class KeyChanged extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient TableId table;

    /** @param table the source table */
    KeyChanged(TableId table) {
        super("the key of %s has changed at the source while it was read".formatted(table));
        this.table = table;
    }

    TableId table() {
        return table;
    }
}
