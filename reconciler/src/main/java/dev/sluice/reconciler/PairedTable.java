package dev.sluice.reconciler;

import dev.sluice.catalog.Catalog;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.divergence.Divergence;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * One table of a lane, read in pairs of snapshots: which of its rows are in flight, and whether the others are the same.
 *
 * <p>Threads: one at a time.
 */
final class PairedTable {
    private static final int TRIES = 20;
    private static final long PAUSE_MILLIS = 100;
    private static final long CHASE_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

    /** Rows that are asked for in one statement. */
    static final int KEYS_AT_ONCE = 5_000;

    /** lock_not_available, deadlock_detected, and serialization_failure: a standby whose replay was in the way */
    private static final Set<String> PASSING = Set.of("55P03", "40P01", "40001");

    private final PipelineConfig config;
    private final LaneConfig lane;
    private final TableMapping mapping;
    private final Sides sides;
    private final SelfTests selfTests;
    private Optional<ComparedTable> compared = Optional.empty();
    private boolean isDeterministic;
    private TableShape sourceShape;
    private TableShape targetShape;

    PairedTable(PipelineConfig config, LaneConfig lane, TableMapping mapping, Sides sides, SelfTests selfTests) {
        this.config = config;
        this.lane = lane;
        this.mapping = mapping;
        this.sides = sides;
        this.selfTests = selfTests;
    }

    /** Nobody can tell now which rows are in flight. */
    static final class Busy extends Exception {
        private static final long serialVersionUID = 1L;

        Busy(String what) {
            super(what);
        }
    }

    /** What is done with a pair of snapshots. */
    interface Look {
        void take() throws SQLException, TouchLog.Unknown, Busy;
    }

    /**
     * Takes a new pair and looks, and again with another one where that may help: a table whose rows cannot be told apart may be at rest
     * the next time.
     *
     * @throws TouchLog.Unknown if it does not help
     */
    void look(Look look) throws SQLException, TouchLog.Unknown, InterruptedException {
        look(List.of(), List.of(), look);
    }

    /** The same with further tables, which are read too. */
    void look(List<TableId> besideAtSource, List<TableId> besideInTarget, Look look)
            throws SQLException, TouchLog.Unknown, InterruptedException {
        for (int tries = 1; ; tries++) {
            try {
                sides.pair().next(mapping, besideAtSource, besideInTarget);
                requireAState();
                look.take();
                return;
            } catch (Busy e) {
                if (tries == TRIES) {
                    throw new TouchLog.Unknown(e.getMessage());
                }
            } catch (SQLException e) {
                if (!PASSING.contains(String.valueOf(e.getSQLState()))) {
                    throw e;
                }
                if (tries == TRIES) {
                    throw new TouchLog.Unknown("somebody holds a lock on it");
                }
            }
            TimeUnit.MILLISECONDS.sleep(PAUSE_MILLIS);
        }
    }

    /** How its rows are compared; another object once one of the two tables is another. */
    ComparedTable compared() {
        return compared.orElseThrow();
    }

    TableMapping mapping() {
        return mapping;
    }

    TableId source() {
        return mapping.source();
    }

    SnapshotPair pair() {
        return sides.pair();
    }

    // ---- in a look

    /** What says nothing now, of all tables of the lane. */
    InFlight inFlightInStream() throws TouchLog.Unknown {
        return sides.touches().between(sides.pair());
    }

    /** What the comparison sees. */
    SelfTest.Result selfTest() throws SQLException {
        return selfTests.of(compared(), sourceShape, targetShape, sides.pair().source(), sides.pair().target());
    }

    /** Rows that say nothing now, by their keys. */
    Set<List<String>> inFlight() throws TouchLog.Unknown, Busy {
        InFlight now = inFlightInStream();
        Set<String> touched = now.keys(source());
        if (now.isWhole(source()) || !compared().hasKey() && !touched.isEmpty()) {
            throw new Busy("rows of it that cannot be told apart are in flight each time it is looked at");
        }
        Set<List<String>> keys = new HashSet<>();
        for (String key : touched) {
            keys.add(key(key)
                    .orElseThrow(() -> new TouchLog.Unknown("its key has changed, and rows with the old one are in flight")));
        }
        return keys;
    }

