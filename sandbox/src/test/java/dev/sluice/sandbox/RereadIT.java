package dev.sluice.sandbox;

import dev.sluice.config.TableMapping;
import java.sql.Connection;
import java.sql.SQLException;
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
            awaitDone(pipeline);

            RereadTables.request(pipeline.config(), "resync", RereadTables.DAMAGE);
            awaitDone(pipeline);

            stop.set(true);
            writers.forEach(CompletableFuture::join);
            pipeline.requireEqual();
        }
    }

    private List<CompletableFuture<Void>> writers(InProcessPipeline pipeline, AtomicBoolean stop) throws SQLException {
        List<CompletableFuture<Void>> writers = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            Connection connection = pipeline.source().server().connect(pipeline.source().name());
            writers.add(CompletableFuture.runAsync(RereadTables.writer(connection, ROWS, seed + i, stop)));
        }
        return writers;
    }

    private static void awaitDone(InProcessPipeline pipeline) {
        pipeline.await("all tables are read", () -> pipeline.target()
                .ask("SELECT count(*) FROM sluice.reread WHERE state <> 'done'")
                .equals("0"));
    }
}
