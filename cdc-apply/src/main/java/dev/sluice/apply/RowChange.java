package dev.sluice.apply;

import java.util.Arrays;
import java.util.List;

/**
 * One change of one row, or what several changes of it come to.
 *
 * @param table where it goes
 * @param kind what to do with the row
 * @param key the row's key, in key order, as text
 *     on a {@link Kind#ROW} null
 * @param values one per place of the table: text, null for NULL, {@link #ABSENT} where the change does not say;
 *     null where no row is left
 * @param oldKey on a {@link Kind#MOVE} the key before; on a {@link Kind#ROW} the whole row before, by place, null if it is
 *     new; else null
 */
record RowChange(TargetTable table, Kind kind, Key key, String[] values, Key oldKey) {

    /** Stands for a value that the change does not carry. Compared by identity, so a row may hold the same text. */
    @SuppressWarnings("StringOperationCanBeSimplified")
    static final String ABSENT = new String("absent");

    enum Kind {
        /** The whole row is known. */
        UPSERT,
        /** Some columns are known; the row is there. */
        PATCH,
        DELETE,
        /** The row gets another key; other columns come with it. */
        MOVE,
        TRUNCATE,
        /** Of a table without a key: a row is new, or exactly one of those with the old values changes or goes. */
        ROW
    }

    /** A key, compared by its text. */
    record Key(List<String> values) {
        static Key of(String... values) {
            return new Key(Arrays.asList(values));
        }
    }

    @SuppressWarnings("StringEquality")
    static boolean isAbsent(String value) {
        return value == ABSENT;
    }

    String value(int place) {
        String value = place < values.length ? values[place] : ABSENT;
        return isAbsent(value) ? table.copied(values, place) : value;
    }
}
