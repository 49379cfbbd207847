package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.schemas.Stop;
import java.time.Duration;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** The set of tables changes, and with it the numbering, while records of the old numbering are still about. */
@ExtendWith(ChildLogs.class)
class EpochIT {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final String ADDED = "added";

    private static ThreeServers servers;

    private final long seed = Seed.of(EpochIT.class);

    @BeforeAll
    static void takeServers() {
        servers = SharedServers.take();
    }

    @AfterAll
    static void emptyServers() {
        SharedServers.empty();
    }

    @Test
    void aTableComesAndGoesOverDeathsOfCaptureAndNoEventIsLostOrDoubled() {
        try (Pipeline pipeline = pipeline("added_then_removed")) {
            Child capture = pipeline.startCapture();
            Child apply = pipeline.startApply();
            pipeline.awaitStreaming();
            try (Events events = Events.write(pipeline, seed, 2, 200)) {
                awaitBeyondCheckpoint(pipeline);
                capture.kill();
                stop(apply);

                addTable(pipeline);
                insert(pipeline, "while capture is down");
                capture = pipeline.startCapture();
                apply = pipeline.startApply();
                pipeline.awaitStreaming();
                insert(pipeline, "while capture streams");
                awaitAdded(pipeline, 2);
                awaitBeyondCheckpoint(pipeline);
                capture.kill();
                stop(apply);

                pipeline.configure(Events.TABLE);
                pipeline.startCapture();
                pipeline.startApply();
                pipeline.awaitStreaming();
                insert(pipeline, "no longer carried");
                pipeline.onSource("ALTER PUBLICATION sluice_added_then_removed_main DROP TABLE added");
                awaitBeyondCheckpoint(pipeline);
            }
            pipeline.awaitCaughtUp();

            pipeline.assertEqual();
            Events.assertEachWasAppliedOnce(pipeline);
            awaitAdded(pipeline, 2);
        }
    }

    @Test
    void anApplierThatWasAwayFollowsThroughEveryEpochIfItKnowsTheirTables() {
        try (Pipeline pipeline = pipeline("away")) {
            Child capture = pipeline.startCapture();
            Child apply = pipeline.startApply();
            pipeline.awaitStreaming();
            try (Events events = Events.write(pipeline, seed, 2, 200)) {
                awaitBeyondCheckpoint(pipeline);
                stop(apply);

                // an epoch that begins before where the target is, and ends with a checkpoint
                awaitWritten(events, 300);
                capture.kill();
                addTable(pipeline);
                capture = pipeline.startCapture();
                pipeline.awaitStreaming();
                insert(pipeline, "in the second epoch");
                Await.until("the row is captured", PATIENCE, () -> pipeline.published(ADDED) > 0);
                stop(capture);

                // an epoch that begins beyond where the target is
                pipeline.configure(Events.TABLE);
                pipeline.startCapture();
                pipeline.awaitStreaming();
                awaitWritten(events, 300);

                Child ignorant = pipeline.startApply();
                assertThat(ignorant.awaitExit(PATIENCE)).isEqualTo(Stop.SETUP.exitCode());
                assertThat(ignorant.log()).contains("public.added");

                pipeline.configure(Events.TABLE, ADDED);
                pipeline.startApply();
                awaitAdded(pipeline, 1);
            }
            pipeline.awaitCaughtUp();

            pipeline.assertEqual();
            Events.assertEachWasAppliedOnce(pipeline);
        }
    }

    /** So long between checkpoints that a capture which is killed leaves everything since its start behind its last one. */
    private static Pipeline pipeline(String name) {
        Pipeline pipeline = Pipeline.on(servers, name)
                .settings("capture: {checkpointInterval: 1m}")
                .carrying(Events.TABLE);
        Events.createTables(pipeline);
        pipeline.onBoth("CREATE TABLE added (v text PRIMARY KEY)");
        return pipeline;
    }

    /** Apply knows the table before capture carries it: what is read then would miss what is written until capture does. */
    @Test
    void aTableThatComesWithRowsIsReadOnceItIsCarried() {
        String name = "added_with_rows";
        String create = "CREATE TABLE %s (id integer PRIMARY KEY, n integer);";
        try (Pipeline pipeline = Pipeline.on(servers, name).backfilling().carrying("first")) {
            pipeline.onBoth(create.formatted("first") + create.formatted("second"));
            pipeline.onSource("INSERT INTO first VALUES (1, 1); INSERT INTO second SELECT g, g FROM generate_series(1, 500) g");
            Child capture = pipeline.startCapture();
            Child apply = pipeline.startApply();
            pipeline.awaitStreaming();
            pipeline.awaitCaughtUp();
            stop(apply);

            pipeline.configure("first", "second");
            pipeline.startApply();
            Await.until("apply wants to read the table", PATIENCE, () -> pipeline.askTarget(
                            "SELECT count(*) FROM sluice.reread WHERE source_table = 'second'")
                    .equals("1"));
            pipeline.onSource("UPDATE second SET n = -1 WHERE id < 100; DELETE FROM second WHERE id > 400");
            stop(capture);
            pipeline.onSource("INSERT INTO second SELECT g, g FROM generate_series(1001, 1100) g");
            pipeline.startCapture();
            pipeline.onSource("INSERT INTO second SELECT g, g FROM generate_series(2001, 2100) g");
            Await.until("the table is read", PATIENCE, () -> pipeline.askTarget(
                            "SELECT count(*) FROM sluice.reread WHERE state <> 'done'")
                    .equals("0"));

            pipeline.awaitCaughtUp();
            pipeline.assertEqual();
        }
    }

    private static void addTable(Pipeline pipeline) {
        pipeline.onSource("ALTER PUBLICATION sluice_%s_main ADD TABLE added".formatted(pipeline.config().name()));
        pipeline.configure(Events.TABLE, ADDED);
    }

    private static void insert(Pipeline pipeline, String value) {
        pipeline.onSource("INSERT INTO added VALUES ('%s')".formatted(value));
    }

    private static void awaitAdded(Pipeline pipeline, int rows) {
        Await.until("the target has %d rows of the table that was added".formatted(rows), PATIENCE, () ->
                pipeline.askTarget("SELECT count(*) FROM added").equals(Integer.toString(rows)));
    }

    /** Waits until the target has events that the last checkpoint does not know of. */
    private static void awaitBeyondCheckpoint(Pipeline pipeline) {
        long before = Events.applications(pipeline);
        Await.until("events beyond the checkpoint are applied", PATIENCE, () ->
                Events.applications(pipeline) > before + 200
                        && pipeline.applied().compareTo(pipeline.checkpoint().position()) > 0);
    }

    private static void awaitWritten(Events events, int count) {
        long before = events.written();
        Await.until("%d more events are written".formatted(count), PATIENCE, () -> events.written() >= before + count);
    }

    private static void stop(Child child) {
        child.terminate();
        assertThat(child.awaitExit(PATIENCE)).as("exit code of " + child.name()).isZero();
    }
}
