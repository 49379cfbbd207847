package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** A storm of rows that the target refuses: in one large transaction and in many small ones, by a process with little memory. */
@ExtendWith(ChildLogs.class)
class DeadLetterStormIT {
    private static final int LETTERS = Intensity.of("sluice.storm", 4_000, 100_000);
    private static final Duration PATIENCE = Duration.ofMinutes(10);

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
    void memoryStaysBounded() {
        try (Pipeline pipeline = Pipeline.on(servers, "storm")
                .kafka("maxRecordBytes: 1MB")
                .settings("apply: {deadLettersPerMinute: 10000000}")
                .jvm(process -> process.equals("apply")
                        ? List.of("-Xmx64m", "-XX:+ExitOnOutOfMemoryError", "-XX:+UseSerialGC")
                        : Pipeline.QUICK_JVM)
                .carrying("item")) {
            pipeline.onBoth("CREATE TABLE item (id int PRIMARY KEY, count int, note text)");
            pipeline.onTarget("ALTER TABLE item ADD CONSTRAINT not_negative CHECK (count >= 0)");
            pipeline.startCapture();
            pipeline.awaitStreaming();
            int half = LETTERS / 2;
            pipeline.onSource("INSERT INTO item SELECT n, -1, repeat('x', 100) FROM generate_series(1, %d) AS n".formatted(half));
            for (int from = half; from < LETTERS; from += 50) {
                pipeline.onSource("INSERT INTO item SELECT n, CASE WHEN n %% 50 = 0 THEN 1 ELSE -1 END, 'y' FROM generate_series(%d, %d) AS n"
                        .formatted(from + 1, Math.min(LETTERS, from + 50)));
            }
            long began = System.nanoTime();
            Child apply = pipeline.startApply();
            pipeline.awaitCaughtUp(PATIENCE);
            System.out.printf("%d letters in %d s, peak of the process %d MiB%n",
                    LETTERS, Duration.ofNanos(System.nanoTime() - began).toSeconds(), apply.peakMebibytes());
            assertThat(pipeline.askTarget("SELECT count(*) FROM sluice.dead_letter WHERE state = 'open'"))
                    .isEqualTo(pipeline.askSource("SELECT count(*) FROM item WHERE count < 0"));

            apply.kill(); // the next one reads what is parked
            pipeline.onTarget("ALTER TABLE item DROP CONSTRAINT not_negative");
            Child next = pipeline.startApply();
            pipeline.onTarget(
                    """
                    WITH run AS (INSERT INTO sluice.audit (who, lane, action) VALUES ('test', 'storm.main', 'replay') RETURNING id)
                    UPDATE sluice.dead_letter SET is_requested = true, replay_run = run.id FROM run""");
            began = System.nanoTime();
            Await.until("all are replayed", PATIENCE, () -> pipeline.askTarget(
                            "SELECT count(*) FROM sluice.dead_letter WHERE state <> 'replayed'")
                    .equals("0"));
            System.out.printf("replayed in %d s, peak of the process %d MiB%n",
                    Duration.ofNanos(System.nanoTime() - began).toSeconds(), next.peakMebibytes());
            pipeline.assertEqual();
        }
    }
}
