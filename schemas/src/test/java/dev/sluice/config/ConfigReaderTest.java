package dev.sluice.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.sluice.config.VerifyConfig.Evidence;
import dev.sluice.schemas.TableId;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ConfigReaderTest {

    private static final String SMALLEST =
            """
            pipeline: shop
            source: {host: db1, database: monolith, user: sluice}
            target: {host: db2, database: orders, user: sluice}
            kafka: {bootstrapServers: "kafka:9092"}
            tables: [public.customers]
            """;

    @TempDir
    private Path directory;

    private final Map<String, String> environment = new HashMap<>();

    @Test
    void theSmallestFileIsCompletedByDefaults() {
        PipelineConfig config = read(SMALLEST);

        assertThat(config.source().port()).isEqualTo(5432);
        assertThat(config.source().sslMode()).isEqualTo("prefer");
        assertThat(config.source().password().value()).isEmpty();
        assertThat(config.kafka()).isEqualTo(
                new KafkaConfig("kafka:9092", "shop", 1, -1, Duration.ofDays(7), 16 * 1024 * 1024, Map.of()));
        assertThat(config.lanes()).containsExactly(new LaneConfig("main", "sluice_shop_main", "sluice_shop_main", true,
                List.of(TableMapping.identity(TableId.parse("public.customers"), "main"))));
        assertThat(config.capture())
                .isEqualTo(new CaptureConfig(Duration.ofMillis(250), Duration.ofSeconds(1), Duration.ofMillis(10)));
        assertThat(config.apply())
                .isEqualTo(new ApplyConfig(5000, 8 * 1024 * 1024, Duration.ofMillis(2), Duration.ofMinutes(5), 100));
        assertThat(config.backfill()).isEqualTo(PipelineConfig.Backfill.AUTO);
    }

    @Test
    void everyKeyCanBeSet() {
        PipelineConfig config = read(
                """
                pipeline: shop
                source: {host: db1, port: 6432, database: monolith, user: s, password: p1, sslmode: verify-full,
                         properties: {sslrootcert: /etc/ca.pem, prepareThreshold: 0}}
                target: {host: db2, database: orders, user: t, password: p2}
                kafka:
                  bootstrapServers: k1:9092,k2:9092
                  topicPrefix: cdc.shop
                  partitions: 3
                  replicationFactor: 2
                  retention: PT48H
                  maxRecordBytes: 512KB
                  properties: {security.protocol: SSL}
                lanes:
                  - {name: small, slot: old_slot, publication: old_pub, createPublication: false}
                  - name: large
                tables:
                  - public.customers
                  - source: public.orders
                    target: sales.orders
                    lane: large
                    rename: {cust_id: customer_id}
                    exclude: [internal_note]
                    constants: {origin: monolith}
                capture: {checkpointInterval: 1s, heartbeatInterval: 1m, pollInterval: 10ms}
                apply: {batchRows: 10, batchBytes: 1MB, linger: 0ms, statementTimeout: 30s}
                verify: {evidence: values}
                """);

        assertThat(config.source().properties()).containsEntry("prepareThreshold", "0");
        assertThat(config.topics().control()).isEqualTo("cdc.shop.control");
        assertThat(config.kafka().retention()).isEqualTo(Duration.ofDays(2));
        assertThat(config.kafka().maxRecordBytes()).isEqualTo(512 * 1024);
        assertThat(config.lanes()).extracting(LaneConfig::slot).containsExactly("old_slot", "sluice_shop_large");
        assertThat(config.lanes().get(0).createPublication()).isFalse();
        assertThat(config.lanes().get(1).tables()).containsExactly(new TableMapping(
                TableId.parse("public.orders"), TableId.parse("sales.orders"), "large",
                Map.of("cust_id", "customer_id"), Set.of("internal_note"), Map.of("origin", "monolith")));
        assertThat(config.apply().linger()).isZero();
        assertThat(config.verify().evidence()).isEqualTo(Evidence.VALUES);
    }

    @Test
    void theSampleInDeployIsValid() {
        PipelineConfig config = ConfigReader.read(Path.of("../deploy/pipeline.yml"), Map.of());

        assertThat(config.lanes().get(0).tables()).hasSize(6);
    }

    @Test
    void theEnvironmentOverridesTheFile() throws IOException {
        environment.put("SLUICE_SOURCE_PASSWORD_FILE", Files.writeString(directory.resolve("secret"), "two words\n").toString());
        environment.put("SLUICE_KAFKA_BOOTSTRAP_SERVERS", "other:9093");
        environment.put("SLUICE_APPLY_BATCH_ROWS", "7");
        environment.put("SLUICE_JAVA_OPTS", "-Xmx1g");
        environment.put("HOME", "/root");

        PipelineConfig config = read(SMALLEST);

        assertThat(config.source().password().value()).isEqualTo("two words");
        assertThat(config.kafka().bootstrapServers()).isEqualTo("other:9093");
        assertThat(config.apply().batchRows()).isEqualTo(7);
    }

    @Test
    void theEnvironmentCanGiveWhatTheFileLeavesOut() {
        environment.put("SLUICE_TARGET_HOST", "db2");
        environment.put("SLUICE_TARGET_DATABASE", "orders");
        environment.put("SLUICE_TARGET_USER", "sluice");

        PipelineConfig config = read(SMALLEST.replaceAll("target:.*\n", ""));

        assertThat(config.target().address()).isEqualTo("db2:5432/orders");
    }

    @Test
    void allProblemsAreListedAtOnceWithTheirKeys() {
        environment.put("SLUICE_KAFKA_BOOTSRAP_SERVERS", "other:9093");
        environment.put("SLUICE_APPLY_LINGER", "5");

        assertThat(problems(
                        """
                        pipeline: Shop
                        source: {host: db1, port: 70000, database: monolith, user: 7, pasword: geheim}
                        target: {host: db2, user: sluice}
                        kafka: [a, b]
                        tables: [public.customers, {source: a.b.c, exlude: [x]}]
                        capture: {pollInterval: 2h}
                        colour: blue
                        """))
                .containsExactlyInAnyOrder(
                        "pipeline: must be 1 to 40 of a-z, 0-9 and _, it names the slot; was 'Shop'",
                        "source.port: must be from 1 to 65535, was 70000",
                        "source.user: must be text; put the value in quotes",
                        "source.pasword: unknown key; did you mean 'password'?",
                        "target.database: is required; or set SLUICE_TARGET_DATABASE",
                        "kafka: must hold keys and values, was a list",
                        "kafka.bootstrapServers: is required; or set SLUICE_KAFKA_BOOTSTRAP_SERVERS",
                        "lanes.slot: must be 1 to 63 of a-z, 0-9 and _, as PostgreSQL asks; was 'sluice_Shop_main'",
                        "lanes.publication: must be 1 to 63 of a-z, 0-9 and _, not starting with a digit;"
                                + " was 'sluice_Shop_main'",
                        "tables[1].source: not a table: 'a.b.c'; write schema.table, with double quotes around a name"
                                + " that holds a dot",
                        "tables[1].exlude: unknown key; did you mean 'exclude'?",
                        "capture.pollInterval: must be from 1ms to 1s, was 2h",
                        "colour: unknown key; known here: pipeline, source, target, kafka, lanes, tables, capture, apply, backfill,"
                                + " verify",
                        "SLUICE_KAFKA_BOOTSRAP_SERVERS: unknown variable; did you mean SLUICE_KAFKA_BOOTSTRAP_SERVERS?",
                        "SLUICE_APPLY_LINGER (apply.linger): not a duration: '5'; write a number and its unit,"
                                + " as 250ms, 1s, 5m, 2h or 7d");
    }

    @Test
    void noProblemRepeatsASecret() throws IOException {
        environment.put("SLUICE_TARGET_PASSWORD", "geheim");
        environment.put("SLUICE_TARGET_PASSWORD_FILE", "/run/secrets/none");

        List<String> problems = problems(SMALLEST.replace("user: sluice}", "user: sluice, password: [geheim]}")
                + "apply: {password: geheim}\n");
        List<String> syntax = problems("source: {password: geheim\ntarget: 'x");

        assertThat(problems).hasSize(3).noneMatch(problem -> problem.contains("geheim"));
        assertThat(syntax).singleElement().asString().contains("line 2").contains("not YAML").doesNotContain("geheim");
        assertThat(read(SMALLEST.replace("user: sluice}", "user: sluice, properties: {sslpassword: geheim}}"), Map.of()))
                .asString().doesNotContain("geheim");
    }

    @Test
    void aKeyThatIsThereTwiceIsAProblem() {
        assertThat(problems(SMALLEST + "pipeline: other\n")).singleElement().asString()
                .contains("line 6").containsIgnoringCase("duplicate").contains("pipeline");
    }

    @Test
    void aMissingFileAndAnEmptyOneAreProblems() {
        assertThat(catchThrowableOfType(InvalidConfigException.class,
                        () -> ConfigReader.read(directory.resolve("none.yml"), Map.of())).problems())
                .containsExactly("the file does not exist");
        assertThat(problems("")).contains("pipeline: is required; or set SLUICE_PIPELINE")
                .contains("tables: is required, with at least one table");
    }

    @Test
    void aDirectoryAndAFileThatIsNoTextAreNamed() throws IOException {
        Path binary = Files.write(directory.resolve("binary.yml"), new byte[] {(byte) 0xff, (byte) 0xfe, 0});

        assertThat(catchThrowableOfType(InvalidConfigException.class, () -> ConfigReader.read(directory, Map.of())).problems())
                .singleElement().asString().startsWith("is a directory");
        assertThat(catchThrowableOfType(InvalidConfigException.class, () -> ConfigReader.read(binary, Map.of())).problems())
                .containsExactly("the file is not text in UTF-8");
    }

    @Test
    void tablesAndLanesMustFitTogether() {
        assertThat(problems(
                        SMALLEST.replaceAll("tables:.*\n", "")
                                + """
                                lanes: [{name: one}, {name: two}, {name: one}, {name: three, slot: sluice_shop_one}]
                                tables:
                                  - public.a
                                  - public.a
                                  - {source: public.b, target: public.a}
                                  - {source: public.c, lane: twoo}
                                  - {source: public.d, lane: three, target: sluice.progress}
                                """))
                .containsExactlyInAnyOrder(
                        "lanes[2].name: lane one is already at lanes[0].name; choose another name",
                        "lanes[2].slot: slot sluice_shop_one is already at lanes[0].slot; each lane needs its own",
                        "lanes[2].publication: publication sluice_shop_one is already at lanes[0].publication;"
                                + " each lane needs its own",
                        "lanes[3].slot: slot sluice_shop_one is already at lanes[0].slot; each lane needs its own",
                        "lanes[1]: no table is in lane 'two'; give it tables or leave it out",
                        "tables[1]: source table public.a is already at tables[0]; name each table once",
                        "tables[2].target: target table public.a is already at tables[0];"
                                + " two sources cannot share a target",
                        "tables[3].lane: there is no lane 'twoo'; did you mean 'two'?",
                        "tables[4].target: schema 'sluice' of the target belongs to Sluice; choose another,"
                                + " was sluice.progress");
    }

    @Test
    void columnsOfATableMustFitTogether() {
        assertThat(problems(
                        SMALLEST.replaceAll("tables:.*\n", "")
                                + """
                                tables:
                                  - source: public.a
                                    rename: {x: same, y: same, z: w}
                                    exclude: [z, z]
                                    constants: {w: "1", v: 7}
                                """))
                .containsExactlyInAnyOrder(
                        "tables[0].rename.y: column 'x' is already given the name 'same'; choose another",
                        "tables[0].rename.z: column 'z' is also in exclude; take it out of one of them",
                        "tables[0].exclude[1]: 'z' is there twice; leave one out",
                        "tables[0].constants.w: target column 'w' is filled by source column 'z' through rename;"
                                + " drop one of them",
                        "tables[0].constants.v: must be text; put the value in quotes");
    }

    @Test
    void aTransformedColumnIsKeptWithItsKey() {
        PipelineConfig config = read(SMALLEST.replaceAll("tables:.*\n", "")
                + """
                tables:
                  - public.a
                  - source: public.b
                    exclude: [total]
                    transform: {total: "total * 2", cents: "(total * 100)::bigint"}
                """);

        assertThat(config.lanes().get(0).tables().get(1).transform())
                .containsEntry("total", new TableMapping.Transform("tables[1].transform.total", "total * 2"))
                .containsEntry("cents", new TableMapping.Transform("tables[1].transform.cents", "(total * 100)::bigint"));
    }

    @Test
    void aTransformedColumnMustNotBeFilledOtherwise() {
        assertThat(problems(
                        SMALLEST.replaceAll("tables:.*\n", "")
                                + """
                                tables:
                                  - source: public.a
                                    rename: {x: y}
                                    constants: {k: "1"}
                                    transform: {y: "x || 1", k: "2", empty: " ", number: 7, '%s': "1"}
                                """.formatted("é".repeat(32))))
                .containsExactlyInAnyOrder(
                        "tables[0].transform.y: target column 'y' is filled by source column 'x' through rename; exclude that"
                                + " column, or drop one",
                        "tables[0].transform.k: target column 'k' is filled by constants; drop one of them",
                        "tables[0].transform.empty: must not be empty; write an SQL expression over the source's columns",
                        "tables[0].transform.number: must be text; put the value in quotes",
                        "tables[0].transform.%1$s: a column's name has 1 to 63 bytes, was '%1$s'".formatted("é".repeat(32)));
    }

    @Test
    void aReferenceIsKeptWithItsKey() {
        PipelineConfig config = read(SMALLEST.replaceAll("tables:.*\n", "")
                + """
                tables:
                  - public.customers
                  - source: public.orders
                    references: [{columns: [shop, customer_id], table: customers, key: [shop, id]}]
                """);

        assertThat(config.lanes().get(0).tables().get(1).references()).containsExactly(new TableMapping.Reference(
                "tables[1].references[0]", List.of("shop", "customer_id"), TableId.parse("public.customers"), List.of("shop", "id")));
    }

    @Test
    void aReferenceMustGoToAMappedTableOfItsLaneByColumnsThatTheTargetGets() {
        assertThat(problems(
                        SMALLEST.replaceAll("tables:.*\n", "")
                                + """
                                lanes: [{name: one}, {name: two}]
                                tables:
                                  - {source: public.customers, lane: one, exclude: [code]}
                                  - {source: public.shops, lane: two}
                                  - source: public.orders
                                    exclude: [note]
                                    references:
                                      - {columns: [c], table: public.custmers, key: [id]}
                                      - {columns: [s], table: public.shops, key: [id]}
                                      - {columns: [note], table: public.customers, key: [code]}
                                      - {columns: [a, b], table: public.customers, key: [id]}
                                      - {tabel: public.customers}
                                """))
                .containsExactlyInAnyOrder(
                        "tables[2].references[0].table: no table public.custmers is mapped; did you mean 'public.customers'?",
                        "tables[2].references[1].table: public.shops is in lane 'two' and public.orders in 'one', no order holds"
                                + " between lanes; put both into one",
                        "tables[2].references[2].columns: the target does not get column 'note' of public.orders;"
                                + " take it out of exclude",
                        "tables[2].references[2].key: the target does not get column 'code' of public.customers;"
                                + " take it out of exclude",
                        "tables[2].references[3].key: must have as many columns as columns has, 2, was [id]",
                        "tables[2].references[4].table: is required",
                        "tables[2].references[4].tabel: unknown key; did you mean 'table'?",
                        "tables[2].references[4].columns: is required, with at least one column of this table");
    }

    @Test
    void twoTablesMustNotMeetInOneTopic() {
        assertThat(problems(SMALLEST.replace("[public.customers]", "['public.a-b c', 'public.a-b_u0020c']")))
                .singleElement().asString().startsWith("tables[1]: topic shop.public.a-b_u0020c is already at");
    }

    @Test
    void aStatementMayNotOutlastItsConnection() {
        assertThat(problems(SMALLEST + "apply: {statementTimeout: 10m}\n")).singleElement().asString()
                .startsWith("apply.statementTimeout: must be shorter than a connection waits");
        assertThat(read(SMALLEST.replace("orders, user", "orders, properties: {socketTimeout: 900}, user")
                        + "apply: {statementTimeout: 10m}\n").apply().statementTimeout())
                .isEqualTo(Duration.ofMinutes(10));
    }

    @ParameterizedTest
    @CsvSource({"250ms, PT0.25S", "1s, PT1S", "5m, PT5M", "2h, PT2H", "7d, PT168H", "PT1.5S, PT1.5S"})
    void durationsAreReadWithTheirUnit(String text, Duration duration) {
        assertThat(Units.duration(text)).isEqualTo(duration);
    }

    @ParameterizedTest
    @CsvSource({"16MB, 16777216", "512kB, 524288", "1 GB, 1073741824", "7, 7", "7B, 7"})
    void sizesAreReadInPowersOf1024(String text, long bytes) {
        assertThat(Units.bytes(text)).isEqualTo(bytes);
    }

    @ParameterizedTest
    @ValueSource(strings = {"5", "", "-1s", "1w", "P1Y", "99999999999999999999s", "999999999999999999d", "1.5s"})
    void otherDurationsAreRefused(String text) {
        assertThat(catchThrowableOfType(IllegalArgumentException.class, () -> Units.duration(text)))
                .hasMessageContaining("'" + text + "'");
    }

    private PipelineConfig read(String yaml) {
        return read(yaml, environment);
    }

    private PipelineConfig read(String yaml, Map<String, String> variables) {
        try {
            return ConfigReader.read(Files.writeString(directory.resolve("pipeline.yml"), yaml), variables);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private List<String> problems(String yaml) {
        return catchThrowableOfType(InvalidConfigException.class, () -> read(yaml)).problems();
    }
}
