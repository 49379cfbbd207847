package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.capture.LaneRestart;
import dev.sluice.cli.SluiceMain;
import dev.sluice.config.KafkaClients;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.admin.Admin;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** A lane that has lost its slot or a topic goes on, and its tables are equal again. */
@ExtendWith(ChildLogs.class)
class RecoverIT {
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private static ThreeServers servers;

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    @BeforeAll
    static void takeServers() {
        servers = SharedServers.take();
    }

    @AfterAll
    static void emptyServers() {
        SharedServers.empty();
    }

    @Test
    void aLaneThatHasLostItsSlotGoesOnInAnotherEpochAndHasAskedForItsTables() {
        try (Pipeline pipeline = pipeline("recover_slot")) {
            Child capture = pipeline.startCapture();
            Child apply = pipeline.startApply();
            pipeline.awaitStreaming();
            pipeline.onSource("INSERT INTO thing VALUES (1)");
            pipeline.awaitCaughtUp();

            assertThat(sluice(pipeline, "recover", "--execute")).isEqualTo(Stop.SETUP.exitCode());
            assertThat(err.toString()).contains("another capture holds the lane");
            stop(capture);
            assertThat(sluice(pipeline, "recover", "--execute")).isEqualTo(Stop.SETUP.exitCode());
            assertThat(err.toString()).contains("an apply holds the lane");
            stop(apply);
            String slot = pipeline.config().lanes().get(0).slot();
            pipeline.onSource("SELECT pg_drop_replication_slot('%s')".formatted(slot));
            pipeline.onSource("INSERT INTO thing VALUES (2)");
            long epoch = pipeline.checkpoint().epoch();

            assertThat(sluice(pipeline, "recover")).isZero();
            assertThat(out.toString()).contains("Nothing was changed.", "which is missing", "public.other, public.thing");
            assertThat(pipeline.checkpoint().epoch()).isEqualTo(epoch);
            assertThat(sluice(pipeline, "recover", "--execute", "--rate", "1000")).isZero();
            assertThat(pipeline.askTarget("SELECT string_agg(concat_ws(' ', source_table, kind, state, rows_per_second), ', '"
                            + " ORDER BY source_table) FROM sluice.reread"))
                    .isEqualTo("other recover requested 1000, thing recover requested 1000");

            requireItGoesOn(pipeline, 3);
            assertThat(pipeline.checkpoint().epoch()).isGreaterThan(epoch);
        }
    }

    @Test
    void aLaneWhoseTopicWasDeletedAndThatHasRecordsNobodyReadGoesOnToo() throws Exception {
        try (Pipeline pipeline = pipeline("recover_topic")) {
            Child capture = pipeline.startCapture();
            Child apply = pipeline.startApply();
            pipeline.awaitStreaming();
            pipeline.onSource("INSERT INTO thing VALUES (1)");
            pipeline.awaitCaughtUp();
            stop(apply);
            pipeline.onTarget("INSERT INTO sluice.held_table (lane, source_schema, source_table, reason, cure)"
                    + " VALUES ('recover_topic.main', 'public', 'other', 'r', 'c')");
            pipeline.onSource("INSERT INTO thing VALUES (2); INSERT INTO other VALUES (2)");
            Await.until("the row is published", PATIENCE, () -> pipeline.published("thing") == 2);
            stop(capture);
            deleteTopic(pipeline, "other");

            assertThat(sluice(pipeline, "recover", "--execute")).isZero();
            assertThat(out.toString()).contains("was made and begins at", "2 tables are to be read again");

            requireItGoesOn(pipeline, 3);
            assertThat(pipeline.askTarget("SELECT count(*) FROM sluice.held_table")).isEqualTo("0");
        }
    }

    @Test
    void betweenItsTwoHalvesAnApplierFindsAHoleAndTheCommandIsSimplyDoneAgain() {
        try (Pipeline pipeline = pipeline("recover_half")) {
            Child capture = pipeline.startCapture();
            Child apply = pipeline.startApply();
            pipeline.awaitStreaming();
            pipeline.onSource("INSERT INTO thing VALUES (1)");
            pipeline.awaitCaughtUp();
            stop(capture);
            stop(apply);

            try (LaneRestart half = LaneRestart.open(pipeline.config(), pipeline.config().lanes().get(0))) {
                half.begin(0);
            }
            capture = pipeline.startCapture();
            apply = pipeline.startApply();

            assertThat(apply.awaitExit(PATIENCE)).isEqualTo(Stop.HOLE.exitCode());
            stop(capture);
            assertThat(sluice(pipeline, "recover", "--execute")).isZero();
            requireItGoesOn(pipeline, 3);
        }
    }

