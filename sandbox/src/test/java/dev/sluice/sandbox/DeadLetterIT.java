package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.config.ApplyConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.preflight.Preflight;
import dev.sluice.schemas.DeadLetterHeaders;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Headers;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Rows that the target can never take are parked in order, everything else goes on, and a replay makes both sides equal. */
class DeadLetterIT {
    /** In no log. */
    private static final String CANARY = "canary-88213";

    private static final String TABLES =
            """
            CREATE TABLE shelf (id int PRIMARY KEY, name text);
            CREATE TABLE item (id int PRIMARY KEY, shelf_id int, name text, count int, photo text);
            CREATE TABLE note (line text);
            ALTER TABLE note REPLICA IDENTITY FULL;
            CREATE TABLE price (amount numeric PRIMARY KEY, tax int);
            CREATE TABLE man (id int PRIMARY KEY, wife_id int);
            CREATE TABLE wife (id int PRIMARY KEY, man_id int);
            ALTER TABLE item ALTER photo SET STORAGE EXTERNAL""";

    /** What the target forbids and the source does not. */
    private static final String RULES =
            """
            ALTER TABLE item ADD CONSTRAINT shelf_is_there FOREIGN KEY (shelf_id) REFERENCES shelf DEFERRABLE;
            ALTER TABLE item ADD CONSTRAINT not_negative CHECK (count >= 0);
            ALTER TABLE item ADD CONSTRAINT one_name UNIQUE (name);
            ALTER TABLE shelf ADD CONSTRAINT short_name CHECK (length(name) < 30);
            ALTER TABLE man ADD CONSTRAINT his_wife FOREIGN KEY (wife_id) REFERENCES wife DEFERRABLE;
            ALTER TABLE wife ADD CONSTRAINT her_man FOREIGN KEY (man_id) REFERENCES man DEFERRABLE;
            ALTER TABLE note ADD CONSTRAINT no_bang CHECK (line NOT LIKE '%!')""";

    private static final String NO_RULES =
            """
            ALTER TABLE item DROP CONSTRAINT IF EXISTS not_negative, DROP CONSTRAINT IF EXISTS one_name;
            ALTER TABLE shelf DROP CONSTRAINT IF EXISTS short_name;
            ALTER TABLE note DROP CONSTRAINT IF EXISTS no_bang""";

    private static ThreeServers servers;

    @RegisterExtension
    final LogWithout log = new LogWithout(CANARY);

    @BeforeAll
    static void startServers() {
        servers = ThreeServers.start();
    }

    @AfterAll
    static void stopServers() {
        servers.close();
    }

    // ---- which rows are parked

    @Test
    void aRowThatIsRefusedIsParkedAndItsTransactionGoesOn() {
        try (InProcessPipeline pipeline = running("parked")) {
            pipeline.source().execute("INSERT INTO shelf VALUES (1, 'a'); INSERT INTO item VALUES (1, 1, 'good', 1), (2, 1, '%s', -1), (3, 1, 'too', 2)"
                    .formatted(CANARY));
            pipeline.source().execute("INSERT INTO item VALUES (4, 1, 'after', 4)");
            pipeline.awaitApplied();

            assertThat(pipeline.target().ask("SELECT string_agg(id::text, ' ' ORDER BY id) FROM item")).isEqualTo("1 3 4");
            assertThat(Letters.of(pipeline)).containsExactly("item [2] upsert open check_violation not_negative");
            Letters.requireEqualAfterReplay(pipeline, NO_RULES);
        }
    }

    @Test
    void rowsThatReferToAParkedOneAreParkedToo() {
        try (InProcessPipeline pipeline = running("children")) {
            pipeline.source().execute("INSERT INTO shelf VALUES (1, 'a shelf with a name that is far too long'), (2, 'b');"
                    + " INSERT INTO item VALUES (1, 1, 'x', 1), (2, 2, 'y', 1)");
            pipeline.source().execute("INSERT INTO item VALUES (3, 1, 'z', 1)");
            pipeline.awaitApplied();

            assertThat(Letters.of(pipeline)).containsExactly(
                    "shelf [1] upsert open check_violation short_name",
                    "item [1] upsert open foreign_key_violation shelf_is_there",
                    "item [3] upsert open foreign_key_violation shelf_is_there");
            Letters.requireEqualAfterReplay(pipeline, NO_RULES);
        }
    }

