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
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * Compares tables of two living databases row by row, exactly: while both are written, and however far behind the target is.
 *
 * <p>Both sides are read in a {@link SnapshotPair}. A row is in flight if one of the snapshots has a change of it that the other
 * has not ({@link Touches}); every other row must be the same, and one that is not is confirmed at once. Rows in flight are looked
 * at again in pairs of their own until they have come to rest, or {@value #LOOKS} times.
 *
 * <p>Source: the transactions that write one row follow each other on its lock, and their changes are in the stream in that order,
 * so both sides have a beginning of the same sequence; equal beginnings make equal rows.
 *
 * <p>Threads: one at a time.
 */
public final class Verification {
    private static final int LOOKS = 20;
    private static final long PAUSE_MILLIS = 100;

    private final PipelineConfig config;

    public Verification(PipelineConfig config) {
        this.config = config;
    }

    /**
     * @param divergences gets what is confirmed
     * @throws Failure.Fatal if a table or column is missing, or may not be read
     */
    public TableVerification verify(LaneConfig lane, TableMapping mapping, Divergences divergences) throws InterruptedException {
        Table table = new Table(lane, mapping, divergences);
        String reason = "";
        for (int look = 0; look < LOOKS; look++) {
            try {
                return table.verify();
            } catch (Touches.Unknown e) {
                reason = e.getMessage();
                if (!table.mayBeAskedAgain) {
                    break;
                }
                TimeUnit.MILLISECONDS.sleep(PAUSE_MILLIS);
            } catch (SQLException e) {
                Failure failure = Snapshots.translate(e);
                if (failure instanceof Failure.Fatal fatal) {
                    throw fatal;
                }
                return TableVerification.unknown(mapping.source(), failure.getMessage());
            }
        }
        return TableVerification.unknown(mapping.source(), reason);
    }

    /** The way of one table. */
    private final class Table {
        private final LaneConfig lane;
        private final TableMapping mapping;
        private final TableId source;
        private final Divergences divergences;
        private final List<RowDifference> differences = new ArrayList<>();
        private ComparedTable compared;
        private boolean mayBeAskedAgain;
        private Instant at;
        private Lsn position;
        private long rows;
        private long confirmed;
        private long explained;
        private Set<List<String>> parked = Set.of();

        Table(LaneConfig lane, TableMapping mapping, Divergences divergences) {
            this.lane = lane;
            this.mapping = mapping;
            this.source = mapping.source();
            this.divergences = divergences;
        }

        TableVerification verify() throws SQLException, Touches.Unknown, InterruptedException {
            Set<List<String>> inFlight;
            rows = 0;
            confirmed = 0;
            explained = 0;
            differences.clear();
            try (SnapshotPair pair = SnapshotPair.open(config, lane)) {
                look(pair);
                at = pair.at();
                position = pair.position();
                inFlight = inFlight(pair);
                divergences.begin(lane, compared);
                Set<List<String>> leftOut = inFlight;
                try (RowStream here = new RowStream(pair.source(), compared.sourceSql());
                        RowStream there = new RowStream(pair.target(), compared.targetSql())) {
                    rows = count(new TableMerge(compared, here, there, kept(), leftOut::contains).run());
                }
            }
            for (int look = 0; look < LOOKS && !inFlight.isEmpty(); look++) {
                inFlight = verifyKeys(inFlight);
            }
            if (inFlight.isEmpty()) {
                divergences.end(result(0).comparison());
            } else {
                divergences.endPartly();
            }
            return result(inFlight.size()).verification();
        }

        /** Gives those that are still in flight. */
        private Set<List<String>> verifyKeys(Set<List<String>> keys) throws SQLException, Touches.Unknown, InterruptedException {
            TimeUnit.MILLISECONDS.sleep(PAUSE_MILLIS);
            try (SnapshotPair pair = SnapshotPair.open(config, lane)) {
                look(pair);
                Set<List<String>> still = new HashSet<>(keys);
                Set<List<String>> now = inFlight(pair);
                still.retainAll(now);
                List<List<String>> asked = keys.stream().filter(key -> !now.contains(key)).toList();
                if (!asked.isEmpty()) {
                    List<String[]> arrays = new ArrayList<>();
                    for (int i = 0; i < compared.key().size(); i++) {
                        int column = i;
                        arrays.add(asked.stream().map(key -> key.get(column)).toArray(String[]::new));
                    }
                    try (RowStream here = new RowStream(pair.source(), compared.sourceSqlOfKeys(), arrays);
                            RowStream there = new RowStream(pair.target(), compared.targetSqlOfKeys(), arrays)) {
                        rows += count(new TableMerge(compared, here, there, kept(), now::contains).run());
                    }
                }
                return still;
            }
        }

        private long count(TableComparison comparison) {
            confirmed += comparison.differenceCount();
            comparison.differences().stream()
                    .limit(Math.max(0, RowComparison.LISTED - differences.size()))
                    .forEach(differences::add);
            return comparison.sourceRows();
        }

        /** Counts those that dead letters explain. */
        private Divergences kept() {
            return new Divergences() {
                @Override
                public void begin(LaneConfig of, ComparedTable table) {}

                @Override
                public void found(Divergence divergence) {
                    explained += parked.contains(divergence.key()) ? 1 : 0;
                    divergences.found(divergence);
                }

                @Override
                public void end(TableComparison comparison) {}

                @Override
                public void endPartly() {}
            };
        }

        private void look(SnapshotPair pair) throws SQLException, Touches.Unknown {
            Optional<String> notYet = notYet(pair.target());
            if (notYet.isPresent()) {
                mayBeAskedAgain = false;
                throw new Touches.Unknown(notYet.get());
            }
            TableShape here = shape(pair.source(), source, "source");
            TableShape there = shape(pair.target(), mapping.target(), "target");
            compared = new ComparedTable(mapping, here, there, ComputedPairs.read(config, mapping, here, there));
            parked = parked(pair.target());
        }

        private static TableShape shape(Connection side, TableId table, String role) throws SQLException, Touches.Unknown {
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

        private Set<List<String>> inFlight(SnapshotPair pair) throws Touches.Unknown {
            mayBeAskedAgain = false;
            Touches touches = Touches.read(config, lane, pair);
            mayBeAskedAgain = true;
            Set<Map<String, String>> touched = touches.keys(source);
            if (touches.isWhole(source) || !compared.hasKey() && !touched.isEmpty()) {
                throw new Touches.Unknown("rows of it that cannot be told apart are in flight each time it is looked at");
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

        private Result result(long inFlight) {
            return new Result(inFlight);
        }

        /** In the two forms that are asked for. */
        private final class Result {
            private final long inFlight;

            Result(long inFlight) {
                this.inFlight = inFlight;
            }

            TableVerification verification() {
                return new TableVerification(
                        source,
                        "",
                        at,
                        position,
                        rows + inFlight,
                        compared.columns().size(),
                        compared.notCompared(),
                        confirmed,
                        explained,
                        inFlight,
                        List.copyOf(differences));
            }

            /** For who only counts. */
            TableComparison comparison() {
                return new TableComparison(
                        source, mapping.target(), rows, rows, confirmed, 0, 0, List.copyOf(differences), compared.notCompared());
            }
        }
    }
}
