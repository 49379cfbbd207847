package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.config.KafkaClients;
import dev.sluice.schemas.Checkpoint;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Two captures and two appliers on one lane. */
@ExtendWith(ChildLogs.class)
class StandbyIT {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final Duration TAKE_OVER = Duration.ofSeconds(10);
    private static final Duration PAUSE = Duration.ofSeconds(60);
    private static final String STANDING_BY = "standing by";
    private static final String TAKING_OVER = "taking over";

    private static ThreeServers servers;

    private final long seed = Seed.of(StandbyIT.class);

    @BeforeAll
    static void startServers() {
        servers = ThreeServers.start();
    }

    @AfterAll
    static void stopServers() {
        servers.close();
    }

    @Test
    void theSecondStandsByAndTakesOverWithinTenSecondsOfTheFirstOnesDeath() {
        try (Pipeline pipeline = Pipeline.on(servers, "taken").carrying(Events.TABLE)) {
            Events.createTables(pipeline);
            Pair captures = new Pair(pipeline.startCapture(), pipeline.startCapture());
            Pair appliers = new Pair(pipeline.startApply(), pipeline.startApply());
            pipeline.awaitStreaming();

            try (Events events = Events.write(pipeline, seed, 2, 100)) {
                awaitSomeMore(pipeline);
                captures.sort();
                appliers.sort();
                Duration captureTook = takeOver(pipeline, captures);
                Duration applyTook = takeOver(pipeline, appliers);
                System.out.printf("taken: over by capture in %d ms, by apply in %d ms%n",
                        captureTook.toMillis(), applyTook.toMillis());
                assertThat(captureTook).isLessThan(TAKE_OVER);
                assertThat(applyTook).isLessThan(TAKE_OVER);
            }

            pipeline.awaitCaughtUp();
            pipeline.assertEqual();
            Events.assertEachWasAppliedOnce(pipeline);
        }
    }

    /** How long after the death of the active one an event that was committed later is in the target. */
    private static Duration takeOver(Pipeline pipeline, Pair pair) {
        pair.standby.listen();
        pair.active.kill();
        Instant death = Instant.now();
        String id = pipeline.askSource("INSERT INTO events (payload) VALUES ('after the death') RETURNING id");
        pair.standby.awaitLog(TAKING_OVER, PATIENCE);
        Await.until("event %s is in the target".formatted(id), PATIENCE, () ->
                pipeline.askTarget("SELECT count(*) FROM events WHERE id = " + id).equals("1"));
        return Duration.between(death, Instant.now());
    }

    @Test
    void aWriterThatWasPausedForAMinuteIsReplacedAndCommitsNothingWhenItGoesOn() throws Exception {
        try (Pipeline pipeline = Pipeline.on(servers, "paused").carrying(Events.TABLE)) {
            Events.createTables(pipeline);
            // the server gives up a silent capture after this; its default is the very minute of the pause
            pipeline.onSource("ALTER ROLE %s SET wal_sender_timeout = '10s'".formatted(PostgresServer.USER));
            Pair captures = new Pair(pipeline.startCapture(), pipeline.startCapture());
            Pair appliers = new Pair(pipeline.startApply(), pipeline.startApply());
            pipeline.awaitStreaming();

            try (Events events = Events.write(pipeline, seed, 2, 100)) {
                awaitSomeMore(pipeline);
                captures.sort();
                appliers.sort();
                captures.standby.listen();
                appliers.standby.listen();
                String writer = pauseInTransaction(pipeline, captures.active, appliers.active);
                String pausedAt = pipeline.askTarget("SELECT clock_timestamp()");
                Instant pauseEnds = Instant.now().plus(PAUSE);

                appliers.standby.awaitLog(TAKING_OVER, PATIENCE);
                captures.standby.awaitLog(TAKING_OVER, PATIENCE);
                awaitSomeMore(pipeline);
                Await.until("a minute has passed", PAUSE.plusSeconds(1), () -> Instant.now().isAfter(pauseEnds));

                captures.active.listen();
                appliers.active.listen();
                captures.active.resume();
                appliers.active.resume();
                captures.active.awaitLog(STANDING_BY, PATIENCE);
                appliers.active.awaitLog(STANDING_BY, PATIENCE);
                awaitSomeMore(pipeline);
                assertThat(pipeline.askTarget(
                                "SELECT count(*) FROM audit WHERE writer = %s AND applied_at >= '%s'"
                                        .formatted(writer, pausedAt)))
                        .as("events written by the old writer")
                        .isEqualTo("0");
            } finally {
                pipeline.onSource("ALTER ROLE %s RESET wal_sender_timeout".formatted(PostgresServer.USER));
            }

            pipeline.awaitCaughtUp();
            pipeline.assertEqual();
            Events.assertEachWasAppliedOnce(pipeline);
            assertThat(checkpoints(pipeline)).isSortedAccordingTo((one, other) -> Long.compare(one.seq(), other.seq()));
        }
    }

    /**
     * Stops the applier between the first row of a transaction and its commit, and capture wherever it is.
     *
     * @return the server process that writes for this applier
     */
    private static String pauseInTransaction(Pipeline pipeline, Child capture, Child apply) throws SQLException {
        String waiting = "SELECT coalesce(min(pid), 0) FROM pg_locks WHERE NOT granted";
        try (Connection target = pipeline.connectTarget();
                Statement statement = target.createStatement()) {
            target.setAutoCommit(false);
            statement.execute("LOCK TABLE audit IN SHARE MODE");
            Await.until("the applier waits for the lock", PATIENCE, () -> !pipeline.askTarget(waiting).equals("0"));
            String writer = pipeline.askTarget(waiting);
            apply.pause();
            capture.pause();
            target.rollback();
            return writer;
        }
    }

    private static void awaitSomeMore(Pipeline pipeline) {
        long before = Events.applications(pipeline);
        Await.until("200 more events are applied", PATIENCE, () -> Events.applications(pipeline) >= before + 200);
    }

    /** Two that want the same; who has it shows after a while, and may change before the lane's topics are there. */
    private static final class Pair {
        private Child active;
        private Child standby;

        Pair(Child one, Child other) {
            active = one;
            standby = other;
        }

        /** Waits until exactly one of them says that it stands by. */
        void sort() {
            Await.until("either %s or %s stands by".formatted(active.name(), standby.name()), PATIENCE, () ->
                    standsBy(active) != standsBy(standby));
            if (standsBy(active)) {
                Child first = active;
                active = standby;
                standby = first;
            }
        }

        private static boolean standsBy(Child child) {
            String log = child.log();
            return log.lastIndexOf(STANDING_BY) > log.lastIndexOf(TAKING_OVER);
        }
    }

    /** Every checkpoint that was committed, in the order of the topic. */
    private static List<Checkpoint> checkpoints(Pipeline pipeline) {
        Properties settings = KafkaClients.base(pipeline.config().kafka(), "test");
        settings.put("isolation.level", "read_committed");
        TopicPartition partition = new TopicPartition(pipeline.config().topics().checkpoint(), 0);
        List<Checkpoint> checkpoints = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer =
                new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            while (consumer.position(partition) < end) {
                for (ConsumerRecord<byte[], byte[]> found : consumer.poll(Duration.ofMillis(200))) {
                    checkpoints.add(Checkpoint.fromJson(found.value()));
                }
            }
        }
        return checkpoints;
    }
}