    @Test
    void aUniqueValueThatTheTargetDoesNotHandOver() {
        try (InProcessPipeline pipeline = running("unique")) {
            pipeline.source().execute("INSERT INTO item VALUES (1, NULL, 'x', 1), (2, NULL, 'x', 1), (3, NULL, 'y', 1)");
            pipeline.source().execute("UPDATE item SET name = 'y' WHERE id = 1");
            pipeline.awaitApplied();

            assertThat(Letters.of(pipeline)).containsExactly(
                    "item [2] upsert open unique_violation one_name", "item [1] upsert open unique_violation one_name");
            Letters.requireEqualAfterReplay(pipeline, NO_RULES);
        }
    }

    // ---- later changes of the row

    @Test
    void aLaterWholeRowSupersedesAndAPartialOneWaitsBehind() {
        try (InProcessPipeline pipeline = running("later")) {
            pipeline.source().execute("INSERT INTO item SELECT n, NULL, 'item ' || n, 1, repeat(md5(n::text), 400) FROM generate_series(1, 4) AS n");
            pipeline.source().execute("UPDATE item SET count = -1 WHERE id IN (1, 2, 3)");
            pipeline.awaitApplied();
            pipeline.source().execute("UPDATE item SET name = 'behind' WHERE id = 1");
            pipeline.source().execute("UPDATE item SET name = 'whole', count = 5, photo = repeat('x', 9000) WHERE id = 2");
            pipeline.source().execute("DELETE FROM item WHERE id = 3");
            pipeline.source().execute("UPDATE item SET count = -4, photo = 'short' WHERE id = 4");
            pipeline.source().execute("UPDATE item SET count = -5, photo = 'shorter' WHERE id = 4");
            pipeline.awaitApplied();

            assertThat(Letters.of(pipeline)).containsExactly(
                    "item [1] patch open check_violation not_negative",
                    "item [2] patch superseded check_violation not_negative",
                    "item [3] patch superseded check_violation not_negative",
                    "item [1] patch behind behind null",
                    "item [4] upsert superseded check_violation not_negative",
                    "item [4] upsert open check_violation not_negative");
            assertThat(pipeline.target().ask("SELECT string_agg(id || name || count, ' ' ORDER BY id) FROM item"))
                    .isEqualTo("1item 11 2whole5 4item 41");
            Letters.requireEqualAfterReplay(pipeline, NO_RULES);
        }
    }

    @Test
    void aChangeOfKeyOfAParkedRowKeepsTheChainInOrder() {
        try (InProcessPipeline pipeline = running("moved")) {
            pipeline.source().execute("INSERT INTO item SELECT n, NULL, 'item ' || n, 1, repeat(md5(n::text), 400) FROM generate_series(1, 3) AS n");
            pipeline.awaitApplied();
            pipeline.source().execute("UPDATE item SET count = -1 WHERE id = 1");
            pipeline.source().execute("UPDATE item SET id = 11 WHERE id = 1");
            pipeline.source().execute("INSERT INTO item VALUES (1, NULL, 'new one', 7)");
            pipeline.source().execute("UPDATE item SET count = 3 WHERE id = 11");
            pipeline.awaitApplied();

            assertThat(Letters.of(pipeline)).containsExactly(
                    "item [1] patch open check_violation not_negative",
                    "item [11] move behind behind null",
                    "item [1] upsert behind behind null",
                    "item [11] patch behind behind null");
            Letters.requireEqualAfterReplay(pipeline, NO_RULES);
        }
    }

