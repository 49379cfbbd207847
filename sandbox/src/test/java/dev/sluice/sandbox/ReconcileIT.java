package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.config.VerifyConfig;
import dev.sluice.config.VerifyConfig.Evidence;
import dev.sluice.schemas.Stop;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** The reconciler as a process that goes on for long: rows that change, passes over whole tables, restarts. */
@ExtendWith(ChildLogs.class)
class ReconcileIT {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final VerifyConfig DAILY = new VerifyConfig(Duration.ofDays(1), 100, 0, 0, Optional.empty(), 0, Evidence.HASHES);

    private static ThreeServers servers;

    private final Command sluice = new Command();

    @BeforeAll
    static void takeServers() {
        servers = SharedServers.take();
    }

    @AfterAll
    static void emptyServers() {
        SharedServers.empty();
    }

    @Test
    void aChangeThatDoesNotArriveAsItIsIsFoundSoonAndAlsoOneOfATimeWithoutReconciler() {
        try (Pipeline pipeline = Pipeline.on(servers, "touched").partitions(2).carrying("item", "bare")) {
            pipeline.onBoth("CREATE TABLE item (id int PRIMARY KEY, name text);"
                    + " CREATE TABLE bare (v int); ALTER TABLE bare REPLICA IDENTITY FULL");
            pipeline.startCapture();
            pipeline.startApply();
            pipeline.awaitStreaming();
            pipeline.onSource("INSERT INTO item SELECT n, 'n' || n FROM generate_series(1, 2000) AS n");
            pipeline.awaitCaughtUp();
            // an applier that loses one change and gives another one to the wrong row
            pipeline.onTarget(
                    """
                    CREATE FUNCTION wrong() RETURNS trigger LANGUAGE plpgsql AS $$
                    BEGIN
                      IF NEW.id = 8 THEN
                        UPDATE item SET name = NEW.name WHERE id = 9;
                      END IF;
                      RETURN OLD;
                    END $$;
                    CREATE TRIGGER wrong BEFORE UPDATE ON item FOR EACH ROW WHEN (NEW.id IN (7, 8)) EXECUTE FUNCTION wrong();
                    ALTER TABLE item ENABLE ALWAYS TRIGGER wrong""");

            pipeline.onTarget("ALTER TABLE item ADD own text");
            int port = Loopback.freePort();
            VerifyConfig measured = new VerifyConfig(Duration.ofDays(1), 100, 0, 0, Optional.empty(), port, Evidence.HASHES);

            try (ReconcilerInside reconciler = new ReconcilerInside(pipeline.config().verifying(measured))) {
                awaitVerdicts(pipeline, "item,IN SYNC");
                pipeline.onSource("UPDATE item SET name = 'changed' WHERE id BETWEEN 5 AND 7; INSERT INTO bare VALUES (1)");
                awaitOpen(pipeline, "{7}");
                assertThat(pipeline.askTarget("SELECT explanation || ' ' || (evidence -> 'lastEvents' -> -1 ->> 'operation') FROM sluice.divergence"))
                        .startsWith("unexplained").endsWith(" update");
                String item = "{lane=\"main\",table=\"public.item\"} ";
                Await.until("the metrics tell of it", PATIENCE, () -> metrics(port).contains("cdc_divergence_open_rows" + item + "1.0"));
                assertThat(metrics(port)).contains("cdc_columns_not_compared" + item + "1.0", "cdc_divergence_rows" + item + "0.0");
                awaitVerified(pipeline);
                reconciler.stop();
            }
            pipeline.onSource("UPDATE item SET name = 'changed again' WHERE id = 8; UPDATE item SET name = 'x' WHERE id > 1000");
            pipeline.awaitCaughtUp();
            try (ReconcilerInside reconciler = new ReconcilerInside(pipeline.config().verifying(DAILY))) {
                awaitOpen(pipeline, "{7},{8}");
                awaitVerified(pipeline);
                assertThat(pipeline.askTarget("SELECT count(*) FROM sluice.verification WHERE source_table = 'item'"))
                        .as("no whole pass has helped").isEqualTo("1");
                // the wrong row was never touched at the source: a pass finds it
                assertThat(sluice.run(pipeline, "verify", "--table", "item")).isEqualTo(Stop.DIFFERENT.exitCode());
                awaitOpen(pipeline, "{7},{8},{9}");

                pipeline.onTarget("DROP TRIGGER wrong ON item");
                assertThat(sluice.run(pipeline, "repair", "--from-divergences", "--execute")).as(sluice.printed()).isZero();
                awaitOpen(pipeline, "");
                reconciler.stop();
            }
            pipeline.assertEqual();
        }
    }

