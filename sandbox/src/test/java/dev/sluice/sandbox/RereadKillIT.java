package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.schemas.TableId;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** SIGKILL at every step of a reread, while the source is written to: what was done stays, nothing is lost or comes back. */
class RereadKillIT {
    private static final int ROWS = 1_500;
    private static final Duration PATIENCE = Duration.ofSeconds(90);

    /** Times each way of dying is tried; {@code -Dsluice.rounds}. */
    private static final int ROUNDS = Intensity.of("sluice.rounds", 1, 20);

    private static final List<String> WHILE_COPYING =
            List.of("reread.read", "reread.before-join", "reread.joined", "apply.before-commit");
    private static final List<String> WHILE_REPAIRING = List.of("reread.sought", "reread.before-join", "apply.after-commit");

    private static ThreeServers servers;

    private final long seed = Seed.of(RereadKillIT.class);
    private final Random random = new Random(seed);

    @BeforeAll
    static void takeServers() {
        servers = SharedServers.take();
    }

    @AfterAll
    static void emptyServers() {
        SharedServers.empty();
    }

    @Test
    void whereverApplyDiesBothSidesEndEqual() throws SQLException {
        String[] tables = RereadTables.ALL.stream().map(TableId::toString).toArray(String[]::new);
        try (Pipeline pipeline = Pipeline.on(servers, "reread_killed").partitions(2).carrying(tables)) {
            pipeline.onSource(RereadTables.SCHEMA + RereadTables.fill(ROWS));
            pipeline.onTarget(RereadTables.SCHEMA + "CREATE SCHEMA sluice");
            pipeline.startCapture();
            pipeline.awaitStreaming();
            AtomicBoolean stop = new AtomicBoolean();
            List<CompletableFuture<Void>> writers = new ArrayList<>();
            for (int i = 0; i < 2; i++) {
                writers.add(CompletableFuture.runAsync(
                        RereadTables.writer(pipeline.connectSource(), ROWS, seed + i, stop)));
            }
            writers.add(CompletableFuture.runAsync(RereadTables.slowWriter(pipeline.connectSource(), stop)));
            RereadTables.request(pipeline.config(), "backfill", "");
            for (int round = 0; round < ROUNDS; round++) {
                WHILE_COPYING.forEach(place -> dieAt(place, pipeline));
                RereadTables.request(pipeline.config(), "resync", RereadTables.DAMAGE);
                WHILE_REPAIRING.forEach(place -> dieAt(place, pipeline));
            }
            pipeline.startApply();
            Await.until("all tables are read", PATIENCE, () -> pipeline.askTarget(
                            "SELECT count(*) FROM sluice.reread WHERE state <> 'done'")
                    .equals("0"));
            stop.set(true);
            writers.forEach(CompletableFuture::join);
            pipeline.awaitCaughtUp();
            pipeline.assertEqual();
        }
    }

    private void dieAt(String place, Pipeline pipeline) {
        int visit = 1 + random.nextInt(place.startsWith("apply") ? 40 : place.endsWith("sought") ? 2 : 5);
        Child apply = pipeline.startApply(place + ":" + visit);
        assertThat(apply.awaitExit(PATIENCE)).as(apply.name()).isEqualTo(Child.KILLED);
    }
}