    @Test
    void aTruncationSupersedesAllOfItsTable() {
        try (InProcessPipeline pipeline = running("truncated")) {
            pipeline.source().execute("INSERT INTO item VALUES (1, NULL, 'x', -1), (2, NULL, 'y', 1); INSERT INTO note VALUES ('no!')");
            pipeline.source().execute("INSERT INTO shelf VALUES (1, repeat('long', 20))");
            pipeline.awaitApplied();
            pipeline.source().execute("TRUNCATE item, note");
            pipeline.source().execute("INSERT INTO item VALUES (3, NULL, 'z', 1)");
            pipeline.awaitApplied();

            assertThat(Letters.of(pipeline)).containsExactly(
                    "item [1] upsert superseded check_violation not_negative",
                    "note - row superseded check_violation no_bang",
                    "shelf [1] upsert open check_violation short_name");
            Letters.requireEqualAfterReplay(pipeline, NO_RULES);
        }
    }

    @Test
    void rowsWithoutAKeyComeRightInTheirOrder() {
        try (InProcessPipeline pipeline = running("keyless")) {
            pipeline.source().execute("INSERT INTO note VALUES ('a!'), ('b'), ('b'), ('c')");
            pipeline.source().execute("UPDATE note SET line = 'd' WHERE line = 'a!'");
            pipeline.source().execute("DELETE FROM note WHERE line = 'd'; INSERT INTO note VALUES ('e!')");
            pipeline.awaitApplied();

            assertThat(Letters.of(pipeline)).containsExactly(
                    "note - row open check_violation no_bang",
                    "note - row open missing_row null",
                    "note - row open missing_row null",
                    "note - row open check_violation no_bang");
            Letters.requireEqualAfterReplay(pipeline, NO_RULES);
        }
    }

    @Test
    void aReplayBeforeTheCauseIsMendedChangesNothingButTheCount() {
        try (InProcessPipeline pipeline = running("again")) {
            pipeline.source().execute("INSERT INTO item SELECT n, NULL, 'item ' || n, 1, repeat(md5(n::text), 400) FROM generate_series(1, 2) AS n");
            pipeline.awaitApplied();
            pipeline.source().execute("UPDATE item SET count = -1 WHERE id = 1");
            pipeline.source().execute("UPDATE item SET name = 'behind' WHERE id = 1");
            pipeline.awaitApplied();

            long run = Letters.replayAll(pipeline);

            assertThat(Letters.of(pipeline)).containsExactly(
                    "item [1] patch open check_violation not_negative", "item [1] patch behind behind null");
            assertThat(pipeline.target().ask("SELECT string_agg(attempts::text, ' ' ORDER BY id) FROM sluice.dead_letter")).isEqualTo("2 1");
            assertThat(pipeline.target().ask("SELECT result FROM sluice.audit WHERE id = " + run))
                    .isEqualTo("0 replayed, 0 superseded, 2 refused again");
            assertThat(pipeline.target().ask("SELECT name || count FROM item WHERE id = 1")).isEqualTo("item 11");
            Letters.requireEqualAfterReplay(pipeline, NO_RULES);
        }
    }

    // ---- what else makes letters out of date, or their payload useless

    @Test
    void aReadingOfTheWholeTableSupersedesItsLetters() throws Exception {
        try (InProcessPipeline pipeline = running("resynced")) {
            pipeline.source().execute("INSERT INTO item VALUES (1, NULL, 'x', -1), (2, NULL, 'y', 1); INSERT INTO note VALUES ('a!')");
            pipeline.awaitApplied();
            pipeline.target().execute(NO_RULES);
            RereadTables.request(pipeline.config(), "resync", "SELECT 1", List.of(TableId.parse("item")), 1_000_000);
            pipeline.await("item is read", () -> pipeline.target().ask("SELECT state FROM sluice.reread WHERE source_table = 'item'").equals("done"));

            assertThat(Letters.of(pipeline)).containsExactly(
                    "item [1] upsert superseded check_violation not_negative", "note - row open check_violation no_bang");
            Letters.requireEqualAfterReplay(pipeline, NO_RULES);
        }
    }

