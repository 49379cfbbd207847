package dev.sluice.reconciler;

import dev.sluice.reconciler.PairedTable.Busy;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.TableId;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * One way through the rows that refer to others, range by range as rows are compared, and behind them those that were in flight.
 *
 * <p>In a pair of snapshots both sides are asked for rows without the row that they refer to. One that both name was so before. One
 * that only the target names is broken, unless it is in flight itself, or the row is that it refers to at the source: with the same
 * changes on both sides the target would have that row.
 *
 * <p>Threads: one at a time.
 */
final class ReferencePass {
    private static final int LOOKS = 20;
    private static final long PAUSE_MILLIS = 100;
    private static final int AT_ONCE = 1_000;

    /** Rows in flight that are remembered. */
    private static final int MOST_IN_FLIGHT = 100_000;

    private final CheckedReference reference;
    private final TableMapping child;
    private final int rangeRows;
    private final List<String> rows = new ArrayList<>();
    private Set<List<String>> inFlight = new HashSet<>();
    /** Where the next range begins; null at the beginning. */
    private List<String> from;

    private boolean isThrough;
    private int looks;
    private String unknown = "";
    private long broken;
    private long explained;
    private long preExisting;

    /** @param rangeRows of the child in a range, about */
    ReferencePass(CheckedReference reference, TableMapping child, int rangeRows) {
        this.reference = reference;
        this.child = child;
        this.rangeRows = rangeRows;
    }

    TableMapping child() {
        return child;
    }

    /** What is referred to, if the lane carries it. */
    Optional<TableMapping> parent() {
        return reference.parent();
    }

    boolean isDone() {
        return !unknown.isEmpty() || isThrough && (inFlight.isEmpty() || looks == LOOKS);
    }

    void unknown(String reason) {
        unknown = reason;
    }

    ReferenceVerification result() {
        return new ReferenceVerification(
                child.source(), reference.toString(), unknown, broken, explained, preExisting, inFlight.size(), List.copyOf(rows));
    }

    /** @param parent empty if nothing is applied to the table that is referred to */
    void step(PairedTable table, Optional<PairedTable> parent) throws SQLException, TouchLog.Unknown, InterruptedException {
        List<TableId> beside = parent.isPresent() ? List.of(parent.get().source()) : List.of();
        try {
            if (!isThrough) {
                table.look(beside, List.of(reference.target().parent()), () -> range(table, parent));
            } else {
                TimeUnit.MILLISECONDS.sleep(PAUSE_MILLIS);
                int before = inFlight.size();
                table.look(beside, List.of(reference.target().parent()), () -> again(table, parent));
                looks = inFlight.size() < before ? 0 : looks + 1;
            }
        } catch (SQLException e) {
            String state = String.valueOf(e.getSQLState());
            if (!state.startsWith("42")) {
                throw e;
            }
            throw new TouchLog.Unknown(e.getMessage().lines().findFirst().orElse(state));
        }
    }

    private void range(PairedTable table, Optional<PairedTable> parent) throws SQLException, TouchLog.Unknown, Busy {
        List<String> to = table.hasRanges(true) ? table.border(from, rangeRows) : null;
        new Look(table, parent).take(new KeyRange(from, to), inFlight);
        from = to;
        isThrough = from == null;
    }

    private void again(PairedTable table, Optional<PairedTable> parent) throws SQLException, TouchLog.Unknown, Busy {
        Set<List<String>> still = new HashSet<>();
        List<List<String>> asked = inFlight.stream().limit(PairedTable.KEYS_AT_ONCE).toList();
        new Look(table, parent).take(table.keys(asked), still);
        Set<List<String>> others = new HashSet<>(inFlight);
        asked.forEach(others::remove);
        others.addAll(still);
        inFlight = others;
    }

    /** At some rows of the child, in a pair. What it finds counts if it comes to its end. */
    private final class Look {
        private final PairedTable table;
        private final Optional<PairedTable> parent;
        private final Set<List<String>> childNow;
        private final Set<List<String>> parentNow;
        private final Set<List<String>> childParked;
        private final Set<List<String>> parentParked;
        private final OrphanSql target;
        private final Optional<OrphanSql> source;
        private final Set<List<String>> found = new HashSet<>();
        private final List<String> brokenRows = new ArrayList<>();
        private long brokenHere;
        private long explainedHere;
        private long preExistingHere;

