package dev.sluice.reconciler;

import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.divergence.Divergence;
import dev.sluice.schemas.Lsn;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * One way through a table, from its lowest key to its highest, range by range; behind the last range the rows that were in flight.
 *
 * <p>The servers compute a {@link Digest} of each range; where these differ its rows are compared one by one in the same snapshots.
 * Where the servers may order keys differently, a row that only one side has in a range is looked up by its key. A table without a
 * key is one range. Borders are only where to cut: rows that come or go meanwhile belong to one range or the other.
 *
 * <p>Threads: one at a time.
 */
final class TablePass {
    /** About a second's work for a server. */
    static final int RANGE_ROWS = 500_000;

    private static final int FIRST_RANGE_ROWS = 50_000;
    private static final int SHORTEST_RANGE_ROWS = 500;
    private static final long RANGE_NANOS = TimeUnit.SECONDS.toNanos(1);

    /** Looks at rows in flight. */
    private static final int LOOKS = 20;

    /** Rows in flight that are looked at before the next range. */
    private static final int MANY_IN_FLIGHT = 10_000;

    /** Rows in flight that are remembered. */
    private static final int MOST_IN_FLIGHT = 300_000;

    /** For how many looks one counts in which the target stands still. */
    private static final int STANDING = 4;

    private static final long PAUSE_MILLIS = 100;

    /** Rows that only one side has in a range, where the two may order keys differently; with more the table is one range. */
    private static final int MOST_ELSEWHERE = 50_000;

    /** Keys that are remembered; beyond these a row that is looked at twice counts twice. */
    private static final int MOST_DIVERGED = 200_000;

    private final TableMapping mapping;
    private final LaneConfig lane;
    private final Divergences divergences;
    private final EvidenceDesk desk;
    private final int mostRows;
    private final Earlier earlier;
    private final long seed = ThreadLocalRandom.current().nextLong();
    private final List<RowDifference> differences = new ArrayList<>();
    /** Keys that are confirmed; a row may be looked at more than once. */
    private final Set<List<String>> diverged = new HashSet<>();
    /** To be looked at again: in flight, or perhaps in another range on the other side. */
    private final Set<List<String>> inFlight = new HashSet<>();

    private Optional<ComparedTable> compared = Optional.empty();
    private SelfTest.Result tested = new SelfTest.Result(List.of(), List.of());
    private Instant at;
    private Lsn position;
    private OffsetDateTime began;
    private boolean isResumed;
    private Optional<RangeLedger.Range> done = Optional.empty();
    private int ranges;
    private long resumedConfirmed;
    /** Where the next range begins; null at the beginning. */
    private List<String> from;

    private int rangeRows;
    private boolean isOneRange;
    private int elsewhere;
    private boolean isThrough;
    private int looks;
    private long lastApplied = -1;
    private boolean isDone;
    private String unknown = "";
    private long estimated;
    private long rows;
    private long targetRows;
    private long confirmed;
    private long explained;
    private Set<List<String>> parked = Set.of();

    /** Where a pass that was cut off has left its ranges. */
    interface Earlier {
        Earlier NONE = columns -> List.of();

        /** @param columns a digest of what is compared */
        List<RangeLedger.Range> ranges(String columns);
    }

    /** @param mostRows of a range */
    TablePass(PipelineConfig config, LaneConfig lane, TableMapping mapping, Divergences divergences, int mostRows, Earlier earlier) {
        this.mapping = mapping;
        this.lane = lane;
        this.divergences = divergences;
        this.desk = new EvidenceDesk(config, lane, divergences::found);
        this.mostRows = mostRows;
        this.earlier = earlier;
        this.rangeRows = Math.min(mostRows, FIRST_RANGE_ROWS);
    }

    TableMapping mapping() {
        return mapping;
    }

    boolean isDone() {
        return isDone;
    }

    /** Of the source, so far. */
    long rows() {
        return rows;
    }

    /** It goes on where one was cut off: rows that were in flight for that one are for others to look at. */
    boolean isResumed() {
        return isResumed;
    }

    /** Rows of the source, as its statistics have it. */
    long estimated() {
        return estimated;
    }

    /** Nothing can be said; that is the result. What was found before is so. */
    void unknown(String reason) {
        unknown = reason;
        isDone = true;
        if (began != null) {
            desk.handOn();
            divergences.endPartly();
        }
    }

