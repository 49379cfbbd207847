package dev.sluice.apply;

import dev.sluice.apply.RowChange.Key;
import dev.sluice.apply.RowChange.Kind;
import dev.sluice.apply.TargetWriter.MissingRows;
import dev.sluice.schemas.Failure;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedList;
import java.util.List;
import java.util.ListIterator;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

/**
 * Writes the changes of one target transaction where sets of them are refused: smaller sets, down to single rows, in the
 * order of the source.
 *
 * <p>That order succeeded at the source, but the source checks some constraints only at the end of a statement or of the
 * transaction: rows that refer to later ones, unique values and keys that change hands. Such a row is refused here, waits,
 * and is tried again when others have been written. What then still waits at the end may be rows whose keys or unique
 * values have changed hands in a circle: they are taken out and put in anew. A change of some columns of a row that the
 * target does not have takes the row from the source. A row that nothing helps can never be written.
 *
 * <p>Nothing overtakes a waiting change that may concern the same row. One thing does concern it and is tried all the same:
 * while a row waits to move to a key, the row that still has this key may move away, as in {@code SET id = id + 1} on a
 * deferrable key.
 *
 * <p>Threads: the lane's.
 */
final class ExactOrder {
    /** Few rows of a refused batch are to blame, and they cost only their part. */
    private static final int PART_ROWS = 64;

    /** So many waiting rows are tried again after each part, more only at the end. */
    private static final int FEW = 64;

    private static final long MOST_WAITING_CHARS = Runtime.getRuntime().maxMemory() / 16;

    private final Target target;
    /** Null if the first row that can never be written ends the writing. */
    private final Parking parking;
    private final LinkedList<Unit> waiting = new LinkedList<>();
    private final Claims claims = new Claims();
    private long waitingChars;
    /** Of the part that is written. */
    private int refusedRows;
    /** Many rows of the last part were refused one by one, so halving the next one is no use. */
    private boolean isDense;

    /** Where changes are written as sets. */
    interface Target {
        /** Writes all of the changes or none; empty if they were written, else why they were refused. */
        Optional<SQLException> attempt(List<RowChange> changes) throws SQLException;

        /**
         * Takes the old rows out, each of which must be there, and writes the new ones, all or none.
         *
         * @param old deletions
         * @param anew one for each of {@code old}, which gives it the values that the change does not carry
         */
        Optional<SQLException> attemptAnew(List<RowChange> old, List<RowChange> anew) throws SQLException;

        /** The row that the change leaves behind, as the source has it now; empty if it has gone. */
        Optional<RowChange> reread(RowChange change);
    }

    ExactOrder(Target target) {
        this(target, null);
    }

    /** @param parking takes the rows that can never be written; the others are written */
    ExactOrder(Target target, Parking parking) {
        this.target = target;
        this.parking = parking;
    }

    /** What is written together or not at all: one change, or the TRUNCATE of several tables. */
    private static final class Unit {
        final List<RowChange> changes;
        Optional<SQLException> refusal;

        Unit(List<RowChange> changes, Optional<SQLException> refusal) {
            this.changes = changes;
            this.refusal = refusal;
        }
    }

    /**
     * Writes the next changes; some may be left waiting for later ones.
     *
     * @throws Failure.Poison if a row can never be written, or too many wait, and rows are not parked
     */
    void write(List<RowChange> changes) throws SQLException {
        for (int from = 0, to; from < changes.size(); from = to) {
            to = end(changes, from + PART_ROWS);
            List<RowChange> part = changes.subList(from, to);
            refusedRows = 0;
            if (isDense) {
                writeOneByOne(part);
            } else {
                writePart(part);
            }
            isDense = refusedRows > part.size() / 4;
            if (waiting.size() <= FEW) {
                settle();
            }
        }
    }

