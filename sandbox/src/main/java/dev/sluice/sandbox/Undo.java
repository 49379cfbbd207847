package dev.sluice.sandbox;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;

/**
 * Takes back what a transaction changed in memory when the transaction itself is rolled back, whole or to a savepoint.
 *
 * <p>Threads: one.
 */
final class Undo {
    private final Deque<Runnable> steps = new ArrayDeque<>();

    void add(Runnable step) {
        steps.push(step);
    }

    int savepoint() {
        return steps.size();
    }

    void rollbackTo(int savepoint) {
        while (steps.size() > savepoint) {
            steps.pop().run();
        }
    }

    void commit() {
        steps.clear();
    }

    /** A bag of things to pick from at random; changes of it can be undone. */
    static final class Bag<T> {
        private final List<T> items = new ArrayList<>();
        private final Undo undo;

        Bag(Undo undo) {
            this.undo = undo;
        }

        int size() {
            return items.size();
        }

        boolean isEmpty() {
            return items.isEmpty();
        }

        T pick(Random random) {
            return items.get(random.nextInt(items.size()));
        }

        void add(T item) {
            items.add(item);
            undo.add(() -> items.remove(items.size() - 1));
        }

        /** Takes one out; the last one fills its place. */
        T take(Random random) {
            int place = random.nextInt(items.size());
            T taken = items.get(place);
            T last = items.remove(items.size() - 1);
            if (place < items.size()) {
                items.set(place, last);
            }
            undo.add(() -> {
                if (place < items.size()) {
                    items.set(place, taken);
                    items.add(last);
                } else {
                    items.add(taken);
                }
            });
            return taken;
        }

        void forEach(Consumer<T> action) {
            items.forEach(action);
        }
    }
}
