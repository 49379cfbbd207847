package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.process.StopSignal;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Money moves at the source and never appears or disappears in the target, whoever looks and whoever dies. */
@ExtendWith(ChildLogs.class)
class BankIT {
    private static final Duration OPEN = Duration.ofSeconds(Intensity.of("sluice.seconds", 30, 1_800));
    private static final int KILLS = Intensity.of("sluice.kills", 4, 40);
    private static final Duration PATIENCE = Duration.ofSeconds(90);
    private static final int TELLERS = 8;
    private static final int READERS = 2;
    private static final int ROWS_PER_SECOND = 1_500;
    private static final int ACCOUNTS = 200;
    private static final long MONEY = ACCOUNTS * 1_000L;

    private static ThreeServers servers;

    private final long seed = Seed.of(BankIT.class);
    private final Random random = new Random(seed);
    private final StopSignal closing = new StopSignal();
    private final Pace pace = new Pace(ROWS_PER_SECOND);

    @BeforeAll
    static void takeServers() {
        servers = SharedServers.take();
    }

    @AfterAll
    static void emptyServers() {
        SharedServers.empty();
    }

    @Test
    void theSumIsRightInEveryReadOfTheTargetWhoeverIsKilled() throws Exception {
        ExecutorService people = Executors.newCachedThreadPool();
        try (Pipeline pipeline = Pipeline.on(servers, "bank").partitions(2).carrying("accounts")) {
            pipeline.onBoth("CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL)");
            Child capture = pipeline.startCapture();
            Child apply = pipeline.startApply();
            pipeline.awaitStreaming();
            pipeline.onSource("INSERT INTO accounts SELECT n, 1000 FROM generate_series(1, %d) AS n".formatted(ACCOUNTS));
            pipeline.awaitCaughtUp();

            List<Future<Long>> tellers = start(people, TELLERS, place -> transfer(pipeline, new Random(seed * 31 + place)));
            List<Future<Reads>> readers = start(people, READERS, place -> read(pipeline));
            int kills = kill(pipeline, capture, apply);
            closing.request();

            long transfers = tellers.stream().mapToLong(BankIT::result).sum();
            Reads reads = readers.stream().map(BankIT::result).reduce(Reads::and).orElseThrow();
            System.out.printf("bank: %d transfers, %d reads saw %d states, %d kills%n",
                    transfers, reads.count(), reads.states(), kills);
            assertThat(reads.wrong()).isEmpty();
            assertThat(reads.states()).as("different states seen").isGreaterThan(50);
            pipeline.awaitCaughtUp();
            pipeline.assertEqual();
        } finally {
            closing.request();
            people.shutdownNow();
        }
    }

    private interface Work<T> {
        T of(int place) throws Exception;
    }

    private static <T> List<Future<T>> start(ExecutorService people, int count, Work<T> work) {
        List<Future<T>> started = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int place = i;
            started.add(people.submit((Callable<T>) () -> work.of(place)));
        }
        return started;
    }

    private static <T> T result(Future<T> future) {
        try {
            return future.get();
        } catch (ExecutionException e) {
            throw new AssertionError(e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", e);
        }
    }

    /** One after another or both at once, each after a while of work, until the bank closes; both live in the end. */
    private int kill(Pipeline pipeline, Child firstCapture, Child firstApply) {
        Child capture = firstCapture;
        Child apply = firstApply;
        Instant end = Instant.now().plus(OPEN);
        int kills = 0;
        while (kills < KILLS || Instant.now().isBefore(end)) {
            long before = pipeline.appliedSeq();
            int records = 1 + random.nextInt(4 * ROWS_PER_SECOND);
            Await.until(records + " more records are applied", PATIENCE, () -> pipeline.appliedSeq() >= before + records);
            int who = random.nextInt(3);
            if (who != 0) {
                capture.kill();
                kills++;
            }
            if (who != 1) {
                apply.kill();
                kills++;
            }
            capture = who != 0 ? pipeline.startCapture() : capture;
            apply = who != 1 ? pipeline.startApply() : apply;
        }
        return kills;
    }

    /** Transactions that move amounts around between 2 to 4 accounts; gives their number. */
    private long transfer(Pipeline pipeline, Random choices) throws SQLException, InterruptedException {
        long transfers = 0;
        try (Connection connection = pipeline.connectSource();
                PreparedStatement move =
                        connection.prepareStatement("UPDATE accounts SET balance = balance + ? WHERE id = ?")) {
            connection.setAutoCommit(false);
            while (!closing.isRequested()) {
                // in one order everywhere, so that nobody deadlocks
                Map<Integer, Long> amounts = amounts(choices);
                for (Map.Entry<Integer, Long> amount : amounts.entrySet()) {
                    move.setLong(1, amount.getValue());
                    move.setInt(2, amount.getKey());
                    move.executeUpdate();
                }
                connection.commit();
                transfers++;
                pace.made(amounts.size());
            }
        }
        return transfers;
    }

    /** What happens to each account; together nothing. */
    private static Map<Integer, Long> amounts(Random choices) {
        Map<Integer, Long> amounts = new TreeMap<>();
        int accounts = 2 + choices.nextInt(3);
        while (amounts.size() < accounts) {
            amounts.put(1 + choices.nextInt(ACCOUNTS), 0L);
        }
        List<Integer> ids = List.copyOf(amounts.keySet());
        for (int i = 0; i < accounts; i++) {
            long amount = choices.nextInt(100);
            amounts.merge(ids.get(i), -amount, Long::sum);
            amounts.merge(ids.get((i + 1) % accounts), amount, Long::sum);
        }
        return amounts;
    }

    /**
     * What one or more readers have seen.
     *
     * @param states how often a read saw other balances than the one before
     * @param wrong sums and counts that must not be
     */
    private record Reads(long count, long states, List<String> wrong) {
        Reads and(Reads other) {
            List<String> all = new ArrayList<>(wrong);
            all.addAll(other.wrong);
            return new Reads(count + other.count, states + other.states, all);
        }
    }

    private Reads read(Pipeline pipeline) throws SQLException {
        long count = 0;
        long states = 0;
        String last = "";
        List<String> wrong = new ArrayList<>();
        try (Connection connection = pipeline.connectTarget();
                PreparedStatement sum = connection.prepareStatement(
                        "SELECT sum(balance), count(*), sum(balance * id) FROM accounts")) {
            while (!closing.isRequested()) {
                try (ResultSet row = sum.executeQuery()) {
                    row.next();
                    count++;
                    if (row.getLong(1) != MONEY || row.getLong(2) != ACCOUNTS) {
                        wrong.add("%d in %d accounts".formatted(row.getLong(1), row.getLong(2)));
                    }
                    String state = row.getString(3);
                    states += state.equals(last) ? 0 : 1;
                    last = state;
                }
            }
        }
        return new Reads(count, states, wrong.subList(0, Math.min(wrong.size(), 10)));
    }
}
