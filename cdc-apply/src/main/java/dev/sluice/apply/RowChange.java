package dev.sluice.apply;

import java.util.Arrays;
import java.util.List;
import org.apache.kafka.common.TopicPartition;

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
 * @param origin where the change came from; null if it was made here
 */
record RowChange(TargetTable table, Kind kind, Key key, String[] values, Key oldKey, Origin origin) {

    /** A change that no record says. */
    RowChange(TargetTable table, Kind kind, Key key, String[] values, Key oldKey) {
        this(table, kind, key, values, oldKey, null);
    }

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
        ROW,
        /** Its record is no event; the key is null unless it could be read. It can only be parked. */
        UNREADABLE
    }

    /**
     * The record of a change.
     *
     * @param letter number of the dead letter that is replayed; 0 for a record of the lane
     */
    record Origin(TopicPartition partition, long offset, long letter) {
        /** Of a row that is about to be read from the source: if it cannot be written now, the reading brings it. */
        static final Origin LOOSE = new Origin(null, 0, 0);
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