    @Test
    void aRepairOfTheRowSupersedesItsLetters() {
        try (InProcessPipeline pipeline = running("repaired")) {
            pipeline.source().execute("INSERT INTO item SELECT n, NULL, 'item ' || n, 1, repeat(md5(n::text), 400) FROM generate_series(1, 2) AS n");
            pipeline.source().execute("UPDATE item SET count = -1 WHERE id IN (1, 2)");
            pipeline.source().execute("UPDATE item SET name = 'behind' WHERE id = 1");
            pipeline.awaitApplied();
            pipeline.target().execute(NO_RULES);
            pipeline.target().execute("INSERT INTO sluice.repair (lane, source_schema, source_table, key, requested_by)"
                    + " SELECT lane, 'public', 'item', '{1}', 'test' FROM sluice.progress");
            pipeline.await("row 1 is repaired", () -> pipeline.target().ask("SELECT state FROM sluice.repair").equals("done"));

            assertThat(Letters.of(pipeline)).containsExactly(
                    "item [1] patch superseded check_violation not_negative",
                    "item [2] patch open check_violation not_negative",
                    "item [1] patch superseded behind null");
            Letters.requireEqualAfterReplay(pipeline, NO_RULES);
        }
    }

    @Test
    void aLetterWithOtherColumnsThanTheTableHasNowIsReadFromTheSource() {
        try (InProcessPipeline pipeline = running("columns")) {
            pipeline.source().execute("INSERT INTO item VALUES (1, NULL, 'x', -1)");
            pipeline.awaitApplied();
            for (TestDatabase database : List.of(pipeline.target(), pipeline.source())) {
                database.execute("ALTER TABLE item ADD COLUMN more text DEFAULT 'more'");
            }
            pipeline.source().execute("INSERT INTO item VALUES (2, NULL, 'y', 1, NULL, 'new')");
            pipeline.awaitApplied();

            Letters.requireEqualAfterReplay(pipeline, NO_RULES);
            assertThat(pipeline.target().ask("SELECT closed_by FROM sluice.dead_letter")).contains("from the source");
        }
    }

    @Test
    void aKeyThatIsSpeltOtherwiseIsNotTakenForAnotherRow() {
        try (InProcessPipeline pipeline = running("spelt")) {
            pipeline.source().execute("INSERT INTO price VALUES (1.0, 1)");
            pipeline.awaitApplied();
            pipeline.target().execute("CREATE TABLE price_use (amount numeric REFERENCES price); INSERT INTO price_use VALUES (1.0)");
            pipeline.source().execute("DELETE FROM price WHERE amount = 1");
            pipeline.source().execute("INSERT INTO price VALUES (1.00, 2)");
            pipeline.awaitApplied();

            assertThat(Letters.of(pipeline)).containsExactly("price [1.0] delete open foreign_key_violation price_use_amount_fkey");
            pipeline.target().execute("DROP TABLE price_use");
            Letters.requireEqualAfterReplay(pipeline, NO_RULES);
        }
    }

    @Test
    void aLaneThatHasLostItsPositionParksWhatIsRefusedOnceMore() {
        try (InProcessPipeline pipeline = running("position")) {
            pipeline.source().execute("INSERT INTO item VALUES (1, NULL, 'x', 1), (2, NULL, 'y', -1)");
            pipeline.awaitApplied();
            pipeline.stopApply();
            pipeline.target().execute("UPDATE sluice.dead_letter SET state = 'replayed', closed_at = now(), closed_by = 'test';"
                    + " DELETE FROM sluice.progress; DELETE FROM sluice.progress_offset");
            pipeline.startApply();
            pipeline.awaitApplied();

            assertThat(Letters.of(pipeline)).containsExactly("item [2] upsert open check_violation not_negative");
            assertThat(pipeline.target().ask("SELECT attempts || ' ' || coalesce(closed_by, 'open') FROM sluice.dead_letter")).isEqualTo("2 open");
            Letters.requireEqualAfterReplay(pipeline, NO_RULES);
        }
    }

    // ---- tables that are held, constraints that are deferred

