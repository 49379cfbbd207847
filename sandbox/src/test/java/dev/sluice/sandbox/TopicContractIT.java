package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.networknt.schema.InputFormat;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import dev.sluice.config.CaptureConfig;
import dev.sluice.config.KafkaConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.sandbox.LaneRecords.Place;
import dev.sluice.sandbox.LaneRecords.Produced;
import dev.sluice.schemas.Checkpoint;
import dev.sluice.schemas.CheckpointReader;
import dev.sluice.schemas.Headers;
import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.TableId;
import dev.sluice.schemas.TopicNames;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What the topics carry is what the schemas of {@code dev/sluice/schemas} and {@code docs/topics.md} say: of every
 * record that one run of capture has really produced.
 *
 * <p>The run has three partitions to a table, its walsender killed twice far from a checkpoint, so that records come
 * again, and a second epoch with one table less.
 */
class TopicContractIT {
    private static final long SEED = 20_261;

    private static PostgresServer server;
    private static KafkaServer kafka;
    private static TopicNames topics;
    private static LaneRecords records;

    @BeforeAll
    static void produce() throws Exception {
        server = Servers.postgres();
        kafka = Servers.kafka();
        TestDatabase source = TestDatabase.create(server, "shop");
        PipelineConfig all = config(source, Shop.tables());
        topics = all.topics();
        Shop.create(all.source());

        try (InProcessPipeline pipeline = new InProcessPipeline(all, source, TestDatabase.create(server, "none"))) {
            pipeline.startCapture();
            awaitStreaming(pipeline);
            workWhileTheStreamBreaks(pipeline);
            RARITIES.forEach(source::execute);
            awaitCheckpoint(pipeline);
            pipeline.stopCapture();

            pipeline.startCapture(config(source, Shop.tables().stream().filter(t -> !t.equals(Shop.PAYMENTS)).toList()));
            awaitStreaming(pipeline);
            source.execute("UPDATE payments SET cleared = NOT cleared; UPDATE orders SET note = 'after'");
            awaitCheckpoint(pipeline);
            pipeline.stopCapture();
        }
        records = LaneRecords.read(kafka, topics);
    }

    private static void workWhileTheStreamBreaks(InProcessPipeline pipeline) throws InterruptedException {
        try (ShopWorkload shop = ShopWorkload.start(pipeline.config().source(), ShopWorkload.Plan.of(SEED, 200))) {
            for (int kills = 1; kills <= 2; kills++) {
                long enough = 150L * kills;
                pipeline.await("work done", () -> !shop.isRunning() || shop.counts().transactions() >= enough);
                pipeline.source().execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots");
                awaitStreaming(pipeline);
            }
            shop.await();
        }
    }

    /** What the shop does not do, a transaction to each. */
    private static final List<String> RARITIES = List.of(
            "SELECT pg_logical_emit_message(true, 'sluice', 'in a transaction of its own: \"ä\"')",
            "SELECT pg_logical_emit_message(false, 'sluice', 'in no transaction')",
            "SELECT pg_logical_emit_message(true, 'foreign', 'of somebody else')",
            "CREATE TABLE foreign_to_the_lane (n int PRIMARY KEY)",
            "INSERT INTO foreign_to_the_lane VALUES (1)",
            """
            SELECT pg_logical_emit_message(true, 'sluice', 'before a row');
            UPDATE products SET stock = stock + 1 WHERE id <= 3;
            SELECT pg_logical_emit_message(true, 'sluice', 'at the end')""",
            "ALTER TABLE customers REPLICA IDENTITY FULL",
            "UPDATE customers SET credit = NULL, tags = '{}' WHERE id <= 1010",
            """
            INSERT INTO customers (id, email, name, credit)
            VALUES (-9223372036854775808, 'first', E'\\t"\\\\€😀', 'NaN'), (9223372036854775807, 'last', '', '-Infinity')""",
            "DELETE FROM customers WHERE id = -9223372036854775808",
            "UPDATE customers SET id = 9223372036854775806 WHERE id = 9223372036854775807",
            "ALTER TABLE customers REPLICA IDENTITY DEFAULT",
            """
            TRUNCATE payments;
            INSERT INTO payments (id, paid_on, order_id, amount) SELECT id, 'infinity', id, 0.10 FROM orders LIMIT 3""");

    @AfterAll
    static void stopServers() {
        kafka.close();
        server.close();
    }

    @Test
    void thereAreTheTopicsOfTheContractAndNoOthers() {
        Set<String> expected = new TreeSet<>(Set.of(topics.control(), topics.checkpoint()));
        Shop.tables().forEach(table -> {
            expected.add(topics.change(table));
            expected.add(topics.deadLetter(table));
        });

        assertThat(records.partitions().keySet().stream().map(TopicPartition::topic).collect(Collectors.toSet())).isEqualTo(expected);
    }

