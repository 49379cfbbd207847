package dev.sluice.sandbox;

import dev.sluice.config.TableMapping;
import dev.sluice.config.VerifyConfig;
import dev.sluice.config.VerifyConfig.Evidence;
import dev.sluice.schemas.TableId;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** The reconciler outlives each of its three servers, a target that apply has never seen, and a table that does not fit. */
@ExtendWith(ChildLogs.class)
class ReconcileSurvivalIT {
    private static final Duration PATIENCE = Duration.ofSeconds(90);
    private static final VerifyConfig OFTEN =
            new VerifyConfig(Duration.ofSeconds(1), 100, 0, 0, Optional.empty(), 0, Evidence.HASHES);

    private static final List<TableMapping> TABLES = List.of(
            TableMapping.identity(TableId.parse("item"), ThreeServers.LANE), TableMapping.identity(TableId.parse("part"), ThreeServers.LANE));

    private static ThreeServers servers;

    @BeforeAll
    static void startServers() {
        servers = ThreeServers.start();
    }

    @AfterAll
    static void stopServers() {
        servers.close();
    }

    @Test
    void itGoesOnWhenWhatItNeedsIsBack() {
        try (InProcessPipeline pipeline = servers.pipeline("outlived", TABLES)) {
            for (TestDatabase database : List.of(pipeline.source(), pipeline.target())) {
                database.execute("CREATE TABLE item (id int PRIMARY KEY, v int); CREATE TABLE part (id int PRIMARY KEY, v int)");
            }
            pipeline.startCapture();
            pipeline.await("the lane has begun", () ->
                    pipeline.source().ask("SELECT count(*) FROM pg_replication_slots WHERE active").equals("1"));
            try (ReconcilerInside reconciler = new ReconcilerInside(pipeline.config().verifying(OFTEN))) {
                pipeline.startApply();
                pipeline.source().execute("INSERT INTO item SELECT n, n FROM generate_series(1, 100) AS n");
                pipeline.awaitApplied();
                awaitInSync(pipeline, "item");
                for (Runnable outage : outages()) {
                    outage.run();
                    pipeline.source().execute("UPDATE item SET v = v + 1");
                    pipeline.awaitApplied();
                    awaitInSync(pipeline, "item");
                }

                pipeline.target().execute("ALTER TABLE item DROP COLUMN v");
                Await.until("the table is unknown", PATIENCE, () -> verdict(pipeline, "item").contains("UNKNOWN (target public.item has no column v"));
                awaitInSync(pipeline, "part");
                pipeline.target().execute("ALTER TABLE item ADD COLUMN v int; UPDATE item SET v = 0");
                Await.until("its rows differ", PATIENCE, () -> verdict(pipeline, "item").equals("DIVERGED (100 confirmed)"));
                pipeline.target().execute("UPDATE item SET v = id + 3");
                awaitInSync(pipeline, "item");
                reconciler.stop();
            }
            pipeline.requireEqual();
        }
    }

    private static Runnable[] outages() {
        return new Runnable[] {
            () -> {
                servers.source().stopImmediately();
                servers.source().start();
            },
            () -> {
                servers.target().stopImmediately();
                servers.target().start();
            },
            () -> {
                servers.kafka().stop();
                servers.kafka().start();
            }
        };
    }

    /** By a pass that began after now. */
    private static void awaitInSync(InProcessPipeline pipeline, String table) {
        String now = pipeline.target().ask("SELECT clock_timestamp()");
        String after = " AND began_at > '%s'".formatted(now);
        Await.until(table + " is in sync", PATIENCE, () -> verdict(pipeline, table + "'" + after + " AND '' = '").equals("IN SYNC"));
    }

    private static String verdict(InProcessPipeline pipeline, String table) {
        return pipeline.target().ask("SELECT to_regclass('sluice.verification') IS NULL").equals("t")
                ? "none"
                : pipeline.target().ask(("SELECT coalesce((SELECT verdict FROM sluice.verification WHERE source_table = '%s'"
                                + " ORDER BY id DESC LIMIT 1), 'none')")
                        .formatted(table));
    }
}