    /**
     * Writes what still waits; nothing comes after it.
     *
     * @throws Failure.Poison naming the first row that can never be written, where rows are not parked
     */
    void finish() throws SQLException {
        while (!waiting.isEmpty()) {
            if (!settle() && !settleCircle() && !settleMissing()) {
                if (waiting.size() > FEW) {
                    parkRefused();
                } else {
                    Unit first = neverWritten();
                    waiting.remove(first);
                    park(first);
                }
            }
        }
    }

    /** The one to blame: a row that refers to another is often refused only because that one is. */
    private Unit neverWritten() {
        List<Unit> refused = waiting.stream().filter(unit -> unit.refusal.isPresent()).toList();
        return refused.stream()
                .filter(unit -> !TargetFailures.isForeignKey(unit.refusal.get()))
                .findFirst()
                .orElse(refused.get(0));
    }

    /** Among so many, trying after each one whether the rest can be written now would take too long. */
    private void parkRefused() throws SQLException {
        ListIterator<Unit> units = waiting.listIterator();
        while (units.hasNext()) {
            Unit unit = units.next();
            if (unit.refusal.isPresent()) {
                units.remove();
                park(unit);
            }
        }
        claims.clear();
        waitingChars = 0;
        waiting.forEach(this::claim);
    }

    private void park(Unit unit) throws SQLException {
        RowChange change = unit.changes.get(0);
        SQLException refusal = unit.refusal.orElseThrow();
        if (parking == null || unit.changes.size() > 1 || !Parking.canPark(change)) {
            throw Parking.poison(change, refusal);
        }
        parking.refused(change, refusal);
    }

    private boolean isConcerned(List<RowChange> changes) {
        return parking != null && parking.concerns(changes);
    }

    /** Writes one unit, or parks it where it cannot be tried; empty if either was done, else why it was refused. */
    private Optional<SQLException> attempt(List<RowChange> unit) throws SQLException {
        boolean isConcerned = isConcerned(unit);
        if (isConcerned && parking.parkedBehind(unit.get(0))) {
            return Optional.empty();
        }
        Optional<SQLException> refusal = target.attempt(unit);
        if (refusal.isEmpty() && isConcerned) {
            parking.written(unit);
        }
        return refusal;
    }

    /**
     * Takes rows out and puts them in anew, where each waits for what another has. Only in tables where a deletion reaches
     * no other row and loses nothing; and only if each key is given up once and taken once, since two changes of one row do
     * not say which of the rows that had the key in between is meant.
     */
    private boolean settleCircle() throws SQLException {
        Claims earlier = new Claims();
        List<Unit> circle = new ArrayList<>();
        Set<Object> givenUp = new HashSet<>();
        Set<Object> taken = new HashSet<>();
        List<RowChange> old = new ArrayList<>();
        List<RowChange> anew = new ArrayList<>();
        for (Unit unit : waiting) {
            RowChange change = unit.changes.get(0);
            if (unit.changes.size() > 1
                    || !canBeAnew(change)
                    || earlier.holdBack(unit.changes)
                    || isConcerned(unit.changes)) {
                earlier.add(unit.changes);
                continue;
            }
            Key before = change.kind() == Kind.MOVE ? change.oldKey() : change.key();
            if (!givenUp.add(Claims.row(change, before)) | !taken.add(Claims.row(change, change.key()))) {
                return false;
            }
            circle.add(unit);
            old.add(new RowChange(change.table(), Kind.DELETE, before, null, null));
            anew.add(new RowChange(change.table(), Kind.UPSERT, change.key(), change.values(), null));
        }
        if (circle.size() < 2 || target.attemptAnew(old, anew).isPresent()) {
            return false;
        }
        waiting.removeAll(circle);
        return true;
    }

    private static boolean canBeAnew(RowChange change) {
        boolean leavesARow = change.kind() == Kind.UPSERT || change.kind() == Kind.PATCH || change.kind() == Kind.MOVE;
        return leavesARow && !change.table().hasCascade() && !change.table().hasColumnsOfItsOwn();
    }

