package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.apply.AppliersTables;
import dev.sluice.cli.SluiceMain;
import dev.sluice.schemas.Stop;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The commands that ask for tables to be read and look at what becomes of it; the test plays the applier's part. */
class RereadCommandsIT {
    private static final String STATES =
            "SELECT string_agg(source_table || ' ' || kind || ' ' || state, ', ' ORDER BY source_table) FROM sluice.reread";

    private static PostgresServer server;
    private static TestDatabase source;
    private static TestDatabase target;

    @TempDir
    private static Path directory;

    private static Path file;

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    @BeforeAll
    static void startServer() throws IOException {
        server = Servers.postgres();
        source = TestDatabase.create(server, "source");
        target = TestDatabase.create(server, "target");
        file = directory.resolve("pipeline.yml");
        Files.writeString(
                file,
                """
                pipeline: shop
                %s
                %s
                kafka: {bootstrapServers: "127.0.0.1:1"}
                lanes: [{name: main}, {name: side}]
                tables:
                  - public.customers
                  - {source: public.orders, target: sales.orders}
                  - {source: public.notes, lane: side}
                """
                        .formatted(database("source"), database("target")));
    }

    private static String database(String name) {
        return "%s: {host: 127.0.0.1, port: %d, database: %s, user: %s, password: %s}"
                .formatted(name, server.port(), name, PostgresServer.USER, PostgresServer.PASSWORD);
    }

    @AfterAll
    static void stopServer() {
        server.close();
    }

    @BeforeEach
    void anApplierHasBeenAtWork() throws SQLException {
        target.execute("DROP SCHEMA IF EXISTS sluice CASCADE");
        try (Connection connection = server.connect("target")) {
            AppliersTables.create(connection);
        }
    }

    @Test
    void withoutAnApplierThereIsNothingToAsk() {
        target.execute("DROP SCHEMA sluice CASCADE");

        assertThat(sluice("backfill")).isEqualTo(Stop.SETUP.exitCode());
        assertThat(err.toString())
                .contains("target 127.0.0.1:%d/target has no table sluice.reread".formatted(server.port()))
                .contains("remedy: start `sluice apply`");
        assertThat(sluice("backfill", "--pause")).isEqualTo(Stop.SETUP.exitCode());
        assertThat(sluice("status")).isZero();
        assertThat(out.toString())
                .contains("lane main\n  source      slot sluice_shop_main is not made yet: capture has never run\n")
                .contains("nothing yet; no apply is at work, start `sluice apply`");
    }

    @Test
    void aBackfillIsRequestedForAllTablesInTheirLanes() {
        assertThat(sluice("backfill", "--no-wait", "--rate", "5000")).isZero();

        assertThat(target.ask(STATES))
                .isEqualTo("customers backfill requested, notes backfill requested, orders backfill requested");
        assertThat(target.ask("SELECT string_agg(DISTINCT lane || ' ' || rows_per_second, ', ') FROM sluice.reread"))
                .isEqualTo("shop.main 5000, shop.side 5000");
        assertThat(out.toString()).contains("public.orders: backfill requested, at most 5,000 rows/s");
    }

    @Test
    void whatIsBeingReadIsFollowedAndBeginsAnewOnRequestOnly() {
        sluice("backfill", "--no-wait", "--table", "orders", "--where", "id > 5");
        target.execute("UPDATE sluice.reread SET state = 'running', rows = 7, started_at = now()");

        assertThat(sluice("backfill", "--no-wait", "--table", "orders")).isZero();
        assertThat(out.toString()).contains("public.orders: is being read already (backfill where id > 5)");
        assertThat(target.ask("SELECT rows FROM sluice.reread")).isEqualTo("7");

        assertThat(sluice("backfill", "--no-wait", "--table", "orders", "--where", "id > 6")).isEqualTo(2);
        assertThat(err.toString()).contains("public.orders is being read already (backfill where id > 5), no limit");
        assertThat(target.ask("SELECT rows FROM sluice.reread")).isEqualTo("7");

        assertThat(sluice("backfill", "--no-wait", "--table", "orders", "--again")).isZero();
        assertThat(out.toString())
                .contains("public.orders: backfill requested, no limit; it was being read (backfill), and begins anew");
        assertThat(target.ask("SELECT state || rows || condition FROM sluice.reread")).isEqualTo("requested0");
    }

