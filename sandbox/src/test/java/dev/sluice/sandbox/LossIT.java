package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.StringReader;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.PGConnection;

/**
 * What Debezium 3.6 loses with offsets of its own: rows of a statement that was cut in the middle, and the beginning of
 * a transaction that was open while another one ended and capture was restarted.
 */
@ExtendWith(ChildLogs.class)
class LossIT {
    private static final Duration PATIENCE = Duration.ofSeconds(90);
    private static final int ROWS = 20;
    private static final int CUT_AFTER = 9;

    private static KafkaServer kafka;

    @BeforeAll
    static void startKafka() {
        kafka = Servers.kafka();
    }

    @AfterAll
    static void stopKafka() {
        kafka.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"15", "16", "17", "18"})
    void neitherACutStatementNorAnOpenTransactionLosesARowOverARestart(String version) throws Exception {
        try (PostgresServer server = Servers.postgres(version);
                Pipeline pipeline = Pipeline.on(new ThreeServers(server, server, kafka), "loss_" + version)
                        // one at the start of each stream, so the records can be counted
                        .settings("capture: {heartbeatInterval: 10m}")
                        .carrying("copied", "inserted", "interleaved")) {
            for (String table : new String[] {"copied", "inserted", "interleaved"}) {
                pipeline.onBoth("CREATE TABLE %s (id int PRIMARY KEY, v text)".formatted(table));
            }
            pipeline.startApply();

            // the start of the epoch, a heartbeat, and the first rows
            Child first = pipeline.startCapture("capture.after-produce:" + (2 + CUT_AFTER));
            pipeline.awaitStreaming();
            copy(pipeline);
            assertThat(first.awaitExit(PATIENCE)).isEqualTo(Child.KILLED);
            assertThat(pipeline.askTarget("SELECT count(*) FROM copied")).as("rows of a statement cut in two").isEqualTo("0");

            // the rows again, a heartbeat, and the first rows of the next table
            Child second = pipeline.startCapture("capture.after-produce:" + (ROWS + 1 + CUT_AFTER));
            pipeline.awaitStreaming();
            pipeline.onSource("INSERT INTO inserted VALUES " + rows("(%d, 'row %d')", ", "));
            assertThat(second.awaitExit(PATIENCE)).isEqualTo(Child.KILLED);
            assertThat(pipeline.askTarget("SELECT count(*) FROM inserted")).as("rows of a statement cut in two").isEqualTo("0");

            Child third = pipeline.startCapture();
            pipeline.awaitStreaming();
            interleave(pipeline, third);
            pipeline.awaitCaughtUp();

            pipeline.assertEqual();
            assertThat(pipeline.askTarget(
                            "SELECT (SELECT count(*) FROM copied) || ', ' || (SELECT count(*) FROM inserted) || ', '"
                                    + " || (SELECT count(*) FROM interleaved)"))
                    .isEqualTo("20, 20, 13");
        }
    }

    /** COPY writes many rows under one WAL position. */
    private static void copy(Pipeline pipeline) throws SQLException, IOException {
        try (Connection source = pipeline.connectSource()) {
            source.unwrap(PGConnection.class)
                    .getCopyAPI()
                    .copyIn("COPY copied FROM STDIN", new StringReader(rows("%d\trow %d\n", "")));
        }
    }

    private static String rows(String format, String between) {
        return IntStream.rangeClosed(1, ROWS).mapToObj(n -> format.formatted(n, n)).collect(Collectors.joining(between));
    }

    /** A long transaction begins, a short one comes and goes, capture is restarted in order, the long one ends. */
    private static void interleave(Pipeline pipeline, Child capture) throws SQLException {
        try (Connection source = pipeline.connectSource();
                Statement statement = source.createStatement()) {
            source.setAutoCommit(false);
            for (int id = 1; id <= 6; id++) {
                statement.execute("INSERT INTO interleaved VALUES (%d, 'before')".formatted(id));
            }
            pipeline.onSource("INSERT INTO interleaved VALUES (100, 'short')");
            pipeline.awaitCaughtUp();
            assertThat(pipeline.askTarget("SELECT string_agg(id::text, ', ') FROM interleaved")).isEqualTo("100");

            capture.terminate();
            assertThat(capture.awaitExit(PATIENCE)).isZero();
            pipeline.startCapture();
            pipeline.awaitStreaming();
            for (int id = 7; id <= 12; id++) {
                statement.execute("INSERT INTO interleaved VALUES (%d, 'after')".formatted(id));
            }
            source.commit();
        }
    }
}