    @Test
    void everyChangeFitsItsSchemas() {
        Schema key = schema("change-key");
        Schema value = schema("change-value");
        Set<String> kinds = new TreeSet<>();
        for (Produced change : records.changes().toList()) {
            JsonNode body = change.value();
            requireFit(value, change, body);
            if (!change.hasKey()) {
                assertThat(body.get("op").textValue()).isEqualTo("t");
            } else {
                requireFit(key, change, LaneRecords.json(change.key()));
            }
            TableId table = new TableId(
                    body.at("/source/schema").textValue(), body.at("/source/table").textValue());
            assertThat(topics.change(table)).isEqualTo(change.topic());
            kinds.add(body.get("op").textValue() + (body.has("unchanged") ? "-unchanged" : "")
                    + (body.get("op").textValue().equals("u") && body.get("before").isObject() ? "-before" : ""));
        }
        assertThat(kinds).contains("c", "d", "t", "u", "u-unchanged", "u-before");
    }

    @Test
    void everyControlRecordFitsItsSchema() {
        Schema schema = schema("control");
        records.control().forEach(record -> {
            requireFit(schema, record, record.value());
            assertThat(record.key()).isEqualTo(Shop.LANE).isEqualTo(record.headers().get(Headers.LANE));
        });
        assertThat(records.control().map(record -> record.value().path("content").asText()))
                .contains("in a transaction of its own: \"ä\"", "before a row", "at the end")
                .doesNotContain("in no transaction", "of somebody else");
    }

    @Test
    void everyCheckpointFitsItsSchema() {
        Schema schema = schema("checkpoint");
        records.checkpoints().forEach(record -> {
            requireFit(schema, record, record.value());
            assertThat(record.key()).isEqualTo(Shop.LANE);
            assertThat(record.headers()).isEmpty();
        });
        assertThat(records.checkpoints().stream().map(record -> record.value().get("state").textValue())).contains("STARTING", "RUNNING");
    }

    @Test
    void everyRecordOfTheLaneHasTheHeadersOfTheContract() {
        Schema schema = schema("headers");
        records.all().forEach(record -> {
            ObjectNode headers = JsonNodeFactory.instance.objectNode();
            record.headers().forEach(headers::put);
            requireFit(schema, record, headers);
            boolean isControl = record.topic().equals(topics.control());
            assertThat(record.headers().containsKey(Headers.LANE)).isEqualTo(isControl);
            if (!isControl) {
                JsonNode from = record.value().get("source");
                assertThat(from.get("xid").asText()).isEqualTo(record.xid());
                assertThat(from.get("lsn").asText()).isEqualTo(record.headers().get(Headers.LSN));
            }
        });
    }

    @Test
    void numbersHaveNoGapOverAllTopicsAndNoNumberHasTwoContents() {
        Map<Place, List<String>> contents = new HashMap<>();
        int repeats = 0;
        for (Produced record : records.all().toList()) {
            List<String> first = contents.putIfAbsent(record.place(), record.content());
            if (first != null) {
                repeats++;
                assertThat(record.content()).as("%s again", record.place()).isEqualTo(first);
            }
        }
        assertThat(repeats).as("records that came again").isPositive();

        Map<Long, List<Produced>> epochs =
                records.inOrder().stream().collect(Collectors.groupingBy(r -> r.place().epoch(), TreeMap::new, Collectors.toList()));
        assertThat(epochs).hasSize(2);
        epochs.values().forEach(epoch -> {
            JsonNode start = epoch.get(0).value();
            assertThat(start.path("type").asText()).isEqualTo("epoch");
            assertThat(start.path("epoch").asLong()).isEqualTo(epoch.get(0).place().epoch());
            for (int i = 1; i < epoch.size(); i++) {
                assertThat(epoch.get(i).place().seq()).isEqualTo(epoch.get(i - 1).place().seq() + 1);
            }
        });
        assertThat(epochs.values().iterator().next().get(0).place().seq()).isEqualTo(1);
    }

    @Test
    void transactionsFollowEachOtherWholeAndTheLastRecordCarriesTheEnd() {
        Lsn lastEnd = Lsn.ZERO;
        List<Produced> transaction = new ArrayList<>();
        for (Produced record : records.inOrder()) {
            transaction.add(record);
            assertThat(record.xid()).isEqualTo(transaction.get(0).xid());
            if (record.endsTransaction()) {
                boolean isEpochStart = record.xid().equals("0");
                assertThat(record.end().compareTo(lastEnd)).isGreaterThanOrEqualTo(isEpochStart ? 0 : 1);
                lastEnd = record.end();
                requireOneCommit(transaction, record);
                transaction.clear();
            }
        }
        assertThat(transaction).as("records behind the last end").isEmpty();
    }

    private static void requireOneCommit(List<Produced> transaction, Produced last) {
        Lsn before = Lsn.ZERO;
        for (Produced record : transaction) {
            Lsn lsn = Lsn.parse(record.headers().get(Headers.LSN));
            assertThat(lsn).isGreaterThanOrEqualTo(before).isLessThanOrEqualTo(last.end());
            before = lsn;
            JsonNode committed = record.value().at("/source/ts_us");
            if (!committed.isMissingNode()) {
                assertThat(committed.asText()).isEqualTo(last.headers().get(Headers.COMMITTED));
            }
        }
    }

