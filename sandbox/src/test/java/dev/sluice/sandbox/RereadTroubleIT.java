package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.apply.RereadStore;
import dev.sluice.apply.RereadStore.Throttle;
import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What can come in the way of a reread costs no row, keeps no other table waiting, and ends. */
class RereadTroubleIT {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final int SLOWLY = 100;
    private static final int FAST = 100_000;

    private static ThreeServers servers;

    private LogLines log;

    @BeforeAll
    static void startServers() {
        servers = ThreeServers.start();
    }

    @AfterAll
    static void stopServers() {
        servers.close();
    }

    @BeforeEach
    void listen() {
        log = LogLines.open();
    }

    @AfterEach
    void listenNoMore() {
        log.close();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "ALTER TABLE keyed DROP CONSTRAINT keyed_pkey; ALTER TABLE keyed ADD PRIMARY KEY (code)",
                "ALTER TABLE keyed ALTER COLUMN id TYPE numeric"
            })
    void anotherKeyAtTheSourceLetsTheReadingBeginAnew(String change) throws SQLException {
        String name = "key_" + (change.contains("code") ? "columns" : "type");
        String create = "CREATE TABLE keyed (id %s PRIMARY KEY, code text NOT NULL UNIQUE, n integer);";
        try (InProcessPipeline pipeline = pipeline(name, "keyed")) {
            pipeline.source().execute(create.formatted("integer")
                    + "INSERT INTO keyed SELECT g, 'c' || 10000 - g, g FROM generate_series(1, 1000) g");
            pipeline.target().execute(create.formatted("numeric"));
            start(pipeline, pipeline.config());
            pause(pipeline, "backfill", SLOWLY, "keyed");

            pipeline.source().execute(change);
            pipeline.source().execute("UPDATE keyed SET n = n + 1 WHERE id % 3 = 0; DELETE FROM keyed WHERE id % 7 = 0;"
                    + " INSERT INTO keyed SELECT g, 'd' || g, g FROM generate_series(2001, 2100) g");
            pipeline.awaitApplied();
            pipeline.target().execute("UPDATE sluice.reread SET is_paused = false, rows_per_second = NULL");

            RereadTables.awaitDone(pipeline);
            pipeline.requireEqual();
            assertThat(log.with("the key of public.keyed has changed at the source")).isNotEmpty();
        }
    }

    /** One range is all of it, and a smaller one there is not. */
    @Test
    void aTableWithoutAKeyThatIsWrittenTooMuchFailsAndSaysWhatToDo() throws SQLException {
        List<String> smallHeap = List.of("-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC");
        try (Pipeline pipeline = Pipeline.on(servers, "heaped")
                .kafka("maxRecordBytes: 1048576") // larger ones need a larger heap
                .jvm(process -> process.equals("apply") ? smallHeap : Pipeline.QUICK_JVM)
                .carrying("heaped")) {
            pipeline.onBoth("CREATE TABLE heaped (n integer, v text); ALTER TABLE heaped REPLICA IDENTITY FULL");
            pipeline.startCapture();
            pipeline.startApply();
            pipeline.awaitStreaming();
            pipeline.awaitCaughtUp();
            String state = "SELECT state || ': ' || message FROM sluice.reread";
            try (Connection open = pipeline.connectSource();
                    Statement statement = open.createStatement()) {
                open.setAutoCommit(false);
                statement.execute("SELECT pg_current_xact_id()"); // no snapshot is taken before it has ended
                RereadTables.request(pipeline.config(), "backfill", "", List.of(id("heaped")), FAST);
                Await.until("the reread fails", PATIENCE, () -> {
                    pipeline.onSource("INSERT INTO heaped SELECT g, repeat('x', 3000) FROM generate_series(1, 1500) g");
                    pipeline.awaitCaughtUp();
                    return pipeline.askTarget(state).startsWith("failed");
                });
                assertThat(pipeline.askTarget(state)).contains("than there is memory for", "give apply a larger heap (-Xmx)");
                open.rollback();
            }
            pipeline.onSource("DELETE FROM heaped WHERE n > 100");
            pipeline.awaitCaughtUp();

            RereadTables.request(pipeline.config(), "resync", "", List.of(id("heaped")), FAST);
            Await.until("the table is read", PATIENCE, () -> pipeline.askTarget(state).startsWith("done"));
            pipeline.awaitCaughtUp();
            pipeline.assertEqual();
        }
    }

    /** The reader may not read {@code refused}. */
    @Test
    void tablesThatArePausedOrHaveFailedKeepTheirRowsAndDelayNobody() throws SQLException {
        String create =
                """
                CREATE TABLE parents (id integer PRIMARY KEY, n integer);
                CREATE TABLE waiting (id integer PRIMARY KEY, n integer);
                CREATE TABLE children (id integer PRIMARY KEY, p integer REFERENCES parents, w integer REFERENCES waiting);
                CREATE TABLE refused (id integer PRIMARY KEY, place integer UNIQUE, n integer);
                INSERT INTO parents SELECT g, g FROM generate_series(1, 100) g;
                INSERT INTO waiting SELECT g, g FROM generate_series(1, 100) g;
                INSERT INTO children SELECT g, g, g FROM generate_series(1, 100) g;
                INSERT INTO refused SELECT g, g, g FROM generate_series(1, 100) g;
                """;
        try (InProcessPipeline pipeline = pipeline("at_rest", "children", "parents", "refused", "waiting")) {
            pipeline.source().execute(create + "CREATE ROLE limited LOGIN PASSWORD 'limited';"
                    + " GRANT SELECT ON children, parents, waiting TO limited");
            pipeline.target().execute(create);
            DatabaseConfig limited = Loopback.database(
                    "source", servers.source().port(), pipeline.config().source().database(), "limited", "limited");
            start(pipeline, withSource(pipeline.config(), limited));
            pipeline.source().execute("UPDATE parents SET n = 0");
            pipeline.awaitApplied();
            request(pipeline, "resync", FAST, true, "waiting");
            request(pipeline, "resync", FAST, "children", "parents", "refused");

            pipeline.await("the foreign keys of what is done are looked at", () ->
                    message(pipeline, "children").equals("its foreign keys are looked at when public.waiting is read")
                            && state(pipeline, "parents").equals("done")
                            && message(pipeline, "parents").isEmpty());
            assertThat(state(pipeline, "refused")).isEqualTo("failed");
            pipeline.source().execute("UPDATE refused SET n = n + 1; UPDATE waiting SET n = n + 1; DELETE FROM refused WHERE id = 1");
            pipeline.awaitApplied();
            assertThat(pipeline.target().ask("SELECT count(*) FROM refused")).isEqualTo("99");
            assertThat(pipeline.target().ask("SELECT count(*) FROM waiting")).isEqualTo("100");

            pipeline.stopApply();
            pipeline.startApply(withSource(pipeline.config(), limited));
            int runs = log.with("applying after seq").size();
            for (int i = 0; i < 5; i++) {
                pipeline.source().execute("UPDATE parents SET n = n + 1");
                pipeline.awaitApplied();
            }
            assertThat(log.with("applying after seq")).as("runs that a failed table has begun").hasSizeLessThanOrEqualTo(runs + 1);

            pipeline.source().execute("GRANT SELECT ON refused TO limited");
            request(pipeline, "resync", FAST, "refused");
            pipeline.target().execute("UPDATE sluice.reread SET is_paused = false, rows_per_second = NULL");
            RereadTables.awaitDone(pipeline);
            pipeline.await("all foreign keys are looked at", () -> message(pipeline, "children").isEmpty()
                    && message(pipeline, "waiting").isEmpty());
            pipeline.requireEqual();
        } finally {
            servers.source().connect("at_rest").createStatement().execute("DROP OWNED BY limited; DROP ROLE limited");
        }
    }

    /** The server compares by the parent's collation there, which a query must be told. */
    @Test
    void aCheckOfForeignKeysThatFailsIsSaidAndNotRepeatedWithoutEnd() throws SQLException {
        String create =
                """
                CREATE TABLE named (name text COLLATE "C" PRIMARY KEY);
                CREATE TABLE naming (id integer PRIMARY KEY, name text COLLATE "ucs_basic" REFERENCES named);
                """;
        try (InProcessPipeline pipeline = pipeline("unchecked", "named", "naming")) {
            pipeline.source().execute(create + "INSERT INTO named VALUES ('a'); INSERT INTO naming VALUES (1, 'a')");
            pipeline.target().execute(create);
            start(pipeline, pipeline.config());
            request(pipeline, "backfill", FAST, "named", "naming");

            pipeline.await("the failure is said", () -> message(pipeline, "naming").contains("could not be looked at (SQLSTATE "));
            pipeline.awaitApplied();
            int runs = log.with("applying after seq").size();
            for (int i = 2; i < 8; i++) {
                pipeline.source().execute("INSERT INTO naming VALUES (%d, 'a')".formatted(i));
                pipeline.awaitApplied();
            }
            assertThat(log.with("applying after seq")).hasSizeLessThanOrEqualTo(runs + 1);
            pipeline.requireEqual();
        }
    }

    @ParameterizedTest
    @EnumSource
    void whetherAPartHasJoinedIsAskedOfTheTargetWhereItsCommitIsCut(TcpProxy.Cut cut) throws SQLException {
        String create = "CREATE TABLE joined (id integer PRIMARY KEY, n integer);";
        try (TcpProxy proxy = new TcpProxy(servers.target().port());
                InProcessPipeline pipeline = pipeline("cut_" + cut.ordinal(), "joined")) {
            pipeline.source().execute(create + "INSERT INTO joined SELECT g, g FROM generate_series(1, 1000) g");
            pipeline.target().execute(create);
            PipelineConfig config = pipeline.config();
            DatabaseConfig through = Loopback.database(
                    "target", proxy.port(), config.target().database(), config.target().user(), PostgresServer.PASSWORD);
            start(pipeline, new PipelineConfig(config.name(), config.source(), through, config.kafka(), config.lanes(),
                    config.capture(), config.apply(), config.backfill()));
            proxy.cutNextCommitOf("INSERT INTO sluice.reread_range", cut);
            request(pipeline, "backfill", 500, "joined");
            pipeline.await("the COMMIT was cut", proxy::hasCut);

            RereadTables.awaitDone(pipeline);
            pipeline.source().execute("UPDATE joined SET n = -n; DELETE FROM joined WHERE id % 3 = 0");
            pipeline.requireEqual();
            assertThat(log.with("whether a part of public.joined has joined")).isNotEmpty();
            assertThat(pipeline.target().ask("SELECT rows FROM sluice.reread")).isEqualTo("1000");
        }
    }

    /** The sets are refused because a unique value changes hands in a circle. */
    @Test
    void aTruncationInASetThatIsRefusedLetsTheReadingBeginAnewAllTheSame() throws SQLException {
        String create = "CREATE TABLE emptied (id integer PRIMARY KEY, n integer);"
                + " CREATE TABLE swapped (id integer PRIMARY KEY, place integer UNIQUE);";
        try (InProcessPipeline pipeline = pipeline("emptied_swapped", "emptied", "swapped")) {
            pipeline.source().execute(create + "INSERT INTO emptied SELECT g, g FROM generate_series(1, 1000) g");
            pipeline.target().execute(create);
            start(pipeline, pipeline.config());
            pipeline.source().execute("INSERT INTO swapped VALUES (1, 1), (2, 2)");
            pipeline.awaitApplied();
            pause(pipeline, "backfill", SLOWLY, "emptied");

            pipeline.source().execute("TRUNCATE emptied; UPDATE swapped SET place = NULL WHERE id = 1;"
                    + " UPDATE swapped SET place = 1 WHERE id = 2; UPDATE swapped SET place = 2 WHERE id = 1");
            pipeline.source().execute("INSERT INTO emptied SELECT g, -g FROM generate_series(1, 1000) g");
            pipeline.awaitApplied();
            assertThat(pipeline.target().ask("SELECT count(*) FROM sluice.reread_range")).isEqualTo("0");

            pipeline.stopApply();
            pipeline.startApply();
            pipeline.target().execute("UPDATE sluice.reread SET is_paused = false, rows_per_second = NULL");
            RereadTables.awaitDone(pipeline);
            pipeline.requireEqual();
        }
    }

    private static InProcessPipeline pipeline(String name, String... tables) {
        return servers.pipeline(
                name,
                Arrays.stream(tables).map(table -> TableMapping.identity(id(table), ThreeServers.LANE)).toList());
    }

    private static TableId id(String table) {
        return new TableId("public", table);
    }

    private static PipelineConfig withSource(PipelineConfig config, DatabaseConfig source) {
        return new PipelineConfig(config.name(), source, config.target(), config.kafka(), config.lanes(), config.capture(),
                config.apply(), config.backfill());
    }

    private static void start(InProcessPipeline pipeline, PipelineConfig apply) {
        pipeline.startCapture();
        pipeline.await("a slot", () -> !pipeline.source().ask("SELECT slot_name FROM pg_replication_slots"
                + " WHERE slot_name = '" + pipeline.slot() + "' AND active").isEmpty());
        pipeline.startApply(apply);
        pipeline.awaitApplied();
    }

    /** Lets the reading begin, and pauses it after the first ranges. */
    private static void pause(InProcessPipeline pipeline, String kind, int rows, String table) throws SQLException {
        request(pipeline, kind, rows, table);
        pipeline.await("the first ranges are done", () -> Integer.parseInt(
                        pipeline.target().ask("SELECT count(*) FROM sluice.reread_range")) > 1);
        pipeline.target().execute("UPDATE sluice.reread SET is_paused = true");
        String ranges = "SELECT count(*) FROM sluice.reread_range";
        pipeline.await("no other range begins", () -> {
            String before = pipeline.target().ask(ranges);
            pipeline.awaitApplied(); // behind what was being read
            pipeline.awaitApplied();
            return before.equals(pipeline.target().ask(ranges));
        });
    }

    private static void request(InProcessPipeline pipeline, String kind, int rows, String... tables) throws SQLException {
        request(pipeline, kind, rows, false, tables);
    }

    private static void request(InProcessPipeline pipeline, String kind, int rows, boolean isPaused, String... tables)
            throws SQLException {
        Throttle limits = new Throttle(OptionalLong.of(rows), OptionalLong.empty(), OptionalLong.empty());
        RereadStore store = new RereadStore(pipeline.config().nameInTarget(pipeline.config().lanes().get(0)));
        try (Connection target = pipeline.target().server().connect(pipeline.target().name())) {
            target.setAutoCommit(false);
            for (String table : tables) {
                store.request(target, id(table), kind, "", limits);
                store.pause(target, id(table), isPaused);
            }
            target.commit();
        }
    }

    private static String state(InProcessPipeline pipeline, String table) {
        return of(pipeline, "state", table);
    }

    private static String message(InProcessPipeline pipeline, String table) {
        return of(pipeline, "message", table);
    }

    private static String of(InProcessPipeline pipeline, String column, String table) {
        return pipeline.target().ask("SELECT %s FROM sluice.reread WHERE source_table = '%s'".formatted(column, table));
    }
}
