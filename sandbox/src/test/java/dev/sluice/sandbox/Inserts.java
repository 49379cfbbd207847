package dev.sluice.sandbox;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Inserts rows, a few in each transaction and some hundred transactions a second, until it is closed; a lost connection
 * is made again.
 *
 * <p>Threads: one of its own.
 */
final class Inserts implements AutoCloseable {
    private final TestDatabase source;
    private final String table;
    private final String note;
    private final AtomicBoolean stopping = new AtomicBoolean();
    private final AtomicInteger transactions = new AtomicInteger();
    private final Thread thread = new Thread(this::run, "inserts");

    /** @param table has a key that the server gives, and a column {@code note} */
    Inserts(TestDatabase source, String table, String note) {
        this.source = source;
        this.table = table;
        this.note = note;
        thread.start();
    }

    private void run() {
        while (!stopping.get()) {
            try (Connection connection = source.server().connect(source.name());
                    Statement insert = connection.createStatement()) {
                while (!stopping.get()) {
                    int rows = 1 + transactions.get() % 5;
                    insert.execute("INSERT INTO %s (note) SELECT '%s' FROM generate_series(1, %d)".formatted(table, note, rows));
                    transactions.incrementAndGet();
                    insert.execute("SELECT pg_sleep(0.003)");
                }
            } catch (SQLException e) {
                // the server is away, or has cut the connection
            }
        }
    }

    /** Waits until some more have been made, and applied. */
    void awaitMoreApplied(InProcessPipeline pipeline) {
        int enough = transactions.get() + 50;
        pipeline.await("inserts", () -> transactions.get() >= enough);
        pipeline.awaitApplied();
    }

    @Override
    public void close() {
        stopping.set(true);
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
    }
}
