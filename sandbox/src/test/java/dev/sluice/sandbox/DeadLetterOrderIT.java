package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.schemas.Headers;
import dev.sluice.schemas.TableId;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Where letters meet what else writes rows, a replay never puts an old or a foreign payload over a row, and the lane lives. */
class DeadLetterOrderIT {
    /** In no log. */
    private static final String CANARY = "canary-41077";

    private static final String TABLES =
            """
            CREATE TABLE item (id int PRIMARY KEY, name text, count int, photo text);
            CREATE TABLE other (id int PRIMARY KEY);
            ALTER TABLE item ALTER photo SET STORAGE EXTERNAL""";

    private static final String RULES = "ALTER TABLE item ADD CONSTRAINT not_negative CHECK (count >= 0)";

    private static final String NO_RULES = "ALTER TABLE item DROP CONSTRAINT IF EXISTS not_negative";

    private static ThreeServers servers;

    @RegisterExtension
    final LogWithout log = new LogWithout(CANARY);

    @BeforeAll
    static void takeServers() {
        servers = SharedServers.take();
    }

    @AfterAll
    static void emptyServers() {
        SharedServers.empty();
    }

    // ---- records of somebody else

    @Test
    void aForeignRecordThatReadsAsAnEventIsNotReplayedOverTheRow() throws Exception {
        try (InProcessPipeline pipeline = running("copied")) {
            pipeline.source().execute("INSERT INTO item VALUES (1, 'old', 1)");
            pipeline.awaitApplied();
            ConsumerRecord<byte[], byte[]> original = new KafkaTopic(servers.kafka(), "order_copied.public.item").records().get(0);
            produce("order_copied.public.item", original.key(), original.value()); // by a tool that leaves the headers out
            pipeline.await("a letter", () -> Letters.of(pipeline).size() == 1);
            pipeline.source().execute("UPDATE item SET name = 'new'");
            pipeline.awaitApplied();

            Letters.replayAll(pipeline);

            assertThat(Letters.of(pipeline)).containsExactly("item - unreadable open reread null");
            pipeline.requireEqual();
        }
    }

    @Test
    void aForeignRecordWithOurHeadersAndNonsenseInThemDoesNotTakeAnothersNumber() throws Exception {
        try (InProcessPipeline pipeline = running("forged")) {
            pipeline.source().execute("INSERT INTO item VALUES (1, 'x', 1)");
            pipeline.stopCapture();
            pipeline.await("it is quiet", () -> {
                String before = pipeline.target().ask("SELECT seq FROM sluice.progress");
                sleep();
                return pipeline.target().ask("SELECT seq FROM sluice.progress").equals(before);
            });
            RecordHeaders headers = new RecordHeaders();
            headers.add(Headers.EPOCH, Headers.text(pipeline.target().ask("SELECT epoch FROM sluice.progress")));
            headers.add(Headers.SEQ, Headers.text(pipeline.target().ask("SELECT seq + 1 FROM sluice.progress")));
            headers.add(Headers.LSN, Headers.text("nonsense"));
            headers.add(Headers.XID, Headers.text(""));
            produce("order_forged.public.item", null, CANARY.getBytes(StandardCharsets.UTF_8), headers);
            pipeline.await("a letter", () -> Letters.of(pipeline).size() == 1);
            pipeline.startCapture();
            pipeline.source().execute("INSERT INTO item VALUES (2, 'y', 1)");

            pipeline.requireEqual();
            assertThat(Letters.of(pipeline)).containsExactly("item - unreadable open unreadable null");
        }
    }