        Look(PairedTable table, Optional<PairedTable> parent) throws SQLException, TouchLog.Unknown, Busy {
            this.table = table;
            this.parent = parent;
            if (parent.isPresent()) {
                parent.get().requireAState();
            }
            childNow = table.inFlight();
            parentNow = parent.isPresent() ? parent.get().inFlight() : Set.of();
            childParked = table.parked();
            parentParked = parent.isPresent() ? parent.get().parked() : Set.of();
            target = sql(reference.target(), table.compared().target());
            source = reference.source().map(ends -> sql(ends, table.compared().source()));
        }

        private static OrphanSql sql(CheckedReference.Ends ends, ComparedSide side) {
            return new OrphanSql(ends, side.key(), side.keyTypes());
        }

        void take(RowCondition condition, Set<List<String>> stillInFlight) throws SQLException, TouchLog.Unknown, Busy {
            List<List<String>> suspects = new ArrayList<>();
            try (RowStream there = new RowStream(table.pair().target(), target.orphans(condition))) {
                if (source.isEmpty()) {
                    while (there.hasRow()) {
                        suspect(there, suspects);
                    }
                } else {
                    try (RowStream here = new RowStream(table.pair().source(), source.get().orphans(condition))) {
                        merge(here, there, suspects);
                    }
                }
                judge(suspects);
            }
            if (stillInFlight.size() + found.size() > MOST_IN_FLIGHT) {
                throw new TouchLog.Unknown("more than %,d of its rows are in flight".formatted(MOST_IN_FLIGHT));
            }
            if (!found.isEmpty() && !table.compared().hasKey()) {
                throw new Busy("rows that cannot be told apart refer to rows in flight each time they are looked at");
            }
            stillInFlight.addAll(found);
            broken += brokenHere;
            explained += explainedHere;
            preExisting += preExistingHere;
            brokenRows.stream().limit(RowComparison.LISTED - rows.size()).forEach(rows::add);
        }

        private void merge(RowStream here, RowStream there, List<List<String>> suspects) throws SQLException {
            while (here.hasRow() || there.hasRow()) {
                int order = RowStream.compareKeys(here, there, target.width());
                if (order > 0) {
                    suspect(there, suspects);
                } else {
                    if (order == 0) {
                        preExistingHere++;
                        there.next();
                    }
                    here.next(); // if only the source names it, the comparison of the rows says why
                }
            }
        }

        private void suspect(RowStream there, List<List<String>> suspects) throws SQLException {
            suspects.add(List.copyOf(there.key(target.width())));
            there.next();
            if (suspects.size() == AT_ONCE) {
                judge(suspects);
                suspects.clear();
            }
        }

        private void judge(List<List<String>> suspects) throws SQLException {
            List<List<String>> atRest = new ArrayList<>();
            for (List<String> row : suspects) {
                if (table.compared().hasKey() && childNow.contains(row)) {
                    found.add(row);
                } else {
                    atRest.add(row);
                }
            }
            Map<List<String>, List<List<String>>> parents = parents(atRest);
            for (List<String> row : atRest) {
                List<List<String>> refersTo = parents.getOrDefault(row, List.of());
                boolean mayComeToRest = source.isEmpty() && !parentNow.isEmpty();
                if (mayComeToRest || !refersTo.isEmpty() && parentNow.containsAll(refersTo)) {
                    found.add(row);
                } else {
                    brokenHere++;
                    explainedHere += childParked.contains(row) || refersTo.stream().anyMatch(parentParked::contains) ? 1 : 0;
                    if (brokenRows.size() < RowComparison.LISTED) {
                        brokenRows.add(target.text(row));
                    }
                }
            }
        }

        /** What rows refer to at the source, by the keys of both; nothing if it has no key, and then none of its rows is in flight. */
        private Map<List<String>, List<List<String>>> parents(List<List<String>> rows) throws SQLException {
            if (rows.isEmpty() || source.isEmpty() || !parent.orElseThrow().compared().hasKey()) {
                return Map.of();
            }
            Map<List<String>, List<List<String>>> parents = new HashMap<>();
            ComparedSide referred = parent.get().compared().source();
            int width = source.get().width();
            try (RowStream joined = new RowStream(table.pair().source(), source.get().parents(rows, referred))) {
                while (joined.hasRow()) {
                    List<String> all = List.copyOf(joined.key(width + referred.key().size()));
                    parents.computeIfAbsent(all.subList(0, width), row -> new ArrayList<>()).add(all.subList(width, all.size()));
                    joined.next();
                }
            }
            return parents;
        }
    }
}
