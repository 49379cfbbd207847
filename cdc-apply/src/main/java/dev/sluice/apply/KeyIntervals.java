package dev.sluice.apply;

import dev.sluice.apply.RereadStore.Range;
import dev.sluice.apply.RowChange.Key;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The whole order of a table's keys, cut into intervals that are to do, being read, or done.
 *
 * <p>Threads: one.
 *
 * @param <P> what is being read
 */
final class KeyIntervals<P> {
    /** Ascending; interval {@code i} lies from border {@code i - 1} on, below border {@code i}. */
    private final List<Key> borders = new ArrayList<>();
    private final List<State<P>> states = new ArrayList<>();

    /** What is true of all keys of an interval. Exactly one of three: done, being read, or neither. */
    record State<P>(boolean isDone, P reading) {
        boolean isToDo() {
            return !isDone && reading == null;
        }
    }

    private State<P> toDo() {
        return new State<>(false, null);
    }

    KeyIntervals() {
        states.add(toDo());
    }

    /** @param done in ascending order, not overlapping */
    KeyIntervals(List<Range> done) {
        this();
        for (Range range : done) {
            int last = states.size() - 1;
            if (range.lo() != null && (borders.isEmpty() || !borders.get(last - 1).equals(range.lo()))) {
                borders.add(range.lo());
                states.add(toDo());
                last++;
            }
            states.set(last, new State<>(true, null));
            if (range.hi() != null) {
                borders.add(range.hi());
                states.add(toDo());
            }
        }
        join();
    }

    List<Key> borders() {
        return borders;
    }

    State<P> state(int interval) {
        return states.get(interval);
    }

    private Range range(int interval) {
        return new Range(
                interval == 0 ? null : borders.get(interval - 1), interval == borders.size() ? null : borders.get(interval));
    }

    /** The first interval that is to do. */
    Optional<Range> firstToDo() {
        for (int i = 0; i < states.size(); i++) {
            if (states.get(i).isToDo()) {
                return Optional.of(range(i));
            }
        }
        return Optional.empty();
    }

    boolean isDone() {
        return states.stream().allMatch(State::isDone);
    }

    /**
     * Begins to read the first part of an interval that is to do.
     *
     * @param hi where the part ends; null or the interval's own end for all of it
     */
    void read(Range interval, Key hi, P reading) {
        int place = place(interval);
        if (hi != null && !hi.equals(interval.hi())) {
            borders.add(place, hi);
            states.add(place + 1, toDo());
        }
        states.set(place, new State<>(false, reading));
    }

    private int place(Range range) {
        for (int i = 0; i < states.size(); i++) {
            if (range(i).equals(range)) {
                return i;
            }
        }
        throw new IllegalStateException("no such interval");
    }

    /** What was being read is done. */
    void done(P reading) {
        set(reading, new State<>(true, null));
    }

    /** What was being read is to do again. */
    void giveUp(P reading) {
        set(reading, toDo());
    }

    private void set(P reading, State<P> state) {
        for (int i = 0; i < states.size(); i++) {
            if (reading.equals(states.get(i).reading())) {
                states.set(i, state);
            }
        }
        join();
    }

    /** Neighbours of which the same is true become one, so that few borders have to be compared. */
    private void join() {
        for (int i = borders.size() - 1; i >= 0; i--) {
            if (states.get(i).reading() == null && states.get(i).equals(states.get(i + 1))) {
                borders.remove(i);
                states.remove(i + 1);
            }
        }
    }
}
