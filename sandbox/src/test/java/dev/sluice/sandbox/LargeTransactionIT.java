package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** One transaction that no process could hold in memory. */
@ExtendWith(ChildLogs.class)
class LargeTransactionIT {
    private static final int ROWS = 1_000_000;
    private static final Duration PATIENCE = Duration.ofMinutes(3);
    private static final Duration DRAIN = Duration.ofSeconds(10);

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
    void aMillionRowsPassThrough256MebibytesAlsoWhenBothProcessesAreStoppedInTheMiddle() {
        try (Pipeline pipeline = Pipeline.on(servers, "large").jvm(process -> List.of("-Xmx256m")).carrying("narrow")) {
            pipeline.onBoth("CREATE TABLE narrow (id int PRIMARY KEY, n int NOT NULL)");
            Child capture = pipeline.startCapture();
            Child apply = pipeline.startApply();
            pipeline.awaitStreaming();
            pipeline.onSource("INSERT INTO narrow SELECT n, n %% 1000 FROM generate_series(1, %d) AS n".formatted(ROWS));

            // pages of rows that nobody sees yet
            Await.until("the target has the first rows", PATIENCE, () ->
                    Long.parseLong(pipeline.askTarget("SELECT pg_relation_size('narrow')")) > 1 << 20);
            assertThat(pipeline.published("narrow")).as("records published").isLessThan(ROWS);
            stopBoth(capture, apply);
            assertThat(pipeline.askTarget("SELECT count(*) FROM narrow")).isEqualTo("0");

            Instant began = Instant.now();
            Child nextCapture = pipeline.startCapture();
            Child nextApply = pipeline.startApply();
            pipeline.awaitCaughtUp(PATIENCE);
            System.out.printf("large: %d rows in %d s from the start of both; peak of capture %d MiB, of apply %d MiB%n",
                    ROWS, Duration.between(began, Instant.now()).toSeconds(),
                    nextCapture.peakMebibytes(), nextApply.peakMebibytes());
            pipeline.assertEqual();
        }
    }

    private static void stopBoth(Child capture, Child apply) {
        Instant asked = Instant.now();
        capture.terminate();
        apply.terminate();
        assertThat(capture.awaitExit(DRAIN)).as("exit code of capture").isZero();
        assertThat(apply.awaitExit(DRAIN.minus(Duration.between(asked, Instant.now())))).as("exit code of apply").isZero();
    }
}