    @Test
    void aForeignRecordBesideAHeldTableDoesNotKeepItHeld() throws Exception {
        try (InProcessPipeline pipeline = running("beside")) {
            pipeline.source().execute("INSERT INTO item VALUES (1, 'x', 1)");
            pipeline.awaitApplied();
            pipeline.target().execute("ALTER TABLE item RENAME COLUMN name TO away");
            pipeline.source().execute("UPDATE item SET name = 'y'");
            pipeline.await("item is held", () -> pipeline.target().ask("SELECT count(*) FROM sluice.held_table").equals("1"));
            produce("order_beside.public.item", null, CANARY.getBytes(StandardCharsets.UTF_8));
            pipeline.await("a letter", () -> Letters.of(pipeline).size() == 1);
            pipeline.source().execute("INSERT INTO item VALUES (2, 'z', 1), (3, 'z', 1), (4, 'z', 1)");
            pipeline.awaitApplied();

            pipeline.target().execute("ALTER TABLE item RENAME COLUMN away TO name");
            pipeline.await("item is not held", () -> pipeline.target().ask("SELECT count(*) FROM sluice.held_table").equals("0"));

            pipeline.requireEqual();
            assertThat(Letters.of(pipeline)).containsExactly("item - unreadable open unreadable null");
        }
    }

    // ---- rows that are read from the source

    @Test
    void aRepairOfARowThatHasMovedTakesAllRowsOfItsChain() {
        try (InProcessPipeline pipeline = running("moved")) {
            pipeline.source().execute("INSERT INTO item VALUES (1, 'one', 1, repeat('old', 3000))");
            pipeline.awaitApplied();
            pipeline.source().execute("UPDATE item SET id = 2, count = -1 WHERE id = 1");
            pipeline.source().execute("INSERT INTO item VALUES (1, 'another', 1, repeat('new', 3000))");
            pipeline.awaitApplied();
            assertThat(Letters.of(pipeline)).containsExactly(
                    "item [2] move open check_violation not_negative", "item [1] upsert behind behind null");
            pipeline.target().execute(NO_RULES);

            repair(pipeline, 1);
            Letters.replayAll(pipeline);

            assertThat(Letters.of(pipeline)).containsExactly(
                    "item [2] move superseded check_violation not_negative", "item [1] upsert superseded behind null");
            pipeline.requireEqual();
        }
    }

    @Test
    void aRowIsReadWhereAnotherHasWhatItHasGivenUpSince() {
        try (InProcessPipeline pipeline = running("given_up")) {
            pipeline.target().execute("ALTER TABLE item ADD CONSTRAINT one_name UNIQUE (name)");
            pipeline.source().execute("INSERT INTO item VALUES (1, 'a', 1, repeat('x', 9000))");
            pipeline.awaitApplied();
            pipeline.source().execute("UPDATE item SET name = 'b', count = -1");
            pipeline.source().execute("UPDATE item SET name = 'c'");
            pipeline.source().execute("INSERT INTO item VALUES (2, 'b', 1)");
            pipeline.awaitApplied();
            assertThat(Letters.of(pipeline)).containsExactly(
                    "item [1] patch open check_violation not_negative", "item [1] patch behind behind null");

            Letters.requireEqualAfterReplay(pipeline, NO_RULES);
        }
    }

    @Test
    void aDeletionInAChainMeetsATableThatWaitsToBeRead() throws Exception {
        try (InProcessPipeline pipeline = running("waits")) {
            pipeline.source().execute("INSERT INTO item VALUES (1, 'one', 1, repeat('x', 9000)), (5, 'five', 1, NULL)");
            pipeline.awaitApplied();
            pipeline.source().execute("UPDATE item SET id = 2, count = -1 WHERE id = 1");
            pipeline.awaitApplied();
            pipeline.stopApply();
            RereadTables.request(pipeline.config(), "resync", "SELECT 1", List.of(TableId.parse("item")), 1_000_000);
            pipeline.target().execute("UPDATE sluice.reread SET is_paused = true");
            pipeline.startApply();

            pipeline.source().execute("DELETE FROM item WHERE id = 2");
            pipeline.awaitApplied();
            pipeline.target().execute("UPDATE sluice.reread SET is_paused = false");
            RereadTables.awaitDone(pipeline);

            pipeline.requireEqual();
        }
    }

