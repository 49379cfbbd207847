package dev.sluice.reconciler;

import dev.sluice.schemas.TableId;
import java.util.List;

/**
 * That an event of the stream has changed a row: which, by which transaction, and where in the lane.
 *
 * @param seq number in the lane
 * @param xid of the source transaction, as the stream has it: 32 bits
 * @param key JSON; empty if nobody knows which row: a truncation, or a table without a key
 * @param oldKey JSON, if the event has changed the key; else empty
 */
record Touch(long seq, long xid, TableId table, String key, String oldKey) {
    List<String> keys() {
        if (key.isEmpty()) {
            return List.of();
        }
        return oldKey.isEmpty() ? List.of(key) : List.of(key, oldKey);
    }
}