    /** The target's clock before the first snapshot; null before the first step. */
    OffsetDateTime began() {
        return began;
    }

    /** A digest of what is compared. */
    String columns() {
        return compared.orElseThrow().digest();
    }

    /** Number of ranges so far. */
    int ranges() {
        return ranges;
    }

    /** The range that was finished by the last step, once. */
    Optional<RangeLedger.Range> takeDone() {
        Optional<RangeLedger.Range> taken = done;
        done = Optional.empty();
        return taken;
    }

    /** The next range; behind the last one, and when there are many, a look at rows that were in flight in any. */
    void step(PairedTable table) throws SQLException, TouchLog.Unknown, InterruptedException {
        if (isThrough) {
            TimeUnit.MILLISECONDS.sleep(PAUSE_MILLIS);
            boolean isAny = lookAgain(table);
            boolean isStanding = table.pair().seq() == lastApplied;
            lastApplied = table.pair().seq();
            looks = isAny ? 0 : looks + (isStanding ? STANDING : 1);
        } else {
            if (inFlight.size() > MANY_IN_FLIGHT) {
                lookAgain(table);
            }
            table.look(() -> range(table));
        }
        table.pair().release(); // what follows asks neither database, and may take a while
        desk.handOn();
        if (isThrough && (inFlight.isEmpty() || looks >= LOOKS)) {
            end();
        } else if (inFlight.size() > MOST_IN_FLIGHT) {
            throw new TouchLog.Unknown("more than %,d of its rows are in flight: the target is far behind".formatted(MOST_IN_FLIGHT));
        }
    }

    /** Whether some have come to rest. */
    private boolean lookAgain(PairedTable table) throws SQLException, TouchLog.Unknown, InterruptedException {
        int before = inFlight.size();
        table.look(() -> {
            requireSameColumns(table);
            table.chase(inFlight, keys -> compareRows(table, table.keys(keys), Set.of()));
        });
        return inFlight.size() < before;
    }

    private void end() {
        isDone = true;
        // what the comparison may not have seen closes no divergence, nor what was found before it was cut off and may not be stored
        if (inFlight.isEmpty() && tested.unseen().isEmpty() && resumedConfirmed == 0) {
            divergences.end(new TableComparison(mapping.source(), mapping.target(), rows, targetRows, confirmed, 0, 0,
                    List.copyOf(differences), compared.orElseThrow().notCompared()));
        } else {
            divergences.endPartly();
        }
    }

    TableVerification result() {
        if (!unknown.isEmpty()) {
            return TableVerification.unknown(mapping.source(), unknown);
        }
        return new TableVerification(
                mapping.source(),
                "",
                at,
                position,
                rows,
                targetRows,
                Stream.concat(tested.columns().stream(), compared.orElseThrow().columnsLeftOut().stream()).toList(),
                tested.unseen(),
                confirmed,
                explained,
                inFlight.size(),
                desk.explained(differences));
    }

    // ---- in a look

    private void range(PairedTable table) throws SQLException, TouchLog.Unknown, PairedTable.Busy {
        if (compared.isEmpty()) {
            begin(table);
        }
        requireSameColumns(table);
        long start = System.nanoTime();
        long confirmedBefore = confirmed;
        long explainedBefore = explained;
        KeyRange range = new KeyRange(from, border(table));
        Set<List<String>> now = table.inFlight();
        Optional<PairedTable.RowCounts> same = table.rowsIfSame(range, now, seed);
        PairedTable.RowCounts counts = same.isPresent() ? same.get() : compareRange(table, range, now);
        if (elsewhere > MOST_ELSEWHERE) {
            beginAnew(table);
            return;
        }
        rows += counts.source();
        targetRows += counts.target();
        inFlight.addAll(now); // of other ranges too: they are looked at in any case
        ranges++;
        done = Optional.of(new RangeLedger.Range(began, range, table.pair().at().atOffset(ZoneOffset.UTC), table.pair().position(),
                counts.source(), counts.target(), confirmed - confirmedBefore, explained - explainedBefore, now.size()));
        from = range.to();
        isThrough = from == null;
        adapt(System.nanoTime() - start);
    }

    private void requireSameColumns(PairedTable table) throws TouchLog.Unknown {
        if (compared.orElseThrow() != table.compared()) {
            throw new TouchLog.Unknown("its columns have changed meanwhile");
        }
    }