    @Test
    void theFirstOccurrencesInEachPartitionAreInOrder() {
        records.partitions().forEach((partition, produced) -> {
            if (!partition.topic().equals(topics.checkpoint())) {
                Set<Place> seen = new TreeSet<>();
                List<Place> first = produced.stream().map(Produced::place).filter(seen::add).toList();
                assertThat(first).as(partition.toString()).isSorted();
            }
        });
    }

    @Test
    void theTwoHalvesOfAChangeOfKeyStandSideBySideAndNameEachOther() {
        List<Produced> all = records.inOrder();
        int pairs = 0;
        for (int i = 0; i < all.size(); i++) {
            String newKey = all.get(i).headers().get(Headers.NEW_KEY);
            if (newKey != null) {
                pairs++;
                Produced insert = all.get(i + 1);
                assertThat(insert.place().seq()).isEqualTo(all.get(i).place().seq() + 1);
                assertThat(newKey).isEqualTo(insert.key());
                assertThat(insert.headers().get(Headers.OLD_KEY)).isEqualTo(all.get(i).key());
                assertThat(all.get(i).value().get("op").textValue() + insert.value().get("op").textValue()).isEqualTo("dc");
            }
        }
        assertThat(pairs).isPositive();
    }

    /** A schema that takes everything would prove nothing. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            change-key   | {}
            change-key   | {"id":null}
            change-key   | {"id":1.5}
            change-value | {"before":null,"after":null,"op":"c","source":{"schema":"s","table":"t","lsn":"0/1","xid":7,"ts_us":1}}
            change-value | {"before":null,"after":{"id":1},"op":"r","source":{"schema":"s","table":"t","lsn":"0/1","xid":7,"ts_us":1}}
            change-value | {"before":null,"after":{"id":1},"op":"c","source":{"schema":"s","table":"t","lsn":"0/g","xid":7,"ts_us":1}}
            change-value | {"before":null,"after":{"id":1},"op":"c","source":{"schema":"s","table":"t","lsn":"0/1","ts_us":1}}
            change-value | {"before":{"id":1},"after":null,"op":"d","unchanged":["a"],"source":{"schema":"s","table":"t","lsn":"0/1","xid":7,"ts_us":1}}
            control      | {"type":"marker"}
            control      | {"type":"epoch","epoch":1,"start":"0/1","tables":[]}
            checkpoint   | {"state":"RUNNING","epoch":1,"seq":1,"position":"0/0","systemIdentifier":"1","timeline":1,"tables":["a.b"],"topicIds":{}}
            headers      | {"sluice.epoch":"1","sluice.seq":"01","sluice.lsn":"0/1","sluice.xid":"7"}
            headers      | {"sluice.epoch":"1","sluice.seq":"1","sluice.lsn":"0/1","sluice.xid":"7","sluice.end":"0/2"}
            headers      | {"sluice.epoch":"1","sluice.seq":"1","sluice.lsn":"0/1"}
            """)
    void aSchemaRefusesWhatNoCaptureWrites(String name, String record) {
        assertThat(schema(name).validate(record, InputFormat.JSON)).isNotEmpty();
    }

    private static void requireFit(Schema schema, Produced record, JsonNode json) {
        assertThat(schema.validate(json)).as("%s: %s", record, json).isEmpty();
    }

    private static Schema schema(String name) {
        try (InputStream file = TopicNames.class.getResourceAsStream(name + ".schema.json")) {
            return SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12).getSchema(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Three partitions, and few checkpoints. */
    private static PipelineConfig config(TestDatabase source, List<TableId> tables) {
        PipelineConfig shop = Shop.config(
                source.config("source"), server.config("target", "none"), kafka.bootstrapServers(), tables.stream());
        KafkaConfig one = shop.kafka();
        return new PipelineConfig(
                shop.name(),
                shop.source(),
                shop.target(),
                new KafkaConfig(
                        one.bootstrapServers(),
                        one.topicPrefix(),
                        3,
                        one.replicationFactor(),
                        one.retention(),
                        one.maxRecordBytes(),
                        one.properties()),
                shop.lanes(),
                new CaptureConfig(Duration.ofSeconds(2), Duration.ofMillis(500), Duration.ofMillis(5)),
                shop.apply());
    }

    private static void awaitStreaming(InProcessPipeline pipeline) {
        String walsenders =
                "SELECT count(*) FROM pg_replication_slots JOIN pg_stat_replication ON pid = active_pid WHERE state = 'streaming'";
        pipeline.await("capture streams", () -> pipeline.source().ask(walsenders).equals("1"));
    }

    /** Until a checkpoint covers what the source has written so far. */
    private static void awaitCheckpoint(InProcessPipeline pipeline) {
        Lsn written = Lsn.parse(pipeline.source().ask("SELECT pg_current_wal_insert_lsn()"));
        pipeline.await("a checkpoint beyond " + written, () -> {
            Optional<Checkpoint> last = CheckpointReader.read(pipeline.config(), Shop.LANE);
            return last.isPresent() && last.get().position().compareTo(written) >= 0;
        });
    }
}
