package dev.sluice.sandbox;

import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Databases;
import dev.sluice.process.Pauses;
import dev.sluice.process.StopSignal;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Random;
import java.util.TreeMap;

/**
 * One connection's share of the workload: a transaction after another, each given by one random number.
 *
 * <p>A transaction that met a deadlock is made again with the same number. A lost connection is opened again; then the
 * clerk looks up which of its rows are there, since the last commit may have happened or not.
 *
 * <p>Threads: the one in {@link #run}.
 */
final class ShopClerk {
    private static final int LARGE_EVERY = 4_000;
    private static final int FIRST_LARGE = 600;
    private static final int MOST_ATTEMPTS = 50;

    interface Work {
        void on(ShopDesk desk) throws SQLException;
    }

    /** What is done how often, of 1,000; the keys are upper bounds. */
    private static final NavigableMap<Integer, Work> HABITS = new TreeMap<>(Map.ofEntries(
            Map.entry(220, ShopDesk::placeOrder),
            Map.entry(420, ShopDesk::changeOrders),
            Map.entry(500, ShopDesk::pay),
            Map.entry(580, ShopDesk::changeCustomer),
            Map.entry(660, ShopDesk::changeProduct),
            Map.entry(740, ShopDesk::changeLines),
            Map.entry(800, ShopDesk::register),
            Map.entry(860, ShopDesk::cancelOrder),
            Map.entry(910, ShopDesk::clearPayments),
            Map.entry(930, ShopDesk::handOverEmail),
            Map.entry(950, ShopDesk::leave),
            Map.entry(970, ShopDesk::changeOfMind),
            Map.entry(980, ShopDesk::renumberAddresses),
            Map.entry(981, ShopDesk::swapSkus),
            Map.entry(1000, desk -> {
                desk.changeOrders();
                desk.inVain(ShopDesk::placeOrder);
                desk.changeCustomer();
            })));

    private final DatabaseConfig source;
    private final ShopWorkload.Plan plan;
    private final int place;
    private final Random random;
    private final Pace pace;
    private final WorkloadCounts counts;
    private final StopSignal stop;

    ShopClerk(DatabaseConfig source, ShopWorkload.Plan plan, int place, Pace pace, WorkloadCounts counts, StopSignal stop) {
        this.source = source;
        this.plan = plan;
        this.place = place;
        this.random = new Random(plan.seed() * 31 + place);
        this.pace = pace;
        this.counts = counts;
        this.stop = stop;
    }

    void run() throws SQLException, InterruptedException {
        Pauses pauses = new Pauses();
        long done = 0;
        while (!isEnough(done)) {
            try (Connection connection = Databases.connect(source, "shop-" + place)) {
                connection.setAutoCommit(false);
                ShopDesk desk = new ShopDesk(connection, place, plan.connections());
                pauses.reset();
                while (!isEnough(done)) {
                    transaction(desk, done);
                    done++;
                }
            } catch (SQLException e) {
                if (!isConnectionLost(e)) {
                    throw e;
                }
                counts.retried();
                stop.await(pauses.next().toMillis());
            }
        }
    }

    private boolean isEnough(long done) {
        return stop.isRequested() || plan.transactions() > 0 && done >= plan.transactions();
    }

    private void transaction(ShopDesk desk, long number) throws SQLException, InterruptedException {
        long seed = random.nextLong();
        for (int attempt = 1; ; attempt++) {
            try {
                attempt(desk, number, new Random(seed));
                return;
            } catch (SQLException e) {
                if (!isCollision(e) || attempt == MOST_ATTEMPTS) {
                    throw e;
                }
                desk.rollback();
                counts.retried();
            }
        }
    }

    private void attempt(ShopDesk desk, long number, Random choices) throws SQLException, InterruptedException {
        desk.begin(choices);
        choose(desk, number, choices).on(desk);
        if (choices.nextInt(30) == 0) {
            desk.rollback();
            counts.rolledBack();
            return;
        }
        desk.commit();
        counts.committed(desk.counts());
        pace.made(desk.counts().values().stream().mapToInt(Integer::intValue).sum());
    }

    private Work choose(ShopDesk desk, long number, Random choices) {
        if ((number + (long) place * LARGE_EVERY / plan.connections()) % LARGE_EVERY == FIRST_LARGE) {
            if (desk.isCrowded()) {
                return ShopDesk::clearOut;
            }
            return choices.nextInt(3) == 0 ? ShopDesk::discountAll : ShopDesk::importOrders;
        }
        Work habit = HABITS.higherEntry(choices.nextInt(1_000)).getValue();
        return desk.isCrowded() && choices.nextInt(4) == 0 ? ShopDesk::cancelOrder : habit;
    }

    private static boolean isCollision(SQLException e) {
        return "40P01".equals(e.getSQLState()) || "40001".equals(e.getSQLState());
    }

    private static boolean isConnectionLost(SQLException e) {
        String state = String.valueOf(e.getSQLState());
        return state.startsWith("08") || state.startsWith("57P");
    }
}
