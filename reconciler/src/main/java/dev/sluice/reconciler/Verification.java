package dev.sluice.reconciler;

import dev.sluice.catalog.Catalog;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.divergence.Divergence;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Compares tables of two living databases, exactly: while both are written, and however far behind the target is.
 *
 * <p>Both sides are read in a {@link SnapshotPair}. A row is in flight if one of the snapshots has a change of it that the other
 * has not ({@link Touches}); every other row must be the same, and one that is not is confirmed at once. Rows in flight are looked
 * at again in pairs of their own until they have come to rest, or {@value #LOOKS} times.
 *
 * <p>A table goes range by range of its key, each in a pair of its own, so no snapshot is held for long. The servers compute a
 * {@link Digest} of the range; where these differ its rows are compared one by one in the same snapshots. A table whose key the
 * servers may order differently, or that has none, is one range.
 *
 * <p>Why it is exact: the transactions that write one row follow each other on its lock, and their changes are in the stream in
 * that order, so both sides have a beginning of the same sequence; equal beginnings make equal rows.
 *
 * <p>Threads: one at a time.
 */
public final class Verification implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Verification.class);
    private static final int LOOKS = 20;
    private static final long PAUSE_MILLIS = 100;

    /** lock_not_available */
    private static final String LOCKED = "55P03";

    /** About a second's work for a server. */
    private static final int RANGE_ROWS = 500_000;

    /** Keys that are remembered; beyond these a row that is looked at twice counts twice. */
    private static final int MOST_DIVERGED = 200_000;

    /** Rows in flight that are looked at again at once. */
    private static final int KEYS_AT_ONCE = 5_000;

    /** Texts whose hashes both servers must agree about, before digests say anything. */
    private static final String PROBE =
            "SELECT hashtextextended(('The quick brown fox, ' || chr(252) || chr(8364)) COLLATE \"C\", 12345)::text"
                    + " || pg_encoding_to_char((SELECT encoding FROM pg_database WHERE datname = current_database()))";

    private final PipelineConfig config;
    private final LaneConfig lane;
    private final int rangeRows;
    private final Touches.Reader touches;
    private SnapshotPair pair;
    private boolean hasDigests;

    public Verification(PipelineConfig config, LaneConfig lane) {
        this(config, lane, RANGE_ROWS);
    }

    /** @param rangeRows of a range, about */
    public Verification(PipelineConfig config, LaneConfig lane, int rangeRows) {
        this.config = config;
        this.lane = lane;
        this.rangeRows = rangeRows;
        this.touches = new Touches.Reader(config, lane);
    }

    /**
     * @param divergences gets what is confirmed
     * @param progress called after each range
     * @throws Failure.Fatal if a table or column is missing, or may not be read
     */
    public TableVerification verify(TableMapping mapping, Divergences divergences, Progress progress) throws InterruptedException {
        try {
            if (pair == null) {
                pair = SnapshotPair.open(config, lane);
                hasDigests = probe(pair.source()).equals(probe(pair.target()));
            }
            return new Table(mapping, divergences, progress).verify();
        } catch (Touches.Unknown e) {
            return TableVerification.unknown(mapping.source(), e.getMessage());
        } catch (SQLException e) {
            closePair();
            Failure failure = Snapshots.translate(e);
            if (failure instanceof Failure.Fatal fatal) {
                throw fatal;
            }
            return TableVerification.unknown(mapping.source(), failure.getMessage());
        } finally {
            release();
        }
    }

    /** How far a table is. */
    public interface Progress {
        Progress SILENT = (table, done, estimated) -> {};

        /** @param estimated rows in all, as the source's statistics have it */
        void at(TableId table, long done, long estimated);
    }

    private static String probe(Connection side) throws SQLException {
        try (Statement statement = side.createStatement();
                ResultSet row = statement.executeQuery(PROBE)) {
            row.next();
            return row.getString(1);
        }
    }

    private void release() {
        try {
            if (pair != null) {
                pair.release();
            }
        } catch (SQLException e) {
            closePair();
        }
    }

    private void closePair() {
        try {
            if (pair != null) {
                pair.close();
            }
        } catch (SQLException e) {
            log.debug("closing: {}", e.getMessage());
        }
        pair = null;
    }

    @Override
    public void close() {
        closePair();
        touches.close();
    }

    /** The way of one table. */
    private final class Table {
        private final TableMapping mapping;
        private final TableId source;
        private final Divergences divergences;
        private final EvidenceDesk desk;
        private final Progress progress;
        private final long seed = ThreadLocalRandom.current().nextLong();
        private final List<RowDifference> differences = new ArrayList<>();
        /** Keys that are confirmed; a row may be looked at more than once. */
        private final Set<List<String>> diverged = new HashSet<>();
        /** To be looked at again. */
        private final Set<List<String>> inFlight = new HashSet<>();
        private ComparedTable compared;
        private Instant at;
        private Lsn position;
        private long estimated;
        private long rows;
        private long confirmed;
        private long explained;
        private Set<List<String>> parked = Set.of();
        private TableShape sourceShape;
        private TableShape targetShape;

        Table(TableMapping mapping, Divergences divergences, Progress progress) {
            this.mapping = mapping;
            this.source = mapping.source();
            this.divergences = divergences;
            this.desk = new EvidenceDesk(config, lane, divergences);
            this.progress = progress;
        }

        TableVerification verify() throws SQLException, Touches.Unknown, InterruptedException {
            try {
                return pass();
            } catch (Touches.Unknown e) {
                if (compared != null) {
                    desk.handOn(); // what was found before is so
                    divergences.endPartly();
                }
                throw e;
            }
        }

        private TableVerification pass() throws SQLException, Touches.Unknown, InterruptedException {
            List<KeyRange> ranges = new ArrayList<>();
            again(() -> {
                at = pair.at();
                position = pair.position();
                estimated = estimatedRows();
                ranges.addAll(ranges());
            });
            divergences.begin(lane, compared);
            for (KeyRange range : ranges) {
                again(() -> verifyRange(range));
                progress.at(source, rows, estimated);
            }
            for (int look = 0; look < LOOKS && !inFlight.isEmpty(); look++) {
                TimeUnit.MILLISECONDS.sleep(PAUSE_MILLIS);
                again(this::verifyKeys);
            }
            desk.handOn();
            if (inFlight.isEmpty()) {
                divergences.end(new TableComparison(
                        source, mapping.target(), rows, rows, confirmed, 0, 0, List.copyOf(differences), compared.notCompared()));
            } else {
                divergences.endPartly();
            }
            return new TableVerification(
                    source,
                    "",
                    at,
                    position,
                    rows,
                    compared.columns().size(),
                    compared.notCompared(),
                    confirmed,
                    explained,
                    inFlight.size(),
                    desk.explained(differences));
        }

        private interface Look {
            void take() throws SQLException, Touches.Unknown, Busy;
        }

        /** With a new pair each time; a table whose rows cannot be told apart may be at rest the next time. */
        private void again(Look look) throws SQLException, Touches.Unknown, InterruptedException {
            for (int tries = 1; ; tries++) {
                try {
                    pair.next(mapping);
                    look();
                    look.take();
                    return;
                } catch (Busy e) {
                    if (tries == LOOKS) {
                        throw new Touches.Unknown(e.getMessage());
                    }
                } catch (SQLException e) {
                    if (!LOCKED.equals(e.getSQLState())) {
                        throw e;
                    }
                    if (tries == LOOKS) {
                        throw new Touches.Unknown("somebody holds a lock on it");
                    }
                }
                TimeUnit.MILLISECONDS.sleep(PAUSE_MILLIS);
            }
        }

        /** Borders are only where to cut: rows that come or go meanwhile belong to one range or the other. */
        private List<KeyRange> ranges() throws SQLException {
            if (!compared.hasRanges() || !hasDigests) {
                return List.of(KeyRange.ALL);
            }
            List<KeyRange> ranges = new ArrayList<>();
            List<String> from = null;
            while (true) {
                List<String> to = nextBorder(new KeyRange(from, null));
                ranges.add(new KeyRange(from, to));
                if (to == null) {
                    return ranges;
                }
                from = to;
            }
        }

        private List<String> nextBorder(KeyRange behind) throws SQLException {
            try (RowStream border = new RowStream(pair.source(), compared.nextBorderSql(behind, rangeRows))) {
                return border.hasRow() ? List.copyOf(border.key(compared.key().size())) : null;
            }
        }

        private long estimatedRows() throws SQLException {
            try (PreparedStatement query = pair.source().prepareStatement(
                    """
                    SELECT greatest(0, sum(c.reltuples))::bigint FROM pg_class c
                    WHERE c.oid = to_regclass(?) OR c.oid IN (SELECT relid FROM pg_partition_tree(to_regclass(?)) WHERE isleaf)""")) {
                query.setString(1, source.quoted());
                query.setString(2, source.quoted());
                try (ResultSet row = query.executeQuery()) {
                    row.next();
                    return row.getLong(1);
                }
            }
        }

        private void verifyRange(KeyRange range) throws SQLException, Touches.Unknown, Busy {
            Set<List<String>> now = inFlightNow();
            boolean isSame = hasDigests && compared.hasKey() && isSameByDigest(range, now);
            if (!isSame) {
                rows += compareRows(range, now);
            }
            inFlight.addAll(now); // of other ranges too: they are looked at in any case
        }

        /** Whether all rows but those in flight are the same; then they count. */
        private boolean isSameByDigest(KeyRange range, Set<List<String>> leftOut) throws SQLException {
            Digests here;
            Digests there;
            CompletableFuture<Digests> asked = CompletableFuture.supplyAsync(() -> {
                try {
                    return digests(pair.source(), condition -> compared.sourceDigestSql(condition, seed), range, leftOut);
                } catch (SQLException e) {
                    throw new CompletionException(e);
                }
            });
            try {
                there = digests(pair.target(), condition -> compared.targetDigestSql(condition, seed), range, leftOut);
            } finally {
                here = join(asked);
            }
            boolean isSame = here.atRest().isSame(there.atRest());
            rows += isSame ? here.all().rows() : 0;
            return isSame;
        }

        private Digests digests(
                Connection side, Function<RowCondition, String> sql, KeyRange range, Set<List<String>> leftOut)
                throws SQLException {
            Digest all = Digest.read(side, sql.apply(range));
            if (leftOut.isEmpty()) {
                return new Digests(all, all);
            }
            RowCondition some = new RowCondition.Both(range, new RowCondition.Keys(leftOut, compared.key().size()));
            return new Digests(all, all.less(Digest.read(side, sql.apply(some))));
        }

        /** Gives the number of rows of the source. */
        private long compareRows(RowCondition condition, Set<List<String>> leftOut) throws SQLException {
            TableComparison comparison;
            parked = parked(pair.target());
            try (RowStream here = new RowStream(pair.source(), compared.sourceSql(condition));
                    RowStream there = new RowStream(pair.target(), compared.targetSql(condition))) {
                comparison = new TableMerge(compared, here, there, this::found, leftOut::contains).run();
            }
            desk.look(pair, compared);
            if (!compared.hasKey()) {
                confirmed += comparison.differenceCount();
            }
            for (RowDifference difference : comparison.differences()) {
                boolean isListed = differences.stream().anyMatch(one -> one.key().equals(difference.key()));
                if (!isListed && differences.size() < RowComparison.LISTED) {
                    differences.add(difference);
                }
            }
            return comparison.sourceRows();
        }

        private void verifyKeys() throws SQLException, Touches.Unknown, Busy {
            Set<List<String>> now = inFlightNow();
            List<List<String>> asked = inFlight.stream()
                    .filter(key -> !now.contains(key))
                    .limit(KEYS_AT_ONCE)
                    .toList();
            if (!asked.isEmpty()) {
                compareRows(new RowCondition.Keys(asked, compared.key().size()), now);
                inFlight.removeAll(asked);
            }
        }

        /** Counts those that dead letters explain. */
        private void found(Divergence divergence) {
            if (diverged.size() == MOST_DIVERGED || diverged.add(divergence.key())) {
                confirmed++;
                explained += parked.contains(divergence.key()) ? 1 : 0;
                desk.found(divergence);
            }
        }

        private void look() throws SQLException, Touches.Unknown {
            Optional<String> notYet = notYet(pair.target());
            if (notYet.isPresent()) {
                throw new Touches.Unknown(notYet.get());
            }
            TableShape here = shape(pair.source(), source, "source");
            TableShape there = shape(pair.target(), mapping.target(), "target");
            if (compared == null || !here.equals(sourceShape) || !there.equals(targetShape)) {
                if (compared != null) {
                    throw new Touches.Unknown("its columns have changed meanwhile");
                }
                compared = new ComparedTable(mapping, here, there, ComputedPairs.read(config, mapping, here, there));
                sourceShape = here;
                targetShape = there;
            }
        }

        private TableShape shape(Connection side, TableId table, String role) throws SQLException, Touches.Unknown {
            TableShape shape = Catalog.read(side, List.of(table)).get(table);
            if (shape == null) {
                throw new Touches.Unknown("%s has no table %s".formatted(role, table));
            }
            return shape;
        }

        /** Why the table is not a state that the source had. */
        private Optional<String> notYet(Connection target) throws SQLException {
            try (PreparedStatement query = target.prepareStatement(
                    """
                    SELECT 'it is held: ' || reason FROM sluice.held_table
                    WHERE lane = ? AND source_schema = ? AND source_table = ?
                    UNION ALL SELECT 'it is read from the source: ' || state FROM sluice.reread
                    WHERE lane = ? AND source_schema = ? AND source_table = ? AND state <> 'done'""")) {
                for (int i = 0; i < 2; i++) {
                    query.setString(3 * i + 1, config.nameInTarget(lane));
                    query.setString(3 * i + 2, source.schema());
                    query.setString(3 * i + 3, source.table());
                }
                try (ResultSet row = query.executeQuery()) {
                    return row.next() ? Optional.of(row.getString(1)) : Optional.empty();
                }
            }
        }

        private Set<List<String>> parked(Connection target) throws SQLException {
            Set<List<String>> keys = new HashSet<>();
            try (PreparedStatement query = target.prepareStatement(
                    """
                    SELECT key, old_key FROM sluice.dead_letter
                    WHERE lane = ? AND source_schema = ? AND source_table = ? AND state IN ('open', 'behind')""")) {
                query.setString(1, config.nameInTarget(lane));
                query.setString(2, source.schema());
                query.setString(3, source.table());
                try (ResultSet row = query.executeQuery()) {
                    while (row.next()) {
                        for (int column = 1; column <= 2; column++) {
                            if (row.getArray(column) != null) {
                                keys.add(Arrays.asList((String[]) row.getArray(column).getArray()));
                            }
                        }
                    }
                }
            }
            return keys;
        }

        private Set<List<String>> inFlightNow() throws Touches.Unknown, Busy {
            Touches now = touches.read(pair);
            Set<Map<String, String>> touched = now.keys(source);
            if (now.isWhole(source) || !compared.hasKey() && !touched.isEmpty()) {
                throw new Busy("rows of it that cannot be told apart are in flight each time it is looked at");
            }
            Set<List<String>> keys = new HashSet<>();
            for (Map<String, String> key : touched) {
                if (!key.keySet().equals(Set.copyOf(compared.key()))) {
                    throw new Touches.Unknown("its key has changed, and rows with the old one are in flight");
                }
                keys.add(compared.key().stream().map(key::get).toList());
            }
            return keys;
        }
    }

    /** Nobody can tell now which rows are in flight. */
    private static final class Busy extends Exception {
        private static final long serialVersionUID = 1L;

        Busy(String what) {
            super(what);
        }
    }

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