    @Test
    void aTableThatIsDoneIsNotReadAgainByMistake() {
        sluice("backfill", "--no-wait", "--table", "orders");
        target.execute("UPDATE sluice.reread SET state = 'done', started_at = now(), finished_at = now()");

        assertThat(sluice("backfill", "--no-wait", "--table", "orders", "--table", "customers")).isEqualTo(2);
        assertThat(err.toString()).contains("public.orders was read already (backfill, finished 2", "`sluice resync --table …`");
        assertThat(target.ask(STATES)).as("nothing is half done").isEqualTo("orders backfill done");

        assertThat(sluice("backfill", "--no-wait")).isZero();
        assertThat(out.toString()).contains("public.orders: was read already, left alone");
        assertThat(target.ask(STATES))
                .isEqualTo("customers backfill requested, notes backfill requested, orders backfill done");

        assertThat(sluice("resync", "--no-wait", "--table", "public.orders")).isZero();
        assertThat(target.ask(STATES))
                .isEqualTo("customers backfill requested, notes backfill requested, orders resync requested");
    }

    @Test
    void theWorkIsFollowedToItsEnd() throws Exception {
        CompletableFuture<Integer> command = CompletableFuture.supplyAsync(() -> sluice("backfill"));
        awaitOut("public.notes      requested");

        target.execute("UPDATE sluice.reread SET state = 'running', rows_estimated = 2000, started_at = now()");
        awaitOut("public.orders     running  0 of about 2,000 rows (0%)");
        target.execute("UPDATE sluice.reread SET rows = 1000, message = 'waits for the lane'");
        awaitOut("1,000 of about 2,000 rows (50%)");
        target.execute("UPDATE sluice.reread SET state = 'done', rows = 2010, message = 'foreign keys hold',"
                + " finished_at = now()");

        assertThat(end(command)).isZero();
        assertThat(out.toString())
                .contains("; waits for the lane")
                .contains("public.customers  done  2,010 rows in ")
                .contains("; foreign keys hold");
    }

    @Test
    void aFailureEndsTheFollowingAndIsRequestedAnewOnceItsCauseIsGone() throws Exception {
        CompletableFuture<Integer> command = CompletableFuture.supplyAsync(() -> sluice("resync", "--table", "orders"));
        awaitOut("public.orders  requested");
        target.execute("UPDATE sluice.reread SET state = 'failed', message = 'no room left'");

        assertThat(end(command)).isEqualTo(1);
        assertThat(out.toString()).contains("public.orders  FAILED; no room left", "`sluice resync --table …` begins it anew");
        assertThat(sluice("status")).isEqualTo(1);

        assertThat(sluice("backfill", "--no-wait", "--table", "orders")).isZero();
        assertThat(out.toString()).contains("it had failed (no room left), and begins anew");
        assertThat(target.ask(STATES)).isEqualTo("orders backfill requested");
    }

    @Test
    void aTargetThatIsAwayForAWhileIsWaitedFor() throws Exception {
        CompletableFuture<Integer> command = CompletableFuture.supplyAsync(() -> sluice("resync", "--table", "orders"));
        awaitOut("public.orders  requested");

        target.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sluice-command'");
        awaitOut("; trying again");
        target.execute("UPDATE sluice.reread SET state = 'done', started_at = now(), finished_at = now()");

        assertThat(end(command)).isZero();
    }

    @Test
    void aSignalEndsTheFollowingAndNotTheWork() {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(Pipeline.QUICK_JVM);
        command.addAll(List.of("-cp", Pipeline.classPath(), SluiceMain.class.getName()));
        command.addAll(List.of("backfill", "--table", "orders", "-c", file.toString()));
        Child backfill = Child.start("backfill", command, Map.of(), directory.resolve("backfill.log"));
        backfill.awaitLog("public.orders  requested", Duration.ofSeconds(10));

        backfill.terminate();

        assertThat(backfill.awaitExit(Duration.ofSeconds(10))).isEqualTo(143);
        assertThat(backfill.log()).contains("not followed any more; the reading goes on in `sluice apply`");
        assertThat(target.ask(STATES)).isEqualTo("orders backfill requested");
    }

