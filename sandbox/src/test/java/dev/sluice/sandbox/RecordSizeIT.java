package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.common.config.ConfigResource;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * A change above {@code kafka.maxRecordBytes}, above what its topic takes, or above what the server can send stops capture
 * with all that a person needs, and nothing is lost.
 */
class RecordSizeIT {
    private static ThreeServers servers;

    @BeforeAll
    static void start() {
        servers = ThreeServers.start();
    }

    @AfterAll
    static void stop() {
        servers.close();
    }

    @Test
    void aChangeThatIsTooLargeIsNamedAndGoesOnOnceItFits() {
        TestDatabase source = TestDatabase.create(servers.source(), "large");
        TestDatabase target = TestDatabase.create(servers.target(), "large");
        for (TestDatabase side : List.of(source, target)) {
            side.execute("CREATE TABLE paper (no int, year int, scan bytea, title text, PRIMARY KEY (year, no))");
        }
        PipelineConfig config = servers.config(
                "large", source.config("source"), target.config("target"),
                List.of(TableMapping.identity(new TableId("public", "paper"), ThreeServers.LANE)));
        try (InProcessPipeline large = new InProcessPipeline(TypesIT.withRecordsUpTo(config, 64 << 10), source, target)) {
            large.start();
            large.awaitApplied();
            source.execute("INSERT INTO paper VALUES (1, 2026, decode(repeat('abcd', 10000), 'hex'), 'small')");
            large.requireEqual();
            source.execute("INSERT INTO paper VALUES (2, 2026, decode(repeat('abcd', 50000), 'hex'), 'secret title')");

            Failure.Fatal failure = large.captureFailure();

            assertThat(failure).hasMessageContainingAll("public.paper", "\"no\":2", "kafka.maxRecordBytes=65536", "column 'scan' 200002")
                    .hasMessageNotContaining("secret").hasMessageNotContaining("abcd");
            assertThat(failure.remedy()).contains("kafka.maxRecordBytes", "max.message.bytes", "large.public.paper");

            allowRecords("large.", 1 << 20);
            large.startCapture(TypesIT.withRecordsUpTo(config, 1 << 20));
            large.requireEqual();
            large.stop();
        }
    }

    @Test
    void aChangeThatIsLargerThanTheHeapIsNamedBeforeItIsRead() {
        try (Pipeline small = Pipeline.on(servers, "heap")
                .jvm(process -> List.of("-Xmx64m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError"))
                .kafka("maxRecordBytes: 1MB")
                .carrying("paper")) {
            small.onBoth("CREATE TABLE paper (no int, year int, scan text, PRIMARY KEY (year, no))");
            Child capture = small.startCapture();
            small.startApply();
            small.awaitStreaming();
            small.onSource("INSERT INTO paper VALUES (1, 2026, 'small')");
            small.awaitCaughtUp();
            small.assertEqual();

            small.onSource("INSERT INTO paper SELECT 2, 2026, repeat('secret', 50000000)");

            assertThat(capture.awaitExit(Duration.ofSeconds(60))).isEqualTo(Stop.SETUP.exitCode());
            assertThat(capture.log())
                    .contains("a change of public.paper, key {\"no\":2,\"year\":2026}, is larger than kafka.maxRecordBytes=1048576",
                            "column 'scan' 300000000")
                    .doesNotContain("secretsecret");
        }
    }

    @Test
    void aLimitThatTheHeapHasNoRoomForIsRefusedAtTheStart() {
        try (Pipeline small = Pipeline.on(servers, "roomless")
                .jvm(process -> List.of("-Xmx64m", "-XX:+UseSerialGC"))
                .kafka("maxRecordBytes: 32MB")
                .carrying("paper")) {
            for (Child process : List.of(small.startCapture(), small.startApply())) {
                assertThat(process.awaitExit(Duration.ofSeconds(60))).isEqualTo(Stop.SETUP.exitCode());
                assertThat(process.log()).contains("kafka.maxRecordBytes=33554432", "-Xmx");
            }
        }
    }

    @Test
    void everyKindOfChangeIsNamed() {
        TestDatabase source = TestDatabase.create(servers.source(), "kinds");
        TestDatabase target = TestDatabase.create(servers.target(), "kinds");
        for (TestDatabase side : List.of(source, target)) {
            side.execute(
                    """
                    CREATE TABLE paper (no int PRIMARY KEY, scan text);
                    ALTER TABLE paper REPLICA IDENTITY FULL;
                    CREATE TABLE odd (no text PRIMARY KEY, gone int, scan text);
                    ALTER TABLE odd DROP COLUMN gone""");
        }
        PipelineConfig config = servers.config(
                "kinds", source.config("source"), target.config("target"),
                List.of(TableMapping.identity(new TableId("public", "paper"), ThreeServers.LANE),
                        TableMapping.identity(new TableId("public", "odd"), ThreeServers.LANE)));
        PipelineConfig narrow = TypesIT.withRecordsUpTo(config, 64 << 10);
        PipelineConfig wide = TypesIT.withRecordsUpTo(config, 4 << 20);
        try (InProcessPipeline kinds = new InProcessPipeline(wide, source, target)) {
            kinds.start();
            kinds.awaitApplied();
            requireRefused(kinds, narrow, wide, "INSERT INTO paper VALUES (1, repeat('s', 100000))", "key {\"no\":1}", "'scan' 100000");
            requireRefused(kinds, narrow, wide, "UPDATE paper SET scan = scan || 's' WHERE no = 1", "key {\"no\":1}", "'scan' 200001");
            requireRefused(kinds, narrow, wide, "DELETE FROM paper WHERE no = 1", "key {\"no\":1}", "'scan' 100001");
            requireRefused(kinds, narrow, wide, "INSERT INTO odd VALUES ('a', repeat('s', 100000))", "key {\"no\":\"a\"}", "'scan' 100000");
            requireRefused(kinds, narrow, wide, "UPDATE odd SET no = 'b', scan = scan || 's'", "key {\"no\":\"b\"}", "'scan' 100001");
            // as JSON it is six times as long as in the stream
            requireRefused(kinds, narrow, wide, "INSERT INTO odd VALUES ('c', repeat(chr(1), 30000))", "key {\"no\":\"c\"}", "'scan' 30000");
            requireRefused(kinds, narrow, wide, "SELECT pg_logical_emit_message(true, 'theirs', repeat('s', 100000))",
                    "a logical message with the prefix 'theirs'");
        }
    }