    /**
     * Takes rows that changes presuppose and the target lacks from the source, all that wait for nothing else; nothing in their
     * place if the source lacks them too. False if it has not helped.
     */
    private boolean settleMissing() throws SQLException {
        Claims earlier = new Claims();
        int before = waiting.size();
        ListIterator<Unit> units = waiting.listIterator();
        while (units.hasNext()) {
            Unit unit = units.next();
            if (!earlier.holdBack(unit.changes) && isMissing(unit) && !isConcerned(unit.changes)) {
                Optional<RowChange> row = target.reread(unit.changes.get(0));
                Optional<SQLException> refusal = row.isEmpty() ? Optional.empty() : target.attempt(List.of(row.get()));
                if (refusal.isEmpty()) {
                    units.remove();
                    continue;
                }
                unit.refusal = refusal;
            }
            earlier.add(unit.changes);
        }
        return waiting.size() < before;
    }

    private static boolean isMissing(Unit unit) {
        Kind kind = unit.changes.get(0).kind();
        return unit.refusal.orElse(null) instanceof MissingRows
                && unit.changes.size() == 1
                && (kind == Kind.PATCH || kind == Kind.MOVE);
    }

    /** Not in the middle of a TRUNCATE: its tables may be tied by foreign keys. */
    private static int end(List<RowChange> changes, int wanted) {
        int end = Math.min(wanted, changes.size());
        while (end < changes.size() && isTruncate(changes.get(end - 1)) && isTruncate(changes.get(end))) {
            end++;
        }
        return end;
    }

    private static boolean isTruncate(RowChange change) {
        return change.kind() == Kind.TRUNCATE;
    }

    private void writeOneByOne(List<RowChange> part) throws SQLException {
        for (int from = 0, to; from < part.size(); from = to) {
            to = end(part, from + 1);
            writePart(part.subList(from, to));
        }
    }

    private void writePart(List<RowChange> part) throws SQLException {
        int middle = end(part, (part.size() + 1) / 2);
        boolean isOne = middle == part.size();
        Optional<SQLException> refusal = Optional.empty();
        if (!claims.holdBack(part) && (isOne || !isConcerned(part))) {
            refusal = isOne ? attempt(part) : target.attempt(part);
            if (refusal.isEmpty()) {
                return;
            }
        }
        if (isOne) {
            Unit unit = new Unit(List.copyOf(part), refusal);
            refusedRows += refusal.isPresent() ? 1 : 0;
            if (refusal.isPresent() && TargetFailures.isAboutRowAlone(refusal.get())) {
                park(unit);
            } else {
                await(unit);
            }
            return;
        }
        writePart(part.subList(0, middle));
        writePart(part.subList(middle, part.size()));
    }

    private void await(Unit unit) throws SQLException {
        waiting.add(unit);
        claim(unit);
        if (waitingChars > MOST_WAITING_CHARS && parking != null) {
            parkRefused();
        }
        if (waitingChars > MOST_WAITING_CHARS) {
            throw new Failure.Poison(
                    ("%d rows of one transaction wait for later ones%s; a constraint that can wait takes them: ALTER TABLE …"
                                    + " ALTER CONSTRAINT … DEFERRABLE")
                            .formatted(waiting.size(), waiting.getFirst().refusal.map(ExactOrder::constraint).orElse("")),
                    null);
        }
    }

    private void claim(Unit unit) {
        claims.add(unit.changes);
        waitingChars += unit.changes.stream().mapToLong(ExactOrder::chars).sum();
    }

    private static long chars(RowChange change) {
        long chars = 100;
        if (change.values() != null) {
            chars += chars(Arrays.asList(change.values()));
        }
        return change.oldKey() == null ? chars : chars + chars(change.oldKey().values());
    }

    private static long chars(List<String> values) {
        long chars = 0;
        for (String value : values) {
            chars += value == null ? 0 : value.length();
        }
        return chars;
    }