    @Test
    void aPassThatIsCutOffGoesOnWhereItWasAndStandsBackWhileTheSourceIsBusy() throws SQLException {
        try (Pipeline pipeline = Pipeline.on(servers, "paced").carrying("item", "part")) {
            pipeline.onBoth("CREATE TABLE item (id bigint PRIMARY KEY, name text);"
                    + " INSERT INTO item SELECT n, 'n' || n FROM generate_series(1, 200000) AS n;"
                    + " CREATE TABLE part (id int PRIMARY KEY, item_id bigint REFERENCES item); INSERT INTO part VALUES (1, 5)");
            pipeline.startCapture();
            pipeline.startApply();
            pipeline.awaitStreaming();
            pipeline.awaitCaughtUp();
            String count = "SELECT CASE WHEN to_regclass('sluice.verified_range') IS NOT NULL THEN 1 ELSE 0 END";

            VerifyConfig shy = new VerifyConfig(Duration.ofDays(1), 100, 0, 1, Optional.empty(), 0, Evidence.HASHES);
            try (ReconcilerInside reconciler = new ReconcilerInside(pipeline.config().verifying(shy));
                    Busy one = new Busy(pipeline);
                    Busy other = new Busy(pipeline)) {
                Await.until("the stream is followed", PATIENCE, () ->
                        pipeline.askTarget("SELECT to_regclass('sluice.touched') IS NOT NULL").equals("t"));
                pipeline.onSource("UPDATE item SET name = 'first' WHERE id = 1");
                Await.until("the touched row is verified", PATIENCE, () -> pipeline
                        .askTarget("SELECT count(*) FROM sluice.touched WHERE pending = 0 AND verified_rows > 0")
                        .equals("1"));
                assertThat(one.isAtWork() && other.isAtWork()).isTrue();
                assertThat(pipeline.askTarget(count)).isEqualTo("0");
                reconciler.stop();
            }

            VerifyConfig slow = new VerifyConfig(Duration.ofDays(1), 1, 0, 0, Optional.empty(), 0, Evidence.HASHES);
            try (ReconcilerInside reconciler = new ReconcilerInside(pipeline.config().verifying(slow))) {
                Await.until("a range is through", PATIENCE, () -> pipeline.askTarget(count).equals("1")
                        && !pipeline.askTarget("SELECT count(*) FROM sluice.verified_range WHERE source_table = 'item'").equals("0"));
                reconciler.stop();
            }
            String pass = pipeline.askTarget("SELECT pass::text FROM sluice.verified_range WHERE source_table = 'item' GROUP BY pass");
            String ranges = pipeline.askTarget("SELECT count(*) FROM sluice.verified_range WHERE source_table = 'item'");
            pipeline.onTarget("UPDATE item SET name = 'wrong' WHERE id = 199999;"
                    + " SET session_replication_role = replica; DELETE FROM item WHERE id = 5; RESET session_replication_role");

            VerifyConfig polite = new VerifyConfig(Duration.ofDays(1), 100, 0, 50, Optional.empty(), 0, Evidence.HASHES);
            try (ReconcilerInside reconciler = new ReconcilerInside(pipeline.config().verifying(polite))) {
                awaitVerdicts(pipeline, "item,DIVERGED (1 confirmed)"); // the other one is where it has been already
                Await.until("the reference is known to be broken", PATIENCE, () -> pipeline
                                .askTarget("SELECT to_regclass('sluice.verified_reference') IS NOT NULL")
                                .equals("t")
                        && pipeline.askTarget("SELECT string_agg(source_table || ' ' || verdict, '') FROM sluice.verified_reference")
                                .equals("part BROKEN (1 rows in the target)"));
                awaitSaved(pipeline);
                long sessions = sessionsOfSource(pipeline);
                awaitSaved(pipeline);
                assertThat(sessionsOfSource(pipeline) - sessions).as("sessions in 5 s, with nothing to do").isLessThan(10);
                reconciler.stop();
            }
            assertThat(ranges).isNotEqualTo("4");
            assertThat(pipeline.askTarget("SELECT row_count || ' ' || began_at::text FROM sluice.verification WHERE source_table = 'item'"))
                    .isEqualTo("200000 " + pass);
            assertThat(pipeline.askTarget("SELECT row_count FROM sluice.verified_range WHERE source_table = 'item' AND number = 1"))
                    .as("a border stands where it is asked for").isEqualTo("50000");
            assertThat(pipeline.askTarget("SELECT count(DISTINCT pass) || ' ' || sum(row_count) FROM sluice.verified_range WHERE source_table = 'item'"))
                    .isEqualTo("1 200000");
            pipeline.onTarget("UPDATE item SET name = 'n199999' WHERE id = 199999; INSERT INTO item VALUES (5, 'n5')");
            assertThat(sluice.run(pipeline, "verify")).as(sluice.printed()).isZero();
            assertThat(pipeline.askTarget("SELECT count(*) FROM sluice.divergence WHERE closed_at IS NULL")).isEqualTo("0");
            pipeline.assertEqual();
        }
    }