    /** It ends capture while records may not be so large, and passes when they may. */
    private static void requireRefused(
            InProcessPipeline pipeline, PipelineConfig narrow, PipelineConfig wide, String sql, String... said) {
        pipeline.stopCapture();
        pipeline.source().execute(sql);
        pipeline.startCapture(narrow);
        assertThat(pipeline.captureFailure()).hasMessageContainingAll(said).hasMessageContaining("kafka.maxRecordBytes=65536")
                .hasMessageNotContaining("ssss");
        pipeline.startCapture(wide);
        pipeline.requireEqual();
    }

    @Test
    void aChangeThatOnlyTheBrokerRefusesIsNamedToo() {
        TestDatabase source = TestDatabase.create(servers.source(), "lowered");
        TestDatabase target = TestDatabase.create(servers.target(), "lowered");
        for (TestDatabase side : List.of(source, target)) {
            side.execute("CREATE TABLE paper (no int, year int, scan text, PRIMARY KEY (year, no))");
        }
        PipelineConfig config = servers.config(
                "lowered", source.config("source"), target.config("target"),
                List.of(TableMapping.identity(new TableId("public", "paper"), ThreeServers.LANE)));
        try (InProcessPipeline lowered = new InProcessPipeline(config, source, target)) {
            lowered.start();
            lowered.awaitApplied();
            allowRecords("lowered.", 20_000);
            source.execute("INSERT INTO paper VALUES (1, 2026, 'small'), (3, 2026, 'small'); INSERT INTO paper"
                    + " SELECT 2, 2026, 'secret' || string_agg(md5(n::text), '') FROM generate_series(1, 3000) AS n");

            Failure.Fatal failure = lowered.captureFailure();

            assertThat(failure).hasMessageContainingAll("lowered.public.paper", "\"no\":2", "max.message.bytes")
                    .hasMessageNotContaining("secret");
            assertThat(failure.remedy()).contains("max.message.bytes of topic lowered.public.paper");

            allowRecords("lowered.", config.kafka().maxRecordBytes());
            lowered.startCapture();
            lowered.requireEqual();
            lowered.stop();
        }
    }

    @Test
    void aValueThatTheServerCannotSendEndsCaptureAtOnce() {
        TestDatabase source = TestDatabase.create(servers.source(), "unprintable");
        TestDatabase target = TestDatabase.create(servers.target(), "unprintable");
        for (TestDatabase side : List.of(source, target)) {
            side.execute("CREATE TABLE paper (no int PRIMARY KEY, scan bytea)");
        }
        PipelineConfig config = servers.config(
                "unprintable", source.config("source"), target.config("target"),
                List.of(TableMapping.identity(new TableId("public", "paper"), ThreeServers.LANE)));
        try (InProcessPipeline unprintable = new InProcessPipeline(config, source, target)) {
            unprintable.start();
            unprintable.awaitApplied();
            source.execute("INSERT INTO paper SELECT 1, convert_to(repeat('x', 537000000), 'UTF8')");

            Failure.Fatal failure = unprintable.captureFailure();

            assertThat(failure.stop()).isEqualTo(Stop.HOLE);
            assertThat(failure).hasMessageContainingAll(
                    "invalid memory alloc request size", "slot \"sluice_unprintable_main\"", "associated LSN", "bytea");
            assertThat(failure.remedy()).contains("shorter", "anew");
            unprintable.stopApply();
        }
    }

    private static void allowRecords(String topicPrefix, int bytes) {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", servers.kafka().bootstrapServers()))) {
            AlterConfigOp allow = new AlterConfigOp(
                    new ConfigEntry("max.message.bytes", Integer.toString(bytes)), AlterConfigOp.OpType.SET);
            Map<ConfigResource, Collection<AlterConfigOp>> changes = new HashMap<>();
            for (String topic : admin.listTopics().names().get()) {
                if (topic.startsWith(topicPrefix)) {
                    changes.put(new ConfigResource(ConfigResource.Type.TOPIC, topic), List.of(allow));
                }
            }
            admin.incrementalAlterConfigs(changes).all().get();
        } catch (InterruptedException | ExecutionException e) {
            throw new IllegalStateException(e);
        }
    }
}