    @Test
    void whatIsBeingReadIsPausedAndGoesOnWithOtherLimits() {
        sluice("backfill", "--no-wait", "--rate", "100");
        target.execute("UPDATE sluice.reread SET state = 'running' WHERE source_table = 'orders'");
        target.execute("UPDATE sluice.reread SET state = 'done' WHERE source_table = 'notes'");

        assertThat(sluice("backfill", "--pause")).isZero();
        assertThat(paused()).isEqualTo("customers,orders");
        assertThat(sluice("backfill", "--resume", "--table", "orders")).isZero();
        assertThat(paused()).isEqualTo("customers");

        assertThat(sluice("backfill", "--limits", "--table", "orders", "--bytes-rate", "4MB", "--while-active-below", "3"))
                .isZero();
        assertThat(out.toString())
                .contains("public.orders: is read with at most 4 MB/s, while fewer than 3 sessions of the source are active");
        assertThat(target.ask("SELECT concat_ws('/', rows_per_second, bytes_per_second, most_active, state)"
                        + " FROM sluice.reread WHERE source_table = 'orders'"))
                .isEqualTo("4194304/2/running");

        assertThat(sluice("backfill", "--pause", "--table", "notes", "--table", "orders")).isEqualTo(2);
        assertThat(err.toString()).contains("public.notes is not being read: it is done");
        assertThat(paused()).isEqualTo("customers");
    }

    @Test
    void anUnknownTableIsNamedAndNothingIsAsked() {
        assertThat(sluice("backfill", "--no-wait", "--table", "ordrs", "--table", "notes")).isEqualTo(2);

        assertThat(err.toString())
                .contains("--table ordrs: no source table of the pipeline, did you mean public.orders?")
                .contains("name mapped tables: public.customers, public.notes, public.orders");
        assertThat(target.ask(STATES)).isEmpty();
    }

    @Test
    void theStatusSaysWhereEachLaneIsAndWhatIsNotInStep() throws SQLException {
        sluice("backfill", "--no-wait", "--table", "orders");
        target.execute("UPDATE sluice.reread SET state = 'running', rows = 5, rows_estimated = 10, started_at = now()");
        target.execute("INSERT INTO sluice.progress (lane, epoch, seq, end_lsn, is_beyond, committed_at)"
                + " VALUES ('shop.main', 3, 17, '0/1000', true, now())");
        source.execute("SELECT pg_create_logical_replication_slot('sluice_shop_main', 'pgoutput')");
        try (Connection applier = server.connect("target");
                Statement lock = applier.createStatement()) {
            lock.execute("SELECT pg_advisory_lock(hashtextextended('sluice.apply shop.main', 0))");

            assertThat(sluice("status")).isZero();
            assertThat(out.toString())
                    .contains("no capture streams from slot sluice_shop_main")
                    .contains("applied     epoch 3, seq 17, source position 0/1000, committed at the source")
                    .contains("behind the source\n")
                    .contains("backfill    public.orders  running  5 of about 10 rows (50%)")
                    .contains("never read  public.customers: ")
                    .contains("not yet a state that the source had: public.orders (backfill is under way); the other tables are")
                    .endsWith("shop: nobody is needed at once; lane main: no capture is at work; lane side: no capture is at work,"
                            + " no apply is at work\n");

            target.execute("INSERT INTO sluice.held_table (lane, source_schema, source_table, reason, cure)"
                    + " VALUES ('shop.main', 'public', 'customers', 'a column is gone', 'drop it')");
            assertThat(sluice("status", "-o", "json")).isEqualTo(1);
            assertThat(out.toString())
                    .contains("\"needsPerson\" : true", "\"applyIsAtWork\" : true", "\"applyIsAtWork\" : false")
                    .contains("\"reason\" : \"a column is gone\"", "\"state\" : \"INACTIVE\"");
        } finally {
            source.execute("SELECT pg_drop_replication_slot('sluice_shop_main')");
        }
    }

    private String paused() {
        return target.ask(
                "SELECT string_agg(source_table, ',' ORDER BY source_table) FROM sluice.reread WHERE is_paused");
    }

    private int sluice(String... arguments) {
        List<String> all = new ArrayList<>(Arrays.asList(arguments));
        all.addAll(List.of("-c", file.toString()));
        return SluiceMain.command()
                .setOut(new PrintWriter(out))
                .setErr(new PrintWriter(err))
                .execute(all.toArray(String[]::new));
    }

    private void awaitOut(String text) {
        Await.until("says '" + text + "'", Duration.ofSeconds(10), () -> out.toString().contains(text));
    }

    private static int end(CompletableFuture<Integer> command)
            throws InterruptedException, ExecutionException, TimeoutException {
        return command.get(10, TimeUnit.SECONDS);
    }
}
