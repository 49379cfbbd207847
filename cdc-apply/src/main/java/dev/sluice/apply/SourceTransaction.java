package dev.sluice.apply;

import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.TableId;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A whole source transaction, or what has arrived of it.
 *
 * <p>Threads: the lane's.
 */
final class SourceTransaction {
    private final Lsn firstLsn;
    private final long xid;
    private final List<RowChange> changes = new ArrayList<>();
    private final Map<TableId, Integer> counts = new HashMap<>();
    private long bytes;
    private LaneRecord end;
    private boolean hasUnreadable;

    SourceTransaction(LaneRecord first) {
        this.firstLsn = first.lsn();
        this.xid = first.xid();
    }

    /** Adds the next change; the delete half of a change of key gives way to the other half, which moves the row. */
    void add(RowChange change, LaneRecord record) {
        if (change.kind() == RowChange.Kind.MOVE && !changes.isEmpty()) {
            RowChange last = changes.get(changes.size() - 1);
            if (last.kind() == RowChange.Kind.DELETE
                    && last.table() == change.table()
                    && last.key().equals(change.oldKey())) {
                changes.remove(changes.size() - 1);
            }
        }
        changes.add(change);
        hasUnreadable |= change.kind() == RowChange.Kind.UNREADABLE;
        bytes += record.bytes();
        counts.merge(change.table().source(), 1, Integer::sum);
    }

    /** Its last record has arrived. */
    void end(LaneRecord last) {
        end = last.bare();
    }

    /** Its last record, without the content. */
    LaneRecord end() {
        return end;
    }

    /** The source's transaction id, 32 bits. */
    long xid() {
        return xid;
    }

    Lsn firstLsn() {
        return firstLsn;
    }

    /** What has arrived and is not forgotten yet, in the order of the source. */
    List<RowChange> changes() {
        return changes;
    }

    long bytes() {
        return bytes;
    }

    /** A record of it is no event. */
    boolean hasUnreadable() {
        return hasUnreadable;
    }

    /** Changes per source table, also of those that are forgotten. */
    Map<TableId, Integer> counts() {
        return counts;
    }

    /** What is to be done instead of the changes that are there. */
    void replaceChanges(List<RowChange> others) {
        changes.clear();
        changes.addAll(others);
    }

    /** Forgets the changes, which are written; they still count. */
    void forgetChanges() {
        changes.clear();
        bytes = 0;
    }

    /** It has nothing that must be written: it took effect before. */
    void skip() {
        forgetChanges();
        counts.clear();
    }
}
