package dev.sluice.apply;

import dev.sluice.apply.RereadStore.Range;
import dev.sluice.apply.RowChange.Key;
import dev.sluice.apply.RowChange.Kind;
import dev.sluice.apply.RowChange.Origin;
import dev.sluice.schemas.SourceSnapshot;
import dev.sluice.schemas.TableId;
import java.util.ArrayList;
import java.util.List;

/**
 * One table that is being read again: what becomes of its changes until all of it is done.
 *
 * <p>A range that is done is written as any other table. While one is being read its changes are put aside, and those that
 * the read has not seen are applied when it joins. Of a range that is to do, and of one that is being read where the target
 * had rows before, a change is applied as far as that can be done without knowing the row: the read sets it right, and rows
 * that go at the source must not stay here. Rows that change are taken out only where they may be in the way of what is read.
 *
 * <p>Threads: the lane's.
 */
final class TableReread {
    static final long MOST_DEFERRED_BYTES = Math.min(32L << 20, Runtime.getRuntime().maxMemory() / 16);
    /** What a change takes beside its values. */
    private static final long KEY_BYTES = 100;

    private final TableId source;
    private final TargetTable table;
    private final boolean isPartial;
    private KeyIntervals<Piece> intervals = new KeyIntervals<>();
    /** Known when a worker has looked at both sides. */
    private Scope scope;
    private boolean isSwept;
    /**
     * Rows that change go where more than the key is unique: from the search for surplus rows on, which does not know of them, for
     * as long as anything is going to be read.
     */
    private boolean makesRoom;

    /**
     * What is true of the table for as long as it is read.
     *
     * @param keys the order of its keys at the source
     * @param wasEmpty the target had no rows when the reread began: ranges to do have none
     * @param isPartial only rows that fulfil a condition are read: all others are what the stream makes of them
     * @param hasOtherUnique the target keeps more unique than the key, so that old rows may be in the way of new ones
     * @param isComputed columns of the target are computed, which staged rows are needed for
     */
    record Scope(KeyOrder keys, boolean wasEmpty, boolean hasOtherUnique, boolean isPartial, boolean isComputed) {
        /** Rows can go into the target's table before the stream has come to them, since nothing there meets them. */
        boolean isDirect() {
            return wasEmpty && !hasOtherUnique && !isPartial && !isComputed;
        }
    }

    /** A part of the table that is being read. */
    static final class Piece {
        final Range range;
        private final List<Deferred> deferred = new ArrayList<>();
        private long deferredBytes;

        Piece(Range range) {
            this.range = range;
        }

        private void defer(Deferred change, long bytes) {
            deferredBytes += bytes + KEY_BYTES;
            if (isOverfull()) {
                deferred.clear();
            } else {
                deferred.add(change);
            }
        }

        /** So many changes were put aside that not all of them were kept: the part must be read again, later and smaller. */
        boolean isOverfull() {
            return deferredBytes > MOST_DEFERRED_BYTES;
        }
    }

    /** A change that waits for a read. */
    record Deferred(long xid, RowChange change) {}

    /** @param isPartial only rows that fulfil a condition are read, so all others must stay what the stream makes of them */
    TableReread(TableId source, TargetTable table, boolean isPartial) {
        this.source = source;
        this.table = table;
        this.isPartial = isPartial;
    }

    TableId source() {
        return source;
    }

    TargetTable table() {
        return table;
    }

    boolean isPrepared() {
        return scope != null;
    }

    Scope scope() {
        return scope;
    }

    /** @param done ranges, in ascending order */
    void prepared(Scope scope, boolean isSwept, List<Range> done) {
        this.scope = scope;
        this.isSwept = isSwept;
        this.makesRoom = isSwept;
        this.intervals = new KeyIntervals<>(done);
    }

    boolean isSwept() {
        return isSwept;
    }

    /** From now on surplus rows are sought. */
    void sweeping() {
        makesRoom = true;
    }

    void swept() {
        isSwept = true;
    }

    /** Nothing more is read, so nothing is in the way of it: the rows that are there stay. */
    void failed() {
        makesRoom = false;
    }

    KeyIntervals<Piece> intervals() {
        return intervals;
    }

    /** The target's table is empty, and all of it is to do; what is being read is of no use any more. */
    void truncated() {
        if (scope != null) {
            scope = new Scope(scope.keys(), true, scope.hasOtherUnique(), scope.isPartial(), scope.isComputed());
            isSwept = true;
        }
        intervals = new KeyIntervals<>();
    }

    // ---- changes

    /** The keys of a change whose places must be known to route it. */
    static void addKeys(RowChange change, List<Key> keys) {
        if (change.key() != null) {
            keys.add(change.key());
        }
        if (change.kind() == Kind.MOVE) {
            keys.add(change.oldKey());
        }
    }

    /** Places of keys that were asked for, in that order. */
    static final class Places {
        private final int[] places;
        private int next;

        Places(int[] places) {
            this.places = places;
        }

        int take() {
            return places[next++];
        }
    }

    /**
     * Decides about a change.
     *
     * @param places of its keys, as {@link #addKeys} adds them
     * @param applied takes what is to be applied now
     */
    void route(RowChange change, long xid, long bytes, Places places, List<RowChange> applied) {
        if (change.kind() == Kind.TRUNCATE) {
            applied.add(change);
            return;
        }
        int place = change.key() == null ? 0 : places.take();
        if (isPartial) {
            applied.add(change);
        }
        List<RowChange> now = isPartial ? new ArrayList<>() : applied;
        if (change.kind() == Kind.MOVE) {
            int oldPlace = places.take();
            if (intervals.state(place).isDone() && intervals.state(oldPlace).isDone()) {
                now.add(change);
                return;
            }
            route(new RowChange(table, Kind.DELETE, change.oldKey(), null, null, change.origin()), xid, 0, oldPlace, now);
            Kind kind = table.isWhole(change) ? Kind.UPSERT : Kind.PATCH;
            route(new RowChange(table, kind, change.key(), change.values(), null, change.origin()), xid, bytes, place, now);
        } else {
            route(change, xid, bytes, place, now);
        }
    }

    private void route(RowChange change, long xid, long bytes, int place, List<RowChange> applied) {
        KeyIntervals.State<Piece> state = intervals.state(place);
        if (state.isDone()) {
            applied.add(change);
            return;
        }
        if (state.reading() != null) {
            state.reading().defer(new Deferred(xid, change), bytes);
        }
        if (change.kind() != Kind.ROW && (scope == null || !scope.wasEmpty())) {
            applyLoosely(change, applied);
        }
    }

    private void applyLoosely(RowChange change, List<RowChange> applied) {
        boolean mayMeetOthers = scope != null && scope.hasOtherUnique();
        if (change.kind() == Kind.DELETE || mayMeetOthers && makesRoom) {
            applied.add(new RowChange(table, Kind.DELETE, change.key(), null, null, Origin.LOOSE));
        } else if (change.kind() == Kind.UPSERT && scope != null && isSwept && !mayMeetOthers) {
            applied.add(new RowChange(table, Kind.UPSERT, change.key(), change.values(), null, Origin.LOOSE));
        }
    }

    boolean isUnfinished() {
        return !intervals.isDone();
    }

    /** Those of the deferred changes that the read has not seen. */
    static List<RowChange> unseen(Piece piece, SourceSnapshot snapshot) {
        return piece.deferred.stream()
                .filter(deferred -> !snapshot.sees(deferred.xid()))
                .map(Deferred::change)
                .toList();
    }
}