    private static String metrics(int port) {
        try {
            URI uri = URI.create("http://%s:%d/metrics".formatted(Loopback.HOST, port));
            return HttpClient.newHttpClient().send(HttpRequest.newBuilder(uri).build(), BodyHandlers.ofString()).body();
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void awaitVerdicts(Pipeline pipeline, String some) {
        Await.until("a verdict is " + some, PATIENCE, () -> pipeline
                        .askTarget("SELECT to_regclass('sluice.verified_through') IS NOT NULL")
                        .equals("t")
                && pipeline.askTarget("SELECT string_agg(source_table || ',' || last_verdict, ' ') FROM sluice.verified_through")
                        .contains(some));
    }

    private static void awaitOpen(Pipeline pipeline, String keys) {
        Await.until("open divergences are " + keys, PATIENCE, () -> pipeline
                        .askTarget("SELECT to_regclass('sluice.divergence') IS NOT NULL")
                        .equals("t")
                && keys.equals(pipeline.askTarget(
                        "SELECT coalesce(string_agg(key::text, ',' ORDER BY key), '') FROM sluice.divergence WHERE closed_at IS NULL")));
    }

    /** Everything that was touched until now has been compared, and that is stored. */
    private static void awaitVerified(Pipeline pipeline) {
        String seq = pipeline.askTarget("SELECT seq FROM sluice.progress");
        Await.until("touched rows are verified", PATIENCE, () -> pipeline
                        .askTarget("SELECT to_regclass('sluice.touched') IS NOT NULL")
                        .equals("t")
                && pipeline.askTarget("SELECT count(*) FROM sluice.touched WHERE pending = 0 AND verified_seq >= " + seq)
                        .equals("1"));
    }

    /** It does so every 5 s. */
    private static void awaitSaved(Pipeline pipeline) {
        String at = pipeline.askTarget("SELECT at FROM sluice.touched");
        Await.until("it is saved how far touched rows are verified", PATIENCE, () ->
                !pipeline.askTarget("SELECT at FROM sluice.touched").equals(at));
    }

    private static long sessionsOfSource(Pipeline pipeline) {
        return Long.parseLong(pipeline.askSource("SELECT sessions FROM pg_stat_database WHERE datname = current_database()"));
    }

    /** A session of the source that is at work. */
    private static final class Busy implements AutoCloseable {
        private final Connection connection;
        private final Statement statement;
        private final CompletableFuture<Void> work;

        Busy(Pipeline pipeline) throws SQLException {
            connection = pipeline.connectSource();
            statement = connection.createStatement();
            work = CompletableFuture.runAsync(() -> {
                try {
                    statement.execute("SELECT pg_sleep(120)");
                } catch (SQLException e) {
                    throw new IllegalStateException(e);
                }
            });
        }

        boolean isAtWork() {
            return !work.isDone();
        }

        @Override
        public void close() throws SQLException {
            try (connection) {
                statement.cancel();
            }
        }
    }
}