    @Test
    void aRowThatHasMovedIntoARangeIsReplayedWithoutTheRowThatHasItsOldKeyNow() throws Exception {
        try (InProcessPipeline pipeline = running("ranges")) {
            pipeline.source().execute("INSERT INTO item SELECT n, 'item ' || n, 1, repeat('old', 3000) FROM generate_series(10, 2000) AS n");
            pipeline.awaitApplied();
            RereadTables.request(pipeline.config(), "resync", "SELECT 1", List.of(TableId.parse("item")), 200);
            pipeline.await("a range is read", () -> !List.of("", "0").contains(pipeline.target().ask("SELECT rows FROM sluice.reread")));
            pipeline.target().execute("UPDATE sluice.reread SET is_paused = true");
            TimeUnit.SECONDS.sleep(2); // the range that has begun
            pipeline.source().execute("UPDATE item SET id = 5, count = -1 WHERE id = 1999");
            pipeline.source().execute("INSERT INTO item VALUES (1999, 'another', 1, repeat('new', 3000))");
            pipeline.awaitApplied();
            assertThat(Letters.of(pipeline)).containsExactly("item [5] patch open check_violation not_negative");
            pipeline.target().execute("UPDATE sluice.reread SET is_paused = false, rows_per_second = NULL");
            RereadTables.awaitDone(pipeline);

            Letters.requireEqualAfterReplay(pipeline, NO_RULES);
        }
    }

    // ---- where no row is parked, and what is said of one

    @Test
    void aReplayThatIsRefusedDoesNotStopALaneThatParksNothing() {
        try (InProcessPipeline pipeline = running("none")) {
            pipeline.source().execute("INSERT INTO item VALUES (1, 'x', -1)");
            pipeline.awaitApplied();
            pipeline.stopApply();
            pipeline.startApply(DeadLetterIT.withLetters(pipeline.config(), 0));

            Letters.replayAll(pipeline);
            pipeline.source().execute("INSERT INTO item VALUES (2, 'y', 1)");
            pipeline.awaitApplied();

            assertThat(Letters.of(pipeline)).containsExactly("item [1] upsert open check_violation not_negative");
            Letters.requireEqualAfterReplay(pipeline, NO_RULES);
        }
    }

    @Test
    void aReplayIsOverWhenSomethingElseHasClosedItsLetters() {
        try (InProcessPipeline pipeline = running("closed")) {
            pipeline.source().execute("INSERT INTO item VALUES (1, 'x', -1)");
            pipeline.awaitApplied();
            pipeline.stopApply();
            pipeline.target().execute("INSERT INTO sluice.audit (who, lane, action) SELECT 'test', lane, 'replay' FROM sluice.progress");
            pipeline.target().execute("UPDATE sluice.dead_letter SET is_requested = true, replay_run = (SELECT id FROM sluice.audit)");
            pipeline.source().execute("TRUNCATE item");
            pipeline.startApply();

            pipeline.await("the run is over", () -> !pipeline.target().ask("SELECT result FROM sluice.audit").isEmpty());

            assertThat(pipeline.target().ask("SELECT result FROM sluice.audit")).endsWith("0 refused again");
            pipeline.requireEqual();
        }
    }