    /** The texts of a key of the stream; empty if it is not of the table as it is now. */
    Optional<List<String>> key(String json) {
        return InFlight.texts(json, compared().key());
    }

    /**
     * Whether it can be cut into ranges of its key.
     *
     * @param isSure only if they are known to have the same rows on both sides; else a few rows may stand in one range there and in
     *     another one here
     */
    boolean hasRanges(boolean isSure) {
        return sides.isAlike() && (compared().hasSureRanges() || !isSure && compared().mayHaveRanges() && isDeterministic);
    }

    /** A collation to which different texts are the same would find one row by the key of another. */
    private static boolean isDeterministic(Connection side, TableId table, List<String> key) throws SQLException {
        try (PreparedStatement query = side.prepareStatement(
                """
                SELECT bool_and(coalesce(c.collisdeterministic, true))
                FROM pg_attribute AS a LEFT JOIN pg_collation AS c ON c.oid = a.attcollation
                WHERE a.attrelid = to_regclass(?) AND a.attname = ANY (?)""")) {
            query.setString(1, table.quoted());
            query.setArray(2, side.createArrayOf("text", key.toArray()));
            try (ResultSet row = query.executeQuery()) {
                return row.next() && row.getBoolean(1);
            }
        }
    }

    /** The key that is {@code rows} rows behind another one, or behind the beginning if that is null; null if there are fewer. */
    List<String> border(List<String> from, int rows) throws SQLException {
        String sql = compared().nextBorderSql(new KeyRange(from, null), rows);
        try (RowStream border = new RowStream(sides.pair().source(), sql)) {
            return border.hasRow() ? List.copyOf(border.key(compared().key().size())) : null;
        }
    }

    RowCondition keys(Collection<List<String>> keys) {
        return new RowCondition.Keys(keys, compared().key().size());
    }

    /**
     * Whether all rows but those in flight are the same, by digests that both servers compute at the same time.
     *
     * @return empty if not, or if digests do not tell; else the numbers of rows, those in flight included
     */
    Optional<RowCounts> rowsIfSame(RowCondition rows, Set<List<String>> leftOut, long seed) throws SQLException {
        if (!sides.isAlike() || sides.isRowByRow() || !compared().hasKey()) {
            return Optional.empty();
        }
        CompletableFuture<Digests> asked = CompletableFuture.supplyAsync(() -> {
            try {
                return digests(sides.pair().source(), condition -> compared().sourceDigestSql(condition, seed), rows, leftOut);
            } catch (SQLException e) {
                throw new CompletionException(e);
            }
        });
        Digests here;
        Digests there;
        try {
            there = digests(sides.pair().target(), condition -> compared().targetDigestSql(condition, seed), rows, leftOut);
        } finally {
            here = join(asked);
        }
        return here.atRest().isSame(there.atRest())
                ? Optional.of(new RowCounts(here.all().rows(), there.all().rows()))
                : Optional.empty();
    }

    private Digests digests(Connection side, Function<RowCondition, String> sql, RowCondition rows, Set<List<String>> leftOut)
            throws SQLException {
        Digest all = Digest.read(side, sql.apply(rows));
        Digest atRest = all;
        List<List<String>> keys = List.copyOf(leftOut);
        for (int i = 0; i < keys.size(); i += KEYS_AT_ONCE) {
            RowCondition some = keys(keys.subList(i, Math.min(keys.size(), i + KEYS_AT_ONCE)));
            atRest = atRest.less(Digest.read(side, sql.apply(new RowCondition.Both(rows, some))));
        }
        return new Digests(all, atRest);
    }