    private static String constraint(SQLException refusal) {
        ServerErrorMessage said = refusal instanceof PSQLException server ? server.getServerErrorMessage() : null;
        return said == null || said.getConstraint() == null ? "" : ", constraint " + said.getConstraint();
    }

    /**
     * Tries what waits: all at once, which rows that refer to each other need; one by one from the last to the first, as
     * where each needs what the next one has; from the first to the last. False if it has not helped.
     */
    private boolean settle() throws SQLException {
        int before = waiting.size();
        if (before > 1) {
            List<RowChange> all = new ArrayList<>();
            waiting.forEach(unit -> all.addAll(unit.changes));
            if (!isConcerned(all) && target.attempt(all).isEmpty()) {
                waiting.clear();
            } else {
                settleBackwards();
            }
        }
        settleForwards();
        return waiting.size() < before;
    }

    private void settleBackwards() throws SQLException {
        Claims earlier = new Claims();
        waiting.forEach(unit -> earlier.add(unit.changes));
        ListIterator<Unit> units = waiting.listIterator(waiting.size());
        while (units.hasPrevious()) {
            Unit unit = units.previous();
            earlier.remove(unit.changes);
            if (isWritten(unit, earlier)) {
                units.remove();
            }
        }
    }

    private void settleForwards() throws SQLException {
        claims.clear();
        waitingChars = 0;
        ListIterator<Unit> units = waiting.listIterator();
        while (units.hasNext()) {
            Unit unit = units.next();
            if (isWritten(unit, claims)) {
                units.remove();
            } else {
                claim(unit);
            }
        }
    }

    private boolean isWritten(Unit unit, Claims earlier) throws SQLException {
        if (earlier.holdBack(unit.changes)) {
            return false;
        }
        unit.refusal = attempt(unit.changes);
        return unit.refusal.isEmpty();
    }

    /** Which keys waiting changes take a row from, and to which they bring one. */
    private static final class Claims {
        private final Map<Object, Integer> taken = new HashMap<>();
        private final Map<Object, Integer> brought = new HashMap<>();
        private int truncations;

        void add(List<RowChange> changes) {
            changes.forEach(change -> count(change, 1));
        }

        void remove(List<RowChange> changes) {
            changes.forEach(change -> count(change, -1));
        }

        void clear() {
            taken.clear();
            brought.clear();
            truncations = 0;
        }

        private void count(RowChange change, int by) {
            switch (change.kind()) {
                case TRUNCATE -> truncations += by;
                case MOVE -> {
                    count(taken, row(change, change.oldKey()), by);
                    count(brought, row(change, change.key()), by);
                }
                case ROW -> count(taken, row(change, null), by);
                default -> count(taken, row(change, change.key()), by);
            }
        }

        private static void count(Map<Object, Integer> rows, Object row, int by) {
            rows.merge(row, by, (count, more) -> count + more == 0 ? null : count + more);
        }

        private static Object row(RowChange change, Key key) {
            return key == null ? change.table().id() : List.of(change.table().id(), key); // without keys any row may be it
        }

        boolean holdBack(List<RowChange> changes) {
            return !isEmpty() && changes.stream().anyMatch(this::holdsBack);
        }

        private boolean isEmpty() {
            return taken.isEmpty() && brought.isEmpty() && truncations == 0;
        }

        private boolean holdsBack(RowChange change) {
            if (truncations > 0 || change.kind() == Kind.TRUNCATE) {
                return true;
            }
            if (change.kind() == Kind.DELETE && change.table().hasCascade()) {
                return true; // it may reach a row that a waiting change moves away from it
            }
            Object row = row(change, change.key());
            return taken.containsKey(row)
                    || brought.containsKey(row)
                    || change.kind() == Kind.MOVE && taken.containsKey(row(change, change.oldKey()));
        }
    }
}