    @Test
    void manyLettersOfAHeldTableDoNotKeepOthersFromTheirReplay() {
        try (InProcessPipeline pipeline = running("many")) {
            pipeline.stopApply();
            pipeline.startApply(DeadLetterIT.withLetters(pipeline.config(), 1_000));
            pipeline.target().execute("ALTER TABLE other ADD CONSTRAINT above CHECK (id > 0)");
            pipeline.source().execute("INSERT INTO item SELECT n, 'x', -1 FROM generate_series(1, 300) AS n");
            pipeline.source().execute("INSERT INTO other VALUES (-1)");
            pipeline.awaitApplied();
            pipeline.target().execute("ALTER TABLE other DROP CONSTRAINT above; ALTER TABLE item RENAME COLUMN name TO away");
            pipeline.source().execute("INSERT INTO item VALUES (301, 'y', 1)");
            pipeline.await("item is held", () -> pipeline.target().ask("SELECT count(*) FROM sluice.held_table").equals("1"));

            pipeline.target().execute("UPDATE sluice.dead_letter SET is_requested = true");
            pipeline.await("the other table's letter is replayed", () -> pipeline.target().ask("SELECT count(*) FROM other").equals("1"));

            assertThat(pipeline.target().ask("SELECT string_agg(DISTINCT waits_for, ' ') FROM sluice.dead_letter WHERE is_requested"))
                    .startsWith("its table is held");
            pipeline.target().execute("ALTER TABLE item RENAME COLUMN away TO name");
            Letters.requireEqualAfterReplay(pipeline, NO_RULES);
        }
    }

    @Test
    void aReplayTriesALetterOnceHoweverManyAreBehindIt() {
        try (InProcessPipeline pipeline = running("once")) {
            pipeline.stopApply();
            pipeline.startApply(DeadLetterIT.withLetters(pipeline.config(), 1_000));
            pipeline.source().execute("INSERT INTO item VALUES (1, 'x', 1, repeat('x', 9000))");
            pipeline.awaitApplied();
            pipeline.source().execute("UPDATE item SET count = -1");
            for (int i = 0; i < 450; i++) {
                pipeline.source().execute("UPDATE item SET name = 'name %d'".formatted(i));
            }
            pipeline.awaitApplied();

            Letters.replayAll(pipeline);

            assertThat(pipeline.target().ask("SELECT max(attempts) FROM sluice.dead_letter")).isEqualTo("2");
            Letters.requireEqualAfterReplay(pipeline, NO_RULES);
        }
    }

    @Test
    void whatATriggerSaysUnderAConstraintsNameIsNotRepeated() {
        try (InProcessPipeline pipeline = running("said")) {
            pipeline.target().execute(
                    """
                    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
                    BEGIN
                      IF NEW.count > 100 THEN RAISE EXCEPTION 'not %', NEW.name USING ERRCODE = 'check_violation'; END IF;
                      RETURN NEW;
                    END $$;
                    CREATE TRIGGER refuse BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION refuse();
                    ALTER TABLE item ENABLE ALWAYS TRIGGER refuse""");
            pipeline.source().execute("INSERT INTO item VALUES (1, '%s', 101)".formatted(CANARY));
            pipeline.awaitApplied();

            assertThat(Letters.of(pipeline)).containsExactly("item [1] upsert open check_violation null");
            assertThat(pipeline.target().ask("SELECT message FROM sluice.dead_letter")).isEqualTo("a trigger or function refused the row");
            pipeline.target().execute("DROP TRIGGER refuse ON item");
            Letters.requireEqualAfterReplay(pipeline, NO_RULES);
        }
    }

    // ---- helpers

    private static InProcessPipeline running(String name) {
        return Letters.running(servers, "order_" + name, List.of("item", "other"), TABLES, RULES);
    }

    private static void repair(InProcessPipeline pipeline, int id) {
        pipeline.target().execute(("INSERT INTO sluice.repair (lane, source_schema, source_table, key, requested_by)"
                        + " SELECT lane, 'public', 'item', '{%d}', 'test' FROM sluice.progress")
                .formatted(id));
        pipeline.await("the row is repaired", () -> pipeline.target().ask("SELECT count(*) FROM sluice.repair WHERE state <> 'done'").equals("0"));
    }

    private static void sleep() {
        try {
            TimeUnit.MILLISECONDS.sleep(500);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void produce(String topic, byte[] key, byte[] value) throws Exception {
        produce(topic, key, value, new RecordHeaders());
    }

    private static void produce(String topic, byte[] key, byte[] value, RecordHeaders headers) throws Exception {
        new KafkaTopic(servers.kafka(), topic).send(List.of(new ProducerRecord<>(topic, 0, key, value, headers)));
    }
}