    /** Row by row. */
    TableComparison compare(RowCondition rows, Set<List<String>> leftOut, Consumer<Divergence> found) throws SQLException {
        try (RowStream here = new RowStream(sides.pair().source(), compared().sourceSql(rows));
                RowStream there = new RowStream(sides.pair().target(), compared().targetSql(rows))) {
            return new TableMerge(compared(), here, there, found, leftOut::contains).run();
        }
    }

    /** Keys of rows that dead letters hold back. */
    Set<List<String>> parked() throws SQLException {
        return ParkedRows.read(sides.pair().target(), config.nameInTarget(lane), source()).keySet();
    }

    /**
     * Looks at single rows until they are at rest, for half a second: first in the pair that there is, then with the source's snapshot
     * kept and the target's taken again and again, until the target is where the source was for the row. So a row that is never left
     * alone for as long as a pair takes is verified too.
     *
     * @param asked keys; those that were compared are taken out
     * @param atRest compares them, in the pair
     */
    void chase(Set<List<String>> asked, AtRest atRest) throws SQLException, TouchLog.Unknown, Busy {
        long end = System.nanoTime() + CHASE_NANOS;
        while (!asked.isEmpty()) {
            Set<List<String>> now = inFlight();
            List<List<String>> some =
                    asked.stream().filter(key -> !now.contains(key)).limit(KEYS_AT_ONCE).collect(Collectors.toList());
            if (!some.isEmpty()) {
                atRest.compare(some);
                some.forEach(asked::remove);
            } else if (System.nanoTime() - end < 0) {
                sides.pair().nextTarget(mapping);
                requireAState();
            } else {
                return;
            }
        }
    }

    /** What is done with rows that are not in flight. */
    interface AtRest {
        void compare(List<List<String>> keys) throws SQLException;
    }

    /** The table must be a state that the source had. */
    void requireAState() throws SQLException, TouchLog.Unknown {
        Optional<String> notYet = notYet();
        if (notYet.isPresent()) {
            throw new TouchLog.Unknown(notYet.get());
        }
        TableShape here = shape(sides.pair().source(), source(), "source");
        TableShape there = shape(sides.pair().target(), mapping.target(), "target");
        if (compared.isEmpty() || !here.equals(sourceShape) || !there.equals(targetShape)) {
            compared = Optional.of(new ComparedTable(mapping, here, there, ComputedPairs.read(config, mapping, here, there)));
            isDeterministic = isDeterministic(sides.pair().source(), source(), compared().source().key())
                    && isDeterministic(sides.pair().target(), mapping.target(), compared().target().key());
            sourceShape = here;
            targetShape = there;
        }
    }

    private static TableShape shape(Connection side, TableId table, String role) throws SQLException, TouchLog.Unknown {
        TableShape shape = Catalog.read(side, List.of(table)).get(table);
        if (shape == null) {
            throw new TouchLog.Unknown("%s has no table %s".formatted(role, table));
        }
        return shape;
    }

    /** Why the table is not a state that the source had. */
    private Optional<String> notYet() throws SQLException {
        try (PreparedStatement query = sides.pair().target().prepareStatement(
                """
                SELECT 'it is held: ' || reason FROM sluice.held_table
                WHERE lane = ? AND source_schema = ? AND source_table = ?
                UNION ALL SELECT 'it is read from the source: ' || state FROM sluice.reread
                WHERE lane = ? AND source_schema = ? AND source_table = ? AND state <> 'done'""")) {
            for (int i = 0; i < 2; i++) {
                query.setString(3 * i + 1, config.nameInTarget(lane));
                query.setString(3 * i + 2, source().schema());
                query.setString(3 * i + 3, source().table());
            }
            try (ResultSet row = query.executeQuery()) {
                return row.next() ? Optional.of(row.getString(1)) : Optional.empty();
            }
        }
    }

    record RowCounts(long source, long target) {}

    /** @param atRest without the rows that are in flight */
    private record Digests(Digest all, Digest atRest) {}

    private static Digests join(CompletableFuture<Digests> asked) throws SQLException {
        try {
            return asked.join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof SQLException refused) {
                throw refused;
            }
            throw e;
        }
    }
}
