package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.schemas.Stop;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** A physical standby is read in place of the source: it may be behind the target. */
@ExtendWith(ChildLogs.class)
class StandbySourceIT {
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private static EmbeddedPostgres source;
    private static EmbeddedPostgres standby;
    private static ThreeServers servers;

    private final Command sluice = new Command();

    @BeforeAll
    static void startServers() {
        source = EmbeddedPostgres.builder().unsafeFast().start();
        standby = source.standby();
        servers = new ThreeServers(source, Servers.postgres(), Servers.kafka());
    }

    @AfterAll
    static void stopServers() {
        servers.close();
        standby.close();
    }

    @Test
    void whatTheStandbyDoesNotHaveYetIsInFlightAndWhatDiffersIsFoundAllTheSame() throws SQLException {
        String settings = "verify: {standbyHost: %s, standbyPort: %d}".formatted(Loopback.HOST, standby.port());
        try (Pipeline pipeline = Pipeline.on(servers, "standby").settings(settings).carrying("item")) {
            pipeline.onBoth("CREATE TABLE item (id int PRIMARY KEY, v int)");
            pipeline.startCapture();
            pipeline.startApply();
            pipeline.awaitStreaming();
            pipeline.onSource("INSERT INTO item SELECT n, n FROM generate_series(1, 9000) AS n");
            pipeline.awaitCaughtUp();
            awaitReplayed(pipeline);
            assertThat(sluice.run(pipeline, "verify")).as(sluice.printed()).isZero();
            assertThat(sluice.out()).contains("9,000 rows");

            execute("SELECT pg_wal_replay_pause()");
            pipeline.onSource("UPDATE item SET v = v + 1 WHERE id <= 3000");
            pipeline.onSource("DELETE FROM item WHERE id <= 10; INSERT INTO item SELECT n, n FROM generate_series(9001, 9010) AS n");
            pipeline.awaitCaughtUp();
            assertThat(sluice.run(pipeline, "verify")).as(sluice.printed()).isEqualTo(Stop.UNKNOWN.exitCode());
            assertThat(sluice.out()).contains("public.item: IN SYNC EXCEPT 3,010 IN FLIGHT");
            pipeline.onTarget("UPDATE item SET v = 0 WHERE id IN (1000, 4000)");
            assertThat(sluice.run(pipeline, "verify")).as(sluice.printed()).isEqualTo(Stop.DIFFERENT.exitCode());
            assertThat(sluice.out()).contains("DIVERGED (1 confirmed)", "differs: id=4000 in v");

            execute("SELECT pg_wal_replay_resume()");
            awaitReplayed(pipeline);
            assertThat(sluice.run(pipeline, "verify")).as(sluice.printed()).isEqualTo(Stop.DIFFERENT.exitCode());
            assertThat(sluice.out()).contains("DIVERGED (2 confirmed)", "differs: id=1000 in v", "differs: id=4000 in v");
            pipeline.onTarget("UPDATE item SET v = id + (id <= 3000)::int WHERE id IN (1000, 4000)");
            assertThat(sluice.run(pipeline, "verify")).as(sluice.printed()).isZero();

            // one that the standby has seen begin, and not end, while a later one has ended
            try (Connection open = pipeline.connectSource();
                    Statement statement = open.createStatement()) {
                open.setAutoCommit(false);
                statement.execute("UPDATE item SET v = v + 1 WHERE id = 5000");
                pipeline.onSource("UPDATE item SET v = v + 1 WHERE id = 5001");
                awaitReplayed(pipeline);
                execute("SELECT pg_wal_replay_pause()");
                open.commit();
            }
            pipeline.awaitCaughtUp();
            assertThat(sluice.run(pipeline, "verify")).as(sluice.printed()).isEqualTo(Stop.UNKNOWN.exitCode());
            execute("SELECT pg_wal_replay_resume()");
            awaitReplayed(pipeline);
            assertThat(sluice.run(pipeline, "verify")).as(sluice.printed()).isZero();
            pipeline.assertEqual();
        }
    }

    private static void awaitReplayed(Pipeline pipeline) {
        String position = pipeline.askSource("SELECT pg_current_wal_flush_lsn()");
        Await.until("the standby is at " + position, PATIENCE, () -> {
            try (Connection connection = standby.connect("postgres");
                    Statement statement = connection.createStatement();
                    var row = statement.executeQuery("SELECT pg_last_wal_replay_lsn() >= '" + position + "'")) {
                row.next();
                return row.getBoolean(1);
            } catch (SQLException e) {
                throw new IllegalStateException(e);
            }
        });
    }

    private static void execute(String sql) throws SQLException {
        try (Connection connection = standby.connect("postgres");
                Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }
}
