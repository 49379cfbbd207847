package dev.sluice.apply;

import dev.sluice.schemas.TableId;

/** One table cannot go on before a person has done something; the others can. */
final class TableStopped extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient TableId table;
    private final String cure;

    /**
     * @param table the source table
     * @param reason what is wrong, without row values
     * @param cure what to do about it: SQL where there is one
     */
    TableStopped(TableId table, String reason, String cure) {
        super(reason);
        this.table = table;
        this.cure = cure;
    }

    TableId table() {
        return table;
    }

    String cure() {
        return cure;
    }
}