    @Test
    void aTableThatWasHeldParksWhatItCatchesUpWith() {
        try (InProcessPipeline pipeline = running("held")) {
            pipeline.source().execute("INSERT INTO item SELECT n, NULL, 'item ' || n, 1, repeat(md5(n::text), 400) FROM generate_series(1, 3) AS n");
            pipeline.source().execute("UPDATE item SET count = -1 WHERE id = 1");
            pipeline.awaitApplied();
            pipeline.target().execute("ALTER TABLE item RENAME COLUMN name TO away");
            pipeline.source().execute("UPDATE item SET name = 'behind' WHERE id = 1");
            pipeline.source().execute("UPDATE item SET count = -1 WHERE id = 2; UPDATE item SET count = 7 WHERE id = 3");
            pipeline.await("item is held", () -> pipeline.target().ask("SELECT count(*) FROM sluice.held_table").equals("1"));
            pipeline.source().execute("UPDATE item SET name = 'two' WHERE id = 2");
            pipeline.awaitApplied();
            pipeline.target().execute("ALTER TABLE item RENAME COLUMN away TO name");
            pipeline.await("item is not held", () -> pipeline.target().ask("SELECT count(*) FROM sluice.held_table").equals("0"));
            pipeline.awaitApplied();

            assertThat(Letters.of(pipeline)).containsExactly(
                    "item [1] patch open check_violation not_negative",
                    "item [1] patch behind behind null",
                    "item [2] patch open check_violation not_negative",
                    "item [2] patch behind behind null");
            Letters.requireEqualAfterReplay(pipeline, NO_RULES);
        }
    }

    @Test
    void rowsThatReferToEachOtherAreWrittenBesideARowThatIsRefused() {
        try (InProcessPipeline pipeline = running("circle")) {
            pipeline.source().execute("INSERT INTO man VALUES (1, 1); INSERT INTO wife VALUES (1, 1); INSERT INTO man VALUES (2, 99);"
                    + " INSERT INTO item VALUES (1, NULL, 'x', -1), (2, 77, 'y', 1)");
            pipeline.awaitApplied();

            assertThat(pipeline.target().ask("SELECT (SELECT count(*) FROM man) || ' ' || (SELECT count(*) FROM wife)")).isEqualTo("1 1");
            assertThat(Letters.of(pipeline)).containsExactlyInAnyOrder(
                    "man [2] upsert open foreign_key_violation his_wife",
                    "item [1] upsert open check_violation not_negative",
                    "item [2] upsert open foreign_key_violation shelf_is_there");
            pipeline.target().execute("ALTER TABLE man DROP CONSTRAINT his_wife; ALTER TABLE item DROP CONSTRAINT shelf_is_there");
            Letters.requireEqualAfterReplay(pipeline, NO_RULES);
        }
    }

    // ---- large transactions, many letters

    @Test
    void ofATransactionLargerThanABatchOnlyTheBadRowsAreParked() {
        try (InProcessPipeline pipeline = running("large")) {
            pipeline.source().execute("INSERT INTO item SELECT n, NULL, 'item ' || n, CASE WHEN n % 100 = 7 THEN -1 ELSE 1 END"
                    + " FROM generate_series(1, 3000) AS n");
            pipeline.awaitApplied();

            assertThat(Letters.of(pipeline)).hasSize(30).allMatch(letter -> letter.endsWith("07] upsert open check_violation not_negative")
                    || letter.equals("item [7] upsert open check_violation not_negative"));
            assertThat(pipeline.target().ask("SELECT count(*) FROM item")).isEqualTo("2970");
            Letters.requireEqualAfterReplay(pipeline, NO_RULES);
        }
    }

