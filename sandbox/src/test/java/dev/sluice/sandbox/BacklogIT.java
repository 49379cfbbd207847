package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Several times as much as the processes' heaps waits, in the source's log and in Kafka. */
@ExtendWith(ChildLogs.class)
class BacklogIT {
    private static final Duration PATIENCE = Duration.ofMinutes(3);
    private static final Duration DRAIN = Duration.ofSeconds(10);
    private static final int ROWS = 50_000;

    private static ThreeServers servers;

    @BeforeAll
    static void takeServers() {
        servers = SharedServers.take();
    }

    @AfterAll
    static void emptyServers() {
        SharedServers.empty();
    }

    @Test
    void aBacklogOfManyHeapsPassesAndAStopInTheMiddleDrainsWithinTenSeconds() {
        try (Pipeline pipeline = Pipeline.on(servers, "backlog")
                .jvm(process -> List.of("-Xmx128m"))
                .kafka("maxRecordBytes: 4MB")
                .carrying("early", "late")) {
            pipeline.onBoth("CREATE TABLE early (id int PRIMARY KEY, v text); CREATE TABLE late (id int PRIMARY KEY, v text)");
            stop(startAndAwaitStreaming(pipeline));
            // one after the other: while the first is due, everything of the second is far ahead
            write(pipeline, "early");
            write(pipeline, "late");

            Child capture = startAndAwaitStreaming(pipeline);
            Child apply = pipeline.startApply();
            Await.until("some of the backlog is applied", PATIENCE, () -> pipeline.appliedSeq() > ROWS / 2);
            assertThat(pipeline.appliedSeq()).as("records applied").isLessThan(2 * ROWS);
            stop(apply);
            Await.until("everything is in Kafka", PATIENCE, () -> pipeline.published("late") >= ROWS);
            stop(capture);

            capture = pipeline.startCapture();
            apply = pipeline.startApply();
            pipeline.awaitCaughtUp();
            System.out.printf("backlog: peak of capture %d MiB, of apply %d MiB%n",
                    capture.peakMebibytes(), apply.peakMebibytes());
            pipeline.assertEqual();
        }
    }

    private static Child startAndAwaitStreaming(Pipeline pipeline) {
        Child capture = pipeline.startCapture();
        pipeline.awaitStreaming();
        return capture;
    }

    /** 2 KiB a row, 200 MiB in both tables, in transactions of 1,000 rows. */
    private static void write(Pipeline pipeline, String table) {
        pipeline.onSource(
                """
                DO $$ BEGIN
                  FOR low IN 1..%d BY 1000 LOOP
                    INSERT INTO %s SELECT n, repeat(md5(n::text), 64) FROM generate_series(low, low + 999) AS n;
                    COMMIT;
                  END LOOP;
                END $$""".formatted(ROWS, table));
    }

    private static void stop(Child child) {
        Instant asked = Instant.now();
        child.terminate();
        assertThat(child.awaitExit(DRAIN)).as("exit code of " + child.name()).isZero();
        System.out.printf("%s ended %d ms after SIGTERM%n", child.name(), Duration.between(asked, Instant.now()).toMillis());
    }
}
