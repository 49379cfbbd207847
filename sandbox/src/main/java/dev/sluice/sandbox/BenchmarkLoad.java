package dev.sluice.sandbox;

import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Databases;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.BooleanSupplier;

/**
 * Makes a given number of changes: 70 % updates, 20 % inserts, 10 % deletes, in transactions of 1 to 10 rows, over
 * customers, orders and order_items with their foreign keys.
 *
 * <p>Each connection works on orders of its own, so none waits for another, and a transaction is one round trip.
 */
final class BenchmarkLoad {
    private static final int CONNECTIONS = 4;
    private static final int CUSTOMERS = 20_000;
    private static final int ORDERS = 50_000;
    private static final int LINES = 2;

    private final DatabaseConfig source;
    private final long seed;

    BenchmarkLoad(DatabaseConfig source, long seed) {
        this.source = source;
        this.seed = seed;
    }

    /**
     * Makes exactly {@code changes}, and returns when they are committed.
     *
     * @param first number of changes made by earlier runs: keys go on from there
     */
    void run(long first, long changes, Pace pace) throws InterruptedException {
        run(first, changes, () -> false, pace);
    }

    /**
     * Makes changes until it is told to end, and returns how many when they are committed.
     *
     * @param isEnough is asked before each transaction, by several threads
     */
    long runUntil(BooleanSupplier isEnough, Pace pace) throws InterruptedException {
        return run(0, Long.MAX_VALUE, isEnough, pace);
    }

    private long run(long first, long changes, BooleanSupplier isEnough, Pace pace) throws InterruptedException {
        ExecutorService threads = Executors.newFixedThreadPool(CONNECTIONS);
        try {
            List<Callable<Long>> shares = new ArrayList<>();
            for (int place = 0; place < CONNECTIONS; place++) {
                long share = changes / CONNECTIONS + (place < changes % CONNECTIONS ? 1 : 0);
                Clerk clerk = new Clerk(place, first);
                shares.add(() -> clerk.run(share, isEnough, pace));
            }
            long made = 0;
            for (Future<Long> share : threads.invokeAll(shares)) {
                made += share.get();
            }
            return made;
        } catch (ExecutionException e) {
            throw new IllegalStateException("could not make the changes", e.getCause());
        } finally {
            threads.shutdownNow();
        }
    }

    private record Order(long id, int firstLine, int lastLine) {}

    /** One connection's share. */
    private final class Clerk {
        private final Random random;
        private final List<Order> orders = new ArrayList<>();
        private final StringBuilder sql = new StringBuilder();
        private long nextKey;

        /** @param first above the keys of all runs before this one, however many of its changes were inserts */
        Clerk(int place, long first) {
            random = new Random(seed * 31 + first + place);
            nextKey = ORDERS + first * CONNECTIONS + place;
            for (long id = place; id < ORDERS && first == 0; id += CONNECTIONS) {
                orders.add(new Order(id, 1, LINES));
            }
        }

        /** @return how many it has made */
        long run(long changes, BooleanSupplier isEnough, Pace pace) throws SQLException, InterruptedException {
            try (Connection connection = Databases.connect(source, "benchmark");
                    Statement statement = connection.createStatement()) {
                statement.execute("SET synchronous_commit = off");
                long left = changes;
                while (left > 0 && !isEnough.getAsBoolean()) {
                    int rows = (int) Math.min(left, 1 + random.nextInt(10));
                    sql.setLength(0);
                    sql.append("BEGIN;");
                    for (int i = 0; i < rows; i++) {
                        change();
                    }
                    statement.execute(sql.append("COMMIT").toString());
                    left -= rows;
                    pace.made(rows);
                }
                return changes - left;
            }
        }

        private void change() {
            int kind = random.nextInt(100);
            if (kind < 70) {
                update();
            } else if (kind < 90 || orders.isEmpty()) {
                insert();
            } else {
                delete();
            }
        }

        private void update() {
            int table = orders.isEmpty() ? 0 : random.nextInt(5);
            if (table == 0) {
                add("UPDATE customers SET credit = credit + 1, changed_at = now() WHERE id = %d;", customer());
            } else {
                Order order = orders.get(random.nextInt(orders.size()));
                if (table < 3 || order.lastLine() < order.firstLine()) {
                    add("UPDATE orders SET status = 'state %d', total = total + 1 WHERE id = %d;", random.nextInt(9), order.id());
                } else {
                    add("UPDATE order_items SET quantity = %d WHERE order_id = %d AND line_no = %d;",
                            1 + random.nextInt(99), order.id(), order.lastLine());
                }
            }
        }

        private void insert() {
            int table = orders.isEmpty() ? 1 : random.nextInt(10);
            if (table == 0) {
                add("INSERT INTO customers VALUES (%d, 'New customer', 'new@example.org', 0, '{\"level\": 0}', now());",
                        key());
            } else if (table < 4) {
                long id = key();
                add("INSERT INTO orders VALUES (%d, %d, 'new', 5.00, 'a note', now());", id, customer());
                orders.add(new Order(id, 1, 0));
            } else {
                int place = random.nextInt(orders.size());
                Order order = orders.get(place);
                add("INSERT INTO order_items VALUES (%d, %d, 'Product %d', 1, 9.99);",
                        order.id(), order.lastLine() + 1, random.nextInt(500));
                orders.set(place, new Order(order.id(), order.firstLine(), order.lastLine() + 1));
            }
        }

        /** A line, or an order that has none. */
        private void delete() {
            int place = random.nextInt(orders.size());
            Order order = orders.get(place);
            if (order.firstLine() <= order.lastLine()) {
                add("DELETE FROM order_items WHERE order_id = %d AND line_no = %d;", order.id(), order.firstLine());
                orders.set(place, new Order(order.id(), order.firstLine() + 1, order.lastLine()));
            } else {
                add("DELETE FROM orders WHERE id = %d;", order.id());
                orders.set(place, orders.get(orders.size() - 1));
                orders.remove(orders.size() - 1);
            }
        }

        private long customer() {
            return random.nextInt(CUSTOMERS);
        }

        private long key() {
            long key = nextKey;
            nextKey += CONNECTIONS;
            return key;
        }

        private void add(String statement, Object... values) {
            sql.append(statement.formatted(values));
        }
    }
}