    @Test
    void tooManyLettersStopTheLaneBeforeTheirTransactionUntilSomebodyResumesIt() {
        try (InProcessPipeline pipeline = running("breaker")) {
            pipeline.source().execute("INSERT INTO item SELECT n, NULL, 'item ' || n, 1 FROM generate_series(1, 150) AS n");
            pipeline.awaitApplied();
            pipeline.source().execute("UPDATE item SET count = -1 WHERE id <= 40");
            pipeline.awaitApplied();
            pipeline.source().execute("UPDATE item SET count = -2 WHERE id > 40");

            pipeline.await("an open breaker", () -> pipeline.target().ask("SELECT to_regclass('sluice.breaker')").equals("sluice.breaker")
                    && !pipeline.target().ask("SELECT reason FROM sluice.breaker WHERE resumed_at IS NULL").isEmpty());
            assertThat(pipeline.target().ask("SELECT reason FROM sluice.breaker"))
                    .isEqualTo("more than 100 dead letters within a minute (apply.deadLettersPerMinute), the last of public.item:"
                            + " check_violation, constraint not_negative");
            assertThat(Letters.of(pipeline)).hasSize(40);

            pipeline.stopApply(); // a restart does not let it go on
            pipeline.startApply();
            pipeline.await("the lane stands", () -> !log.with("sluice resume").isEmpty());
            pipeline.target().execute(NO_RULES);
            pipeline.target().execute("UPDATE sluice.breaker SET resumed_at = clock_timestamp()");
            pipeline.awaitApplied();
            assertThat(Letters.of(pipeline)).hasSize(40);
            Letters.replayAll(pipeline);
            pipeline.requireEqual();
        }
    }

    @Test
    void whereNoRowIsParkedTheLaneStopsAtTheFirst() {
        try (InProcessPipeline pipeline = running("none")) {
            pipeline.stopApply();
            pipeline.source().execute("INSERT INTO item VALUES (1, NULL, '%s', -1)".formatted(CANARY));
            pipeline.startApply(withLetters(pipeline.config(), 0));

            Failure.Fatal failure = pipeline.applyFailure();
            assertThat(failure.stop()).isEqualTo(Stop.POISON);
            assertThat(failure.getMessage()).contains("public.item", "not_negative", "[1]").doesNotContain(CANARY);
            pipeline.startApply();
            pipeline.awaitApplied();
            assertThat(Letters.of(pipeline)).hasSize(1);
            Letters.requireEqualAfterReplay(pipeline, NO_RULES);
        }
    }

    // ---- the topic

    @Test
    void theTopicHasTheRecordByteForByteWithHeadersThatSayWhy() {
        try (InProcessPipeline pipeline = running("topic")) {
            pipeline.source().execute("INSERT INTO item VALUES (1, NULL, '%s', -1)".formatted(CANARY));
            pipeline.awaitApplied();

            ConsumerRecord<byte[], byte[]> letter = topic("topic.public.item.dlq").records().get(0);
            ConsumerRecord<byte[], byte[]> original = topic("topic.public.item").records().get(0);
            assertThat(topic("topic.public.item.dlq").records()).hasSize(1);
            assertThat(letter.key()).isEqualTo(original.key());
            assertThat(letter.value()).isEqualTo(original.value());
            assertThat(header(letter, Headers.SEQ)).isEqualTo(header(original, Headers.SEQ));
            assertThat(header(letter, DeadLetterHeaders.TOPIC)).isEqualTo("topic.public.item");
            assertThat(header(letter, DeadLetterHeaders.OFFSET)).isEqualTo(Long.toString(original.offset()));
            assertThat(header(letter, DeadLetterHeaders.ERROR_CLASS)).isEqualTo("check_violation");
            assertThat(header(letter, DeadLetterHeaders.SQLSTATE)).isEqualTo("23514");
            assertThat(header(letter, DeadLetterHeaders.CONSTRAINT)).isEqualTo("not_negative");
            assertThat(header(letter, DeadLetterHeaders.TABLE)).isEqualTo("public.item");
            assertThat(letter.headers().toArray()).extracting(it -> new String(it.value(), StandardCharsets.UTF_8))
                    .noneMatch(value -> value.contains(CANARY));
            Letters.requireEqualAfterReplay(pipeline, NO_RULES);
        }
    }

