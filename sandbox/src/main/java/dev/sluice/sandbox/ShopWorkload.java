package dev.sluice.sandbox;

import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Databases;
import dev.sluice.process.StopSignal;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;

/**
 * People at work in the {@link Shop}: inserts, updates and deletes on every table from several connections, in
 * transactions of 1 to 10 rows and now and then one of some thousand; rollbacks, savepoints, changed primary keys,
 * unique values that change owner, long texts left alone.
 *
 * <p>What each connection does follows from the seed. How the connections interleave does not; and a connection that
 * was lost looks up its rows again.
 *
 * <p>Threads: one per connection. Any thread may ask and stop.
 */
public final class ShopWorkload implements AutoCloseable {

    /**
     * @param rowsPerSecond over all connections; 0 for as fast as possible
     * @param transactions of each connection; 0 for until stopped
     */
    public record Plan(long seed, int connections, int rowsPerSecond, long transactions) {

        public static Plan endless(long seed, int rowsPerSecond) {
            return new Plan(seed, 4, rowsPerSecond, 0);
        }

        /** As fast as possible. */
        public static Plan of(long seed, long transactions) {
            return new Plan(seed, 4, 0, transactions);
        }
    }

    private final StopSignal stop = new StopSignal();
    private final WorkloadCounts counts = new WorkloadCounts();
    private final AtomicReference<Exception> failure = new AtomicReference<>();
    private final List<Thread> threads = new ArrayList<>();

    private ShopWorkload() {}

    /** Stocks the shop unless it is, and lets the people in. */
    public static ShopWorkload start(DatabaseConfig source, Plan plan) {
        ShopWorkload workload = new ShopWorkload();
        try (Connection connection = Databases.connect(source, "shop")) {
            connection.setAutoCommit(false);
            workload.counts.committed(ShopDesk.stock(connection, plan.seed()));
        } catch (SQLException e) {
            throw new IllegalStateException("could not stock the shop", e);
        }
        Pace pace = new Pace(plan.rowsPerSecond());
        for (int place = 0; place < plan.connections(); place++) {
            workload.start(new ShopClerk(source, plan, place, pace, workload.counts, workload.stop), "shop-" + place);
        }
        return workload;
    }

    private void start(ShopClerk clerk, String name) {
        Thread thread = new Thread(
                () -> {
                    try {
                        clerk.run();
                    } catch (SQLException | InterruptedException | RuntimeException e) {
                        failure.compareAndSet(null, e);
                        stop.request();
                    }
                },
                name);
        thread.start();
        threads.add(thread);
    }

    public WorkloadCounts counts() {
        return counts;
    }

    /** True while any connection is at work. */
    public boolean isRunning() {
        return threads.stream().anyMatch(Thread::isAlive);
    }

    /**
     * Waits until every connection has made its transactions.
     *
     * @throws IllegalStateException if one of them failed
     */
    public void await() throws InterruptedException {
        for (Thread thread : threads) {
            thread.join();
        }
        if (failure.get() != null) {
            throw new IllegalStateException("the workload failed", failure.get());
        }
    }

    /**
     * Ends it after the transactions in hand.
     *
     * @throws IllegalStateException if a connection failed
     */
    public void stop() {
        stop.request();
        try {
            await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while stopping the workload", e);
        }
    }

    @Override
    public void close() {
        stop();
    }
}
