package dev.sluice.sandbox;

import dev.sluice.apply.RereadStore;
import dev.sluice.apply.RereadStore.Throttle;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Tables are read from the source while it is written to, in many small ranges, and end equal. */
class RereadIT {
    private static final int ROWS = 2_000;
    private static final Throttle SMALL_RANGES =
            new Throttle(OptionalLong.of(700), OptionalLong.empty(), OptionalLong.empty());

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
            request(pipeline, "backfill", "SELECT 1");
            pipeline.startApply();
            awaitDone(pipeline);

            request(pipeline, "resync", DAMAGE);
            awaitDone(pipeline);

            stop.set(true);
            writers.forEach(CompletableFuture::join);
            pipeline.requireEqual();
        }
    }

    /** What somebody may have done to the target. */
    private static final String DAMAGE =
            """
            SET session_replication_role = replica;
            DELETE FROM numbers WHERE id % 3 = 0;
            UPDATE numbers SET note = 'wrong', long = 'wrong' WHERE id % 7 = 1;
            INSERT INTO numbers SELECT -g, 0, 'phantom', NULL FROM generate_series(1, 50) g;
            UPDATE texts SET n = -1 WHERE n % 5 = 0;
            INSERT INTO texts SELECT 'ö phantom ' || g, g FROM generate_series(1, 50) g;
            DELETE FROM uuids;
            DELETE FROM pairs WHERE a % 2 = 0;
            INSERT INTO decimals SELECT g + 0.125, 0 FROM generate_series(1, 50) g ON CONFLICT DO NOTHING;
            UPDATE handed SET place = NULL;
            UPDATE handed SET place = 100000 - id;
            INSERT INTO handed SELECT 50000 + g, g FROM generate_series(1, 300) g;
            DELETE FROM children WHERE id % 2 = 0;
            UPDATE children SET parent = 1 WHERE id % 3 = 0;
            DELETE FROM parents WHERE id % 4 = 0;
            UPDATE parts SET n = -1 WHERE id % 3 = 0;
            DELETE FROM bags WHERE a < 50;
            INSERT INTO bags VALUES (1, 'phantom'), (1, 'phantom');
            INSERT INTO empties VALUES (-1, -1);
            INSERT INTO emptied SELECT -g, -1 FROM generate_series(1, 50) g;
            """;

    private List<CompletableFuture<Void>> writers(InProcessPipeline pipeline, AtomicBoolean stop) throws SQLException {
        List<CompletableFuture<Void>> writers = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            Connection connection = pipeline.source().server().connect(pipeline.source().name());
            writers.add(CompletableFuture.runAsync(RereadTables.writer(connection, ROWS, seed + i, stop)));
        }
        return writers;
    }

    /** @param before done in the same transaction of the target */
    private static void request(InProcessPipeline pipeline, String kind, String before) throws SQLException {
        RereadStore store = new RereadStore(pipeline.config().nameInTarget(pipeline.config().lanes().get(0)));
        try (Connection target = pipeline.target().server().connect(pipeline.target().name())) {
            RereadStore.createTables(target);
            target.setAutoCommit(false);
            target.createStatement().execute(before);
            for (TableId table : RereadTables.ALL) {
                store.request(target, table, kind, "", SMALL_RANGES);
            }
            target.commit();
        }
    }

    private static void awaitDone(InProcessPipeline pipeline) {
        pipeline.await("all tables are read", () -> pipeline.target()
                .ask("SELECT count(*) FROM sluice.reread WHERE state <> 'done'")
                .equals("0"));
    }
}