    @Test
    void oneOfTwoLanesIsStartedAnewWhileTheTablesOfBothAreWrittenTo() throws Exception {
        try (Pipeline pipeline = Pipeline.on(servers, "recover_lanes")
                .settings("lanes: [{name: main}, {name: side}]")
                .carrying("{source: public.other, lane: side}", "public.thing")) {
            String create = "CREATE TABLE %s (id integer PRIMARY KEY, n integer);";
            pipeline.onBoth(create.formatted("thing") + create.formatted("other"));
            Child capture = pipeline.startCapture();
            Child apply = pipeline.startApply();
            awaitBothStreaming(capture);
            AtomicBoolean stop = new AtomicBoolean();
            CompletableFuture<Void> writing = CompletableFuture.runAsync(() -> write(pipeline, stop));
            Await.until("both lanes apply", PATIENCE, () -> pipeline.askTarget(
                            "SELECT (SELECT count(*) > 50 FROM thing) AND (SELECT count(*) > 50 FROM other)")
                    .equals("t"));
            stop(capture);
            stop(apply);
            pipeline.onSource("SELECT pg_drop_replication_slot('%s')".formatted(pipeline.config().lanes().get(0).slot()));

            assertThat(sluice(pipeline, "recover", "--execute")).isEqualTo(Stop.USAGE.exitCode());
            assertThat(sluice(pipeline, "recover", "--execute", "--lane", "main", "--rate", "300")).isZero();
            capture = pipeline.startCapture();
            pipeline.startApply();
            awaitBothStreaming(capture);
            Await.until("the lane's table is read", PATIENCE, () -> pipeline.askTarget(
                            "SELECT string_agg(source_table || ' ' || state, ', ') FROM sluice.reread")
                    .equals("thing done"));
            stop.set(true);
            writing.join();

            String end = pipeline.askSource("SELECT pg_current_wal_lsn()");
            Await.until("both lanes have all", PATIENCE, () -> pipeline.askTarget(
                            "SELECT count(*) FROM sluice.progress WHERE lane LIKE '%%.%%' AND end_lsn >= '%s'".formatted(end))
                    .equals("2"));
            pipeline.assertEqual();
        }
    }

    private static void awaitBothStreaming(Child capture) {
        Await.until("both lanes stream", PATIENCE, () -> capture.log().contains("lane main: streaming from")
                && capture.log().contains("lane side: streaming from"));
    }

    /** One transaction after the other, each of which writes to both tables. */
    private static void write(Pipeline pipeline, AtomicBoolean stop) {
        try (Connection source = pipeline.connectSource();
                Statement statement = source.createStatement()) {
            for (int i = 1; !stop.get(); i++) {
                statement.execute(("INSERT INTO thing VALUES (%1$d, 0); INSERT INTO other VALUES (%1$d, 0);"
                                + " UPDATE thing SET n = n + 1, id = -id WHERE id %% 7 = %1$d %% 7; DELETE FROM thing WHERE id = %1$d / 2;"
                                + " UPDATE other SET n = n + 1 WHERE id = %1$d / 3")
                        .formatted(i));
                LockSupport.parkNanos(10_000_000);
            }
        } catch (SQLException e) {
            throw new AssertionError("the writer failed", e);
        }
    }

    /** What is written from now on arrives, and what was lost is read. */
    private void requireItGoesOn(Pipeline pipeline, int id) {
        Child capture = pipeline.startCapture();
        Child apply = pipeline.startApply();
        capture.awaitLog("streaming from", PATIENCE);
        pipeline.onSource("INSERT INTO thing VALUES (%d); INSERT INTO other VALUES (%<d)".formatted(id));
        Await.until("the row is applied", PATIENCE, () -> capture.isAlive()
                && apply.isAlive()
                && pipeline.askTarget("SELECT count(*) FROM thing JOIN other USING (id) WHERE id = " + id).equals("1"));
        stop(apply);
        // the same position is gone on from, as at any start
        Child next = pipeline.startApply();
        pipeline.onSource("INSERT INTO thing VALUES (%d); INSERT INTO other VALUES (%<d)".formatted(id + 1));
        Await.until("the next row is applied", PATIENCE, () -> next.isAlive()
                && pipeline.askTarget("SELECT count(*) FROM thing JOIN other USING (id) WHERE id = " + (id + 1)).equals("1"));
        assertThat(sluice(pipeline, "backfill")).isZero();
        assertThat(out.toString()).contains("public.other  done  ", "public.thing  done  ");
        pipeline.awaitCaughtUp();
        pipeline.assertEqual();
        assertThat(sluice(pipeline, "status")).isZero();
        assertThat(out.toString()).contains("state       every table is as the source was at this position\n");
    }

    private static Pipeline pipeline(String name) {
        Pipeline pipeline = Pipeline.on(servers, name).carrying("other", "thing");
        pipeline.onBoth("CREATE TABLE thing (id int PRIMARY KEY); CREATE TABLE other (id int PRIMARY KEY)");
        return pipeline;
    }

    private static void deleteTopic(Pipeline pipeline, String table) throws Exception {
        String topic = pipeline.config().topics().change(TableId.parse(table));
        try (Admin admin = Admin.create(KafkaClients.base(pipeline.config().kafka(), "test"))) {
            admin.deleteTopics(List.of(topic)).all().get();
            Await.until("the topic is gone", PATIENCE, () -> !admin.listTopics().names().get().contains(topic));
        }
    }

    private int sluice(Pipeline pipeline, String... arguments) {
        List<String> all = new ArrayList<>(Arrays.asList(arguments));
        all.addAll(List.of("-c", pipeline.configFile().toString()));
        return SluiceMain.command()
                .setOut(new PrintWriter(out))
                .setErr(new PrintWriter(err))
                .execute(all.toArray(String[]::new));
    }

    private static void stop(Child child) {
        child.terminate();
        assertThat(child.awaitExit(PATIENCE)).as("exit code of " + child.name()).isZero();
    }
}
