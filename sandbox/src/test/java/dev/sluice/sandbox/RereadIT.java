package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
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
                pipeline.await("a snapshot that does not see it was given back", () -> pipeline.source()
                        .ask("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sluice-apply reread'"
                                + " AND datname = current_database() AND query = 'ROLLBACK'")
                        .equals("1"));
            } finally {
                alterSource("ALTER SYSTEM RESET synchronous_standby_names");
            }
            RereadTables.awaitDone(pipeline);
            commit.join();
            pipeline.requireEqual();
        }
    }

    @Test
    void aTableThatHasRowsIsLeftAsItIsUntilSomebodyAsks() throws SQLException {
        String create = "CREATE TABLE %1$s (id integer PRIMARY KEY, n integer);";
        String name = "first_start";
        TestDatabase source = TestDatabase.create(servers.source(), name);
        TestDatabase target = TestDatabase.create(servers.target(), name);
        source.execute(create.formatted("bare") + create.formatted("used")
                + "INSERT INTO bare SELECT g, g FROM generate_series(1, 100) g; INSERT INTO used SELECT g, g FROM generate_series(1, 100) g");
        target.execute(create.formatted("bare") + create.formatted("used") + "INSERT INTO used VALUES (1, 1), (-1, -1)");
        List<TableId> tables = List.of(new TableId("public", "bare"), new TableId("public", "used"));
        PipelineConfig config = servers.config(name, source.config("source"), target.config("target"),
                tables.stream().map(table -> TableMapping.identity(table, ThreeServers.LANE)).toList());
        PipelineConfig backfilling = new PipelineConfig(config.name(), config.source(), config.target(), config.kafka(),
                config.lanes(), config.capture(), config.apply(), PipelineConfig.Backfill.AUTO);
        try (InProcessPipeline pipeline = new InProcessPipeline(backfilling, source, target)) {
            pipeline.start();
            pipeline.await("the empty table is copied", () -> target.ask("SELECT count(*) FROM bare").equals("100"));
            pipeline.awaitApplied();
            assertThat(target.ask("SELECT string_agg(id::text, ',' ORDER BY id) FROM used")).isEqualTo("-1,1");

            RereadTables.request(backfilling, "resync", "", tables.subList(1, 2), RereadTables.ROWS_OF_A_RANGE);
            RereadTables.awaitDone(pipeline);
            pipeline.requireEqual();
        }
    }

    @Test
    void aTableThatIsHeldIsReadAnewWhereThatIsAskedFor() throws SQLException {
        TableId table = new TableId("public", "held");
        try (InProcessPipeline pipeline =
                servers.pipeline("held_read", List.of(TableMapping.identity(table, ThreeServers.LANE)))) {
            String create = "CREATE TABLE held (id integer PRIMARY KEY, n integer);";
            pipeline.source().execute(create);
            pipeline.target().execute(create);
            pipeline.start();
            pipeline.awaitApplied();
            pipeline.source().execute("INSERT INTO held SELECT g, g FROM generate_series(1, 100) g");
            pipeline.awaitApplied();
            pipeline.target().execute("ALTER TABLE held DROP COLUMN n");
            pipeline.source().execute("UPDATE held SET n = n + 1");
            pipeline.await("the table is held", () -> pipeline.target().ask("SELECT count(*) FROM sluice.held_table").equals("1"));
            pipeline.source().execute("DELETE FROM held WHERE id < 10");

            RereadTables.request(pipeline.config(), "resync", "ALTER TABLE held ADD COLUMN n integer", List.of(table), 30);
            RereadTables.awaitDone(pipeline);

            assertThat(pipeline.target().ask("SELECT count(*) FROM sluice.held_table")).isEqualTo("0");
            pipeline.source().execute("UPDATE held SET n = n + 1; INSERT INTO held VALUES (1, 1)");
            pipeline.requireEqual();
        }
    }

    /** More than are taken out at once: the lane goes on in between, and adds rows under the same keys. */
    @Test
    void manyRowsThatTheSourceLacksAreTakenOutWhileTheLaneGoesOn() throws SQLException {
        TableId table = new TableId("public", "swept");
        try (InProcessPipeline pipeline =
                servers.pipeline("swept", List.of(TableMapping.identity(table, ThreeServers.LANE)))) {
            String create = "CREATE TABLE swept (id integer PRIMARY KEY, n integer);";
            pipeline.source().execute(create);
            pipeline.target().execute(create);
            pipeline.start();
            pipeline.awaitApplied();
            pipeline.source().execute("INSERT INTO swept SELECT g, g FROM generate_series(1, 5000) g");
            pipeline.awaitApplied();
            AtomicBoolean stop = new AtomicBoolean();
            Random random = new Random(seed);
            Connection connection = pipeline.source().server().connect(pipeline.source().name());
            CompletableFuture<Void> writer = CompletableFuture.runAsync(() -> {
                while (!stop.get()) {
                    int id = random.nextInt(45_000) - 40_000;
                    execute(connection, random.nextInt(4) == 0
                            ? "DELETE FROM swept WHERE id = " + id
                            : "INSERT INTO swept VALUES (" + id + ", 0) ON CONFLICT (id) DO UPDATE SET n = swept.n + 1");
                }
            });

            RereadTables.request(
                    pipeline.config(),
                    "resync",
                    "INSERT INTO swept SELECT -g, -1 FROM generate_series(1, 40000) g ON CONFLICT DO NOTHING;"
                            + " DELETE FROM swept WHERE id % 3 = 0 AND id > 0",
                    List.of(table),
                    20_000);
            RereadTables.awaitDone(pipeline);

            stop.set(true);
            writer.join();
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
