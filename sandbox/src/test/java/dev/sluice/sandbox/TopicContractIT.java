package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.networknt.schema.InputFormat;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import dev.sluice.capture.CaptureMain;
import dev.sluice.config.CaptureConfig;
import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Databases;
import dev.sluice.config.KafkaConfig;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.process.StopSignal;
import dev.sluice.schemas.Checkpoint;
import dev.sluice.schemas.CheckpointReader;
import dev.sluice.schemas.Headers;
import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.TableId;
import dev.sluice.schemas.TopicNames;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
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
    private static final Duration PATIENCE = Duration.ofSeconds(90);
    private static final ObjectMapper JSON = new ObjectMapper();

    private static PostgresServer source;
    private static KafkaServer kafka;
    private static TopicNames topics;
    /** Everything that was produced: each partition in its order. */
    private static final Map<TopicPartition, List<Produced>> PARTITIONS = new LinkedHashMap<>();

    /** A record of a lane, with what its headers say. */
    private record Produced(ConsumerRecord<byte[], byte[]> kafka, Map<String, String> headers) {
        Place place() {
            return new Place(Long.parseLong(headers.get(Headers.EPOCH)), Long.parseLong(headers.get(Headers.SEQ)));
        }

        boolean endsTransaction() {
            return headers.containsKey(Headers.END);
        }

        Lsn end() {
            return Lsn.parse(headers.get(Headers.END));
        }

        String xid() {
            return headers.get(Headers.XID);
        }

        JsonNode value() {
            return json(kafka.value());
        }

        /** All that two records of one number must share. */
        List<String> content() {
            return List.of(
                    kafka.topic(), String.valueOf(kafka.partition()), text(kafka.key()), text(kafka.value()), headers.toString());
        }
    }

    private record Place(long epoch, long seq) implements Comparable<Place> {
        @Override
        public int compareTo(Place other) {
            return epoch != other.epoch ? Long.compare(epoch, other.epoch) : Long.compare(seq, other.seq);
        }
    }

    @BeforeAll
    static void produce() throws Exception {
        source = Servers.postgres();
        kafka = Servers.kafka();
        source.createDatabase("shop");
        PipelineConfig all = config(Shop.tables());
        topics = all.topics();
        Shop.create(all.source());

        try (Capture capture = new Capture(all)) {
            capture.awaitStreaming();
            try (ShopWorkload shop = ShopWorkload.start(all.source(), ShopWorkload.Plan.of(SEED, 200))) {
                for (int kills = 0; kills < 2; kills++) {
                    awaitTransactions(shop, 150 * (kills + 1));
                    execute(all.source(), "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots");
                    capture.awaitStreaming();
                }
                shop.await();
            }
            for (String rarity : RARITIES) {
                execute(all.source(), rarity);
            }
            capture.awaitCheckpoint();
        }
        try (Capture capture = new Capture(config(Shop.tables().stream().filter(t -> !t.equals(Shop.PAYMENTS)).toList()))) {
            capture.awaitStreaming();
            execute(all.source(), "UPDATE payments SET cleared = NOT cleared; UPDATE orders SET note = 'after'");
            capture.awaitCheckpoint();
        }
        read();
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
        source.close();
    }

    @Test
    void thereAreTheTopicsOfTheContractAndNoOthers() {
        Set<String> expected = new TreeSet<>(Set.of(topics.control(), topics.checkpoint()));
        Shop.tables().forEach(table -> expected.add(topics.change(table)));

        assertThat(PARTITIONS.keySet().stream().map(TopicPartition::topic).collect(Collectors.toSet())).isEqualTo(expected);
    }

    @Test
    void everyChangeFitsItsSchemas() {
        List<Produced> changes = lane().filter(record -> !record.kafka().topic().equals(topics.control())).toList();

        Schema key = schema("change-key");
        Schema value = schema("change-value");
        Set<String> kinds = new TreeSet<>();
        for (Produced change : changes) {
            JsonNode body = change.value();
            requireFit(value, change, body);
            if (change.kafka().key() == null) {
                assertThat(body.get("op").textValue()).isEqualTo("t");
            } else {
                requireFit(key, change, json(change.kafka().key()));
            }
            TableId table = new TableId(
                    body.at("/source/schema").textValue(), body.at("/source/table").textValue());
            assertThat(topics.change(table)).isEqualTo(change.kafka().topic());
            kinds.add(body.get("op").textValue() + (body.has("unchanged") ? "-unchanged" : "")
                    + (body.get("op").textValue().equals("u") && body.get("before").isObject() ? "-before" : ""));
        }
        assertThat(kinds).contains("c", "d", "t", "u", "u-unchanged", "u-before");
    }

    @Test
    void everyControlRecordFitsItsSchema() {
        List<Produced> control = lane().filter(record -> record.kafka().topic().equals(topics.control())).toList();

        Schema schema = schema("control");
        control.forEach(record -> {
            requireFit(schema, record, record.value());
            assertThat(text(record.kafka().key())).isEqualTo(Shop.LANE).isEqualTo(record.headers().get(Headers.LANE));
        });
        assertThat(control.stream().map(record -> record.value().path("content").asText()))
                .contains("in a transaction of its own: \"ä\"", "before a row", "at the end")
                .doesNotContain("in no transaction", "of somebody else");
    }

    @Test
    void everyCheckpointFitsItsSchema() {
        List<Produced> checkpoints = PARTITIONS.get(new TopicPartition(topics.checkpoint(), 0));

        Schema schema = schema("checkpoint");
        checkpoints.forEach(record -> {
            requireFit(schema, record, record.value());
            assertThat(text(record.kafka().key())).isEqualTo(Shop.LANE);
            assertThat(record.headers()).isEmpty();
        });
        assertThat(checkpoints.stream().map(record -> record.value().get("state").textValue())).contains("STARTING", "RUNNING");
    }

    @Test
    void everyRecordOfTheLaneHasTheHeadersOfTheContract() {
        Schema schema = schema("headers");
        lane().forEach(record -> {
            ObjectNode headers = JSON.createObjectNode();
            record.headers().forEach(headers::put);
            requireFit(schema, record, headers);
            boolean isControl = record.kafka().topic().equals(topics.control());
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
        for (Produced record : lane().toList()) {
            List<String> first = contents.putIfAbsent(record.place(), record.content());
            if (first != null) {
                repeats++;
                assertThat(record.content()).as("%s again", record.place()).isEqualTo(first);
            }
        }
        assertThat(repeats).as("records that came again").isPositive();

        Map<Long, List<Produced>> epochs =
                inOrder().stream().collect(Collectors.groupingBy(r -> r.place().epoch(), TreeMap::new, Collectors.toList()));
        assertThat(epochs).hasSize(2);
        epochs.values().forEach(records -> {
            assertThat(records.get(0).value().path("type").asText()).isEqualTo("epoch");
            assertThat(records.get(0).value().path("epoch").asLong()).isEqualTo(records.get(0).place().epoch());
            for (int i = 1; i < records.size(); i++) {
                assertThat(records.get(i).place().seq()).isEqualTo(records.get(i - 1).place().seq() + 1);
            }
        });
        assertThat(epochs.values().iterator().next().get(0).place().seq()).isEqualTo(1);
    }

    @Test
    void transactionsFollowEachOtherWholeAndTheLastRecordCarriesTheEnd() {
        Lsn lastEnd = Lsn.ZERO;
        List<Produced> transaction = new ArrayList<>();
        for (Produced record : inOrder()) {
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
        PARTITIONS.forEach((partition, records) -> {
            if (!partition.topic().equals(topics.checkpoint())) {
                Set<Place> seen = new TreeSet<>();
                List<Place> first = records.stream().map(Produced::place).filter(seen::add).toList();
                assertThat(first).as(partition.toString()).isSorted();
            }
        });
    }

    @Test
    void theTwoHalvesOfAChangeOfKeyStandSideBySideAndNameEachOther() {
        List<Produced> all = inOrder();
        int pairs = 0;
        for (int i = 0; i < all.size(); i++) {
            String newKey = all.get(i).headers().get(Headers.NEW_KEY);
            if (newKey != null) {
                pairs++;
                Produced insert = all.get(i + 1);
                assertThat(insert.place().seq()).isEqualTo(all.get(i).place().seq() + 1);
                assertThat(newKey).isEqualTo(text(insert.kafka().key()));
                assertThat(insert.headers().get(Headers.OLD_KEY)).isEqualTo(text(all.get(i).kafka().key()));
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

    /** Every record of the lane, as often as it was produced. */
    private static Stream<Produced> lane() {
        return PARTITIONS.entrySet().stream()
                .filter(partition -> !partition.getKey().topic().equals(topics.checkpoint()))
                .flatMap(partition -> partition.getValue().stream());
    }

    /** Every record of the lane once, by epoch and number. */
    private static List<Produced> inOrder() {
        Map<Place, Produced> ordered = new TreeMap<>();
        lane().forEach(record -> ordered.putIfAbsent(record.place(), record));
        return List.copyOf(ordered.values());
    }

    private static void requireFit(Schema schema, Produced record, JsonNode json) {
        assertThat(schema.validate(json))
                .as("%s@%d: %s", record.kafka().topic(), record.kafka().offset(), json)
                .isEmpty();
    }

    private static Schema schema(String name) {
        try (InputStream file = TopicNames.class.getResourceAsStream(name + ".schema.json")) {
            return SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12).getSchema(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static JsonNode json(byte[] bytes) {
        try {
            return JSON.readTree(text(bytes));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String text(byte[] bytes) {
        return bytes == null ? "null" : new String(bytes, StandardCharsets.UTF_8);
    }

    private static PipelineConfig config(List<TableId> tables) {
        PipelineConfig shop = Shop.config(
                source.config("source", "shop"), source.config("target", "postgres"), kafka.bootstrapServers(), tables.stream());
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

    private static void awaitTransactions(ShopWorkload shop, long count) throws InterruptedException {
        while (shop.isRunning() && shop.counts().transactions() < count) {
            Thread.sleep(10);
        }
    }

    private static void execute(DatabaseConfig database, String sql) throws SQLException {
        try (Connection connection = Databases.connect(database, "sandbox");
                Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    private static void read() throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", kafka.bootstrapServers());
        settings.put("isolation.level", "read_committed");
        try (Admin admin = Admin.create(settings);
                KafkaConsumer<byte[], byte[]> consumer =
                        new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            admin.describeTopics(admin.listTopics().names().get()).allTopicNames().get().values().forEach(topic ->
                    topic.partitions().forEach(p -> PARTITIONS.put(new TopicPartition(topic.name(), p.partition()), new ArrayList<>())));
            consumer.assign(PARTITIONS.keySet());
            consumer.seekToBeginning(PARTITIONS.keySet());
            Map<TopicPartition, Long> ends = consumer.endOffsets(PARTITIONS.keySet());
            while (ends.entrySet().stream().anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
                consumer.poll(Duration.ofMillis(200)).forEach(record -> PARTITIONS
                        .get(new TopicPartition(record.topic(), record.partition()))
                        .add(new Produced(record, headers(record))));
            }
        }
    }

    private static Map<String, String> headers(ConsumerRecord<byte[], byte[]> record) {
        Map<String, String> headers = new TreeMap<>();
        for (Header header : record.headers()) {
            assertThat(headers.put(header.key(), text(header.value()))).as("header %s twice", header.key()).isNull();
        }
        return headers;
    }

    /** Capture in a thread of this process. */
    private static final class Capture implements AutoCloseable {
        private final PipelineConfig config;
        private final LaneConfig lane;
        private final StopSignal stop = new StopSignal();
        private final CompletableFuture<Void> ended;

        Capture(PipelineConfig config) {
            this.config = config;
            this.lane = config.lanes().get(0);
            this.ended = CompletableFuture.runAsync(
                    () -> CaptureMain.run(config, stop), work -> new Thread(work, "capture").start());
        }

        void awaitStreaming() throws Exception {
            await("SELECT count(*) > 0 FROM pg_replication_slots JOIN pg_stat_replication ON pid = active_pid WHERE state = 'streaming'");
        }

        private void await(String question) throws Exception {
            Instant deadline = Instant.now().plus(PATIENCE);
            try (Connection connection = Databases.connect(config.source(), "sandbox");
                    Statement statement = connection.createStatement()) {
                while (true) {
                    try (ResultSet answer = statement.executeQuery(question)) {
                        answer.next();
                        if (answer.getBoolean(1)) {
                            return;
                        }
                    }
                    requireRunning(question, deadline);
                    Thread.sleep(20);
                }
            }
        }

        /** Until a checkpoint covers what the source has written so far. */
        void awaitCheckpoint() throws Exception {
            Instant deadline = Instant.now().plus(PATIENCE);
            Lsn written;
            try (Connection connection = Databases.connect(config.source(), "sandbox");
                    Statement statement = connection.createStatement();
                    ResultSet answer = statement.executeQuery("SELECT pg_current_wal_insert_lsn()::text")) {
                answer.next();
                written = Lsn.parse(answer.getString(1));
            }
            while (true) {
                Optional<Checkpoint> last = CheckpointReader.read(config, lane.name());
                if (last.isPresent() && last.get().position().compareTo(written) >= 0) {
                    return;
                }
                requireRunning("a checkpoint beyond " + written, deadline);
                Thread.sleep(100);
            }
        }

        private void requireRunning(String waitingFor, Instant deadline) {
            if (ended.isDone()) {
                ended.join();
            }
            assertThat(Instant.now()).as(waitingFor).isBefore(deadline);
        }

        @Override
        public void close() {
            stop.request();
            ended.join();
        }
    }
}