    private void begin(PairedTable table) throws SQLException {
        estimated = estimatedRows(table);
        tested = table.selfTest();
        compared = Optional.of(table.compared());
        List<RangeLedger.Range> known = table.hasRanges(false) ? earlier.ranges(columns()) : List.of();
        at = table.pair().at();
        position = table.pair().position();
        began = table.pair().targetAt();
        if (!known.isEmpty()) {
            resume(known);
        }
        divergences.begin(lane, table.compared(), began);
    }

    private void resume(List<RangeLedger.Range> known) {
        isResumed = true;
        RangeLedger.Range first = known.get(0);
        at = first.at().toInstant();
        position = first.position();
        began = first.pass();
        from = known.get(known.size() - 1).range().to();
        ranges = known.size();
        rows = known.stream().mapToLong(RangeLedger.Range::rows).sum();
        targetRows = known.stream().mapToLong(RangeLedger.Range::targetRows).sum();
        confirmed = known.stream().mapToLong(RangeLedger.Range::confirmed).sum();
        explained = known.stream().mapToLong(RangeLedger.Range::explained).sum();
        resumedConfirmed = confirmed;
    }

    /** Ranges of about a second, whatever the rows are like: a shorter one spends more of its time on its pair of snapshots. */
    private void adapt(long nanos) {
        double wanted = (double) RANGE_NANOS / Math.max(1, nanos);
        int rows = (int) (rangeRows * Math.max(0.5, Math.min(2, wanted)));
        rangeRows = Math.min(mostRows, Math.max(SHORTEST_RANGE_ROWS, rows));
    }

    private List<String> border(PairedTable table) throws SQLException {
        return isOneRange || !table.hasRanges(false) ? null : table.border(from, rangeRows);
    }

    private long estimatedRows(PairedTable table) throws SQLException {
        try (PreparedStatement query = table.pair().source().prepareStatement(
                """
                SELECT greatest(0, sum(c.reltuples))::bigint FROM pg_class c
                WHERE c.oid = to_regclass(?) OR c.oid IN (SELECT relid FROM pg_partition_tree(to_regclass(?)) WHERE isleaf)""")) {
            query.setString(1, mapping.source().quoted());
            query.setString(2, mapping.source().quoted());
            try (ResultSet row = query.executeQuery()) {
                row.next();
                return row.getLong(1);
            }
        }
    }

    private PairedTable.RowCounts compareRange(PairedTable table, KeyRange range, Set<List<String>> leftOut) throws SQLException {
        if (table.hasRanges(true) || range.equals(KeyRange.ALL)) {
            return compareRows(table, range, leftOut);
        }
        TableComparison counted = table.compare(range, leftOut, divergence -> {
            elsewhere += divergence.kind() == Divergence.Kind.DIFFERENT ? 0 : 1;
            inFlight.add(divergence.key()); // by its key alone it is compared for certain
        });
        return new PairedTable.RowCounts(counted.sourceRows(), counted.targetRows());
    }

    /** In one range, since the two sides order the keys differently. */
    private void beginAnew(PairedTable table) {
        isOneRange = true;
        elsewhere = 0;
        inFlight.clear();
        from = null;
        rows = 0;
        targetRows = 0;
        began = table.pair().targetAt();
        at = table.pair().at();
        position = table.pair().position();
    }

    private PairedTable.RowCounts compareRows(PairedTable table, RowCondition condition, Set<List<String>> leftOut) throws SQLException {
        parked = table.parked();
        TableComparison comparison =
                table.compare(condition, leftOut, divergence -> found(divergence, table.pair().targetAt()));
        desk.look(table.pair(), table.compared());
        if (!table.compared().hasKey()) {
            confirmed += comparison.differenceCount();
        }
        for (RowDifference difference : comparison.differences()) {
            boolean isListed = differences.stream().anyMatch(one -> one.key().equals(difference.key()));
            if (!isListed && differences.size() < RowComparison.LISTED) {
                differences.add(difference);
            }
        }
        return new PairedTable.RowCounts(comparison.sourceRows(), comparison.targetRows());
    }

    /** Counts those that dead letters explain. */
    private void found(Divergence divergence, OffsetDateTime seen) {
        if (diverged.size() == MOST_DIVERGED || diverged.add(divergence.key())) {
            confirmed++;
            explained += parked.contains(divergence.key()) ? 1 : 0;
            desk.found(divergence, seen);
        }
    }
}
