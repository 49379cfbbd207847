package dev.sluice.sandbox;

import dev.sluice.config.TableMapping;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Tables are read from the source while it is written to, in many small ranges, and end equal. */
class RereadIT {
    private static final int ROWS = 2_000;

    private static ThreeServers servers;

    private final long seed = Seed.of(RereadIT.class);

    @BeforeAll
    static void startServers() {
        servers = ThreeServers.start();
    }

    @AfterAll
    static void stopServers() {
        servers.close();
    }

    @Test
    void keysOfEveryKindAreCopiedAndRepairedWhileTheSourceIsWrittenTo() throws SQLException {
        List<TableMapping> tables =
                RereadTables.ALL.stream().map(table -> TableMapping.identity(table, ThreeServers.LANE)).toList();
        try (InProcessPipeline pipeline = servers.pipeline("rereads", tables)) {
            pipeline.source().execute(RereadTables.SCHEMA + RereadTables.fill(ROWS));
            pipeline.target().execute(RereadTables.SCHEMA + "CREATE SCHEMA sluice");
            pipeline.startCapture();
            pipeline.await("a slot", () -> !pipeline.source().ask("SELECT slot_name FROM pg_replication_slots"
                    + " WHERE slot_name = '" + pipeline.slot() + "' AND active").isEmpty());
            AtomicBoolean stop = new AtomicBoolean();
            List<CompletableFuture<Void>> writers = writers(pipeline, stop);
            RereadTables.request(pipeline.config(), "backfill", "");
            pipeline.startApply();
            RereadTables.awaitDone(pipeline);

            RereadTables.request(pipeline.config(), "resync", RereadTables.DAMAGE);
            RereadTables.awaitDone(pipeline);

            stop.set(true);
            writers.forEach(CompletableFuture::join);
            pipeline.requireEqual();
        }
    }

    /**
     * A commit that waits for a standby is in the log, and the lane has it, before any snapshot sees it. Whoever reads then
     * must not miss it.
     */
    @Test
    void whatTheLaneHasPassedBeforeAnySnapshotSawItIsRead() throws SQLException {
        TableId table = new TableId("public", "waited");
        String name = "waited";
        try (InProcessPipeline pipeline =
                servers.pipeline(name, List.of(TableMapping.identity(table, ThreeServers.LANE)))) {
            String create = "CREATE TABLE waited (id integer PRIMARY KEY, n integer);";
            pipeline.source().execute(create + "INSERT INTO waited SELECT g, g FROM generate_series(1, 100) g");
            pipeline.target().execute(create + "CREATE SCHEMA sluice");
            pipeline.startCapture();
            pipeline.await("a slot", () -> !pipeline.source().ask("SELECT slot_name FROM pg_replication_slots"
                    + " WHERE slot_name = '" + pipeline.slot() + "' AND active").isEmpty());
            RereadTables.request(pipeline.config(), "backfill", "", List.of(table), RereadTables.ROWS_OF_A_RANGE);
            pipeline.target().execute("UPDATE sluice.reread SET is_paused = true");
            pipeline.startApply();
            pipeline.awaitApplied();

            CompletableFuture<Void> commit;
            pipeline.source().execute("ALTER DATABASE waited SET synchronous_commit = on");
            alterSource("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
            try {
                Connection waiting = pipeline.source().server().connect(name);
                commit = CompletableFuture.runAsync(() -> execute(waiting, "INSERT INTO waited VALUES (1000, 1)"));
                pipeline.await("the lane has passed the waiting commit", () -> pipeline.target()
                        .ask("SELECT count(*) FROM sluice.reread_passed")
                        .equals("1"));
                pipeline.target().execute("UPDATE sluice.reread SET is_paused = false");
                pipeline.await("the reread has begun", () -> pipeline.target()
                        .ask("SELECT count(*) FROM sluice.reread WHERE state = 'running'")
                        .equals("1"));
            } finally {
                alterSource("ALTER SYSTEM RESET synchronous_standby_names");
            }
            RereadTables.awaitDone(pipeline);
            commit.join();
            pipeline.requireEqual();
        }
    }

    private static void alterSource(String sql) throws SQLException {
        try (Connection source = servers.source().connect("postgres")) {
            execute(source, sql);
            execute(source, "SELECT pg_reload_conf()");
        }
    }

    private static void execute(Connection connection, String sql) {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        } catch (SQLException e) {
            throw new AssertionError("could not execute " + sql, e);
        }
    }

    private List<CompletableFuture<Void>> writers(InProcessPipeline pipeline, AtomicBoolean stop) throws SQLException {
        List<CompletableFuture<Void>> writers = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            Connection connection = pipeline.source().server().connect(pipeline.source().name());
            writers.add(CompletableFuture.runAsync(RereadTables.writer(connection, ROWS, seed + i, stop)));
        }
        Connection slow = pipeline.source().server().connect(pipeline.source().name());
        writers.add(CompletableFuture.runAsync(RereadTables.slowWriter(slow, stop)));
        return writers;
    }
}