    @Test
    void withoutItsTopicTheLaneStopsAndSkipsNothing() throws Exception {
        try (InProcessPipeline pipeline = running("no_topic");
                Admin admin = Admin.create(Map.of("bootstrap.servers", servers.kafka().bootstrapServers()))) {
            admin.deleteTopics(List.of("no_topic.public.item.dlq")).all().get();
            pipeline.source().execute("INSERT INTO item VALUES (1, NULL, 'x', -1)");

            Failure.Fatal failure = pipeline.applyFailure();

            assertThat(failure.stop()).isEqualTo(Stop.SETUP);
            assertThat(failure.getMessage()).contains("dead-letter topic 'no_topic.public.item.dlq' does not exist");
            assertThat(failure.remedy()).contains("kafka-topics.sh", "--create --topic no_topic.public.item.dlq");
            assertThat(pipeline.target().ask("SELECT count(*) FROM sluice.dead_letter")).isEqualTo("0");
            pipeline.stopCapture();
            pipeline.start();
            pipeline.awaitApplied();
            assertThat(Letters.of(pipeline)).hasSize(1);
            Letters.requireEqualAfterReplay(pipeline, NO_RULES);
        }
    }

    @Test
    void aTopicThatDoesNotTakeTheLetterStopsTheLaneToo() throws Exception {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, "small.public.item.dlq");
        try (InProcessPipeline pipeline = running("small");
                Admin admin = Admin.create(Map.of("bootstrap.servers", servers.kafka().bootstrapServers()))) {
            alter(admin, topic, "100");
            pipeline.source().execute("INSERT INTO item VALUES (1, NULL, 'x', -1)");

            Failure.Fatal failure = pipeline.applyFailure();

            assertThat(failure.stop()).isEqualTo(Stop.SETUP);
            assertThat(failure.getMessage()).contains("dead-letter topic 'small.public.item.dlq' does not take a record of this size");
            assertThat(failure.remedy()).contains("--topic small.public.item.dlq", "max.message.bytes=" + pipeline.config().kafka().maxDeadLetterBytes());
            assertThat(Preflight.findings(pipeline.config())).anyMatch(finding -> finding.subject().contains("small.public.item.dlq")
                    && finding.problem().contains("max.message.bytes is 100"));
            alter(admin, topic, Integer.toString(pipeline.config().kafka().maxDeadLetterBytes()));
            pipeline.startApply();
            pipeline.awaitApplied();
            assertThat(Letters.of(pipeline)).hasSize(1);
            assertThat(topic("small.public.item.dlq").records()).hasSize(1);
            Letters.requireEqualAfterReplay(pipeline, NO_RULES);
        }
    }

    private static void alter(Admin admin, ConfigResource topic, String maxMessageBytes) throws Exception {
        admin.incrementalAlterConfigs(Map.of(topic, List.of(new AlterConfigOp(
                        new ConfigEntry("max.message.bytes", maxMessageBytes), AlterConfigOp.OpType.SET))))
                .all()
                .get();
    }

    @Test
    void laterChangesOfAnUnreadableRecordWaitAndItsRowIsReadFromTheSource() throws Exception {
        try (InProcessPipeline pipeline = running("unread")) {
            pipeline.source().execute("INSERT INTO item SELECT n, NULL, 'item ' || n, 1, repeat(md5(n::text), 400) FROM generate_series(1, 3) AS n");
            pipeline.awaitApplied();
            pipeline.stopApply();
            pipeline.source().execute("UPDATE item SET count = 2 WHERE id = 3");
            pipeline.source().execute("UPDATE item SET name = 'later' WHERE id = 3");
            pipeline.await("the updates", () -> topic("unread.public.item").records().size() == 5);
            spoil("unread.public.item", 3, 1);
            pipeline.startApply();
            pipeline.awaitApplied();

            assertThat(Letters.of(pipeline)).containsExactly(
                    "item [3] unreadable open unreadable null", "item [3] patch behind behind null");
            Letters.requireEqualAfterReplay(pipeline, NO_RULES);
        }
    }

    @Test
    void aRecordThatIsNoEventIsParkedAndTheLaneGoesOn() throws Exception {
        try (InProcessPipeline pipeline = running("unreadable")) {
            pipeline.source().execute("INSERT INTO item VALUES (1, NULL, 'x', 1)");
            pipeline.awaitApplied();
            pipeline.stopApply();
            pipeline.source().execute("INSERT INTO item VALUES (2, NULL, 'y', 1), (3, NULL, 'z', 1), (4, NULL, 'w', 1)");
            pipeline.source().execute("UPDATE item SET count = 9 WHERE id = 3");
            pipeline.await("four records and the update", () -> topic("unreadable.public.item").records().size() == 5);
            spoil("unreadable.public.item", 3, 0);

            pipeline.startApply();
            pipeline.awaitApplied();

            assertThat(Letters.of(pipeline)).containsExactly("item [3] unreadable superseded unreadable null");
            pipeline.requireEqual();
        }
    }

    @Test
    void aRecordOfSomebodyElseIsParkedAndTheLaneGoesOn() throws Exception {
        try (InProcessPipeline pipeline = running("foreign")) {
            byte[] value = CANARY.getBytes(StandardCharsets.UTF_8);
            topic("foreign.public.item").send(List.of(new ProducerRecord<>("foreign.public.item", 1, null, value)));
            pipeline.source().execute("INSERT INTO item VALUES (1, NULL, 'x', 1)");
            pipeline.await("a letter", () -> Letters.of(pipeline).size() == 1);
            pipeline.requireEqual();
            pipeline.stopApply();
            pipeline.target().execute("DELETE FROM sluice.progress_offset"); // the topics are read from their beginning
            pipeline.startApply();
            pipeline.source().execute("INSERT INTO item VALUES (2, NULL, 'y', 1)");
            pipeline.requireEqual();

            assertThat(Letters.of(pipeline)).containsExactly("item - unreadable open unreadable null");
            assertThat(topic("foreign.public.item.dlq").records()).hasSize(1).allMatch(
                    letter -> new String(letter.value(), StandardCharsets.UTF_8).equals(CANARY));
        }
    }

    /** As if somebody had written nonsense over one change of the row: the same record with another value. */
    private static void spoil(String topic, int id, int which) throws Exception {
        ConsumerRecord<byte[], byte[]> spoilt = topic(topic).records().stream()
                .filter(record -> new String(record.key(), StandardCharsets.UTF_8).contains(Integer.toString(id)))
                .toList()
                .get(which);
        List<ConsumerRecord<byte[], byte[]>> rest = topic(topic).records().stream()
                .filter(record -> record.partition() == spoilt.partition() && record.offset() >= spoilt.offset())
                .toList();
        TopicPartition partition = new TopicPartition(topic, spoilt.partition());
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", servers.kafka().bootstrapServers()))) {
            admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(spoilt.offset() + rest.size()))).all().get();
        }
        List<ProducerRecord<byte[], byte[]>> again = new ArrayList<>();
        for (ConsumerRecord<byte[], byte[]> record : rest) {
            byte[] value = record.offset() == spoilt.offset()
                    ? "{\"after\": nonsense".getBytes(StandardCharsets.UTF_8)
                    : record.value();
            again.add(new ProducerRecord<>(topic, record.partition(), record.key(), value, record.headers()));
        }
        topic(topic).send(again);
    }

    // ---- helpers

    private static InProcessPipeline running(String name) {
        return Letters.running(servers, name, List.of("shelf", "item", "note", "price", "man", "wife"), TABLES, RULES);
    }

    static PipelineConfig withLetters(PipelineConfig config, int perMinute) {
        ApplyConfig apply = config.apply();
        return new PipelineConfig(
                config.name(),
                config.source(),
                config.target(),
                config.kafka(),
                config.lanes(),
                config.capture(),
                new ApplyConfig(apply.batchRows(), apply.batchBytes(), apply.linger(), apply.statementTimeout(), perMinute));
    }

    private static String header(ConsumerRecord<byte[], byte[]> record, String name) {
        Header header = record.headers().lastHeader(name);
        return header == null ? null : new String(header.value(), StandardCharsets.UTF_8);
    }

    private static KafkaTopic topic(String name) {
        return new KafkaTopic(servers.kafka(), name);
    }
}
