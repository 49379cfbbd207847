package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.sluice.schemas.Stop;
import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** {@code sluice verify} as its users meet it. */
@ExtendWith(ChildLogs.class)
class VerifyCommandIT {
    private static final String CANARY = "canary-5512";

    private static ThreeServers servers;

    private final Command sluice = new Command();

    @BeforeAll
    static void takeServers() {
        servers = SharedServers.take();
    }

    @AfterAll
    static void emptyServers() {
        SharedServers.empty();
    }

    @Test
    void whatHasDivergedIsNamedRepairedAndInSyncOnlyWhenItWasVerifiedAgain() throws Exception {
        try (Pipeline pipeline = Pipeline.on(servers, "verify").carrying("person", "paper", "bare")) {
            pipeline.onBoth(
                    """
                    CREATE TABLE person (id int PRIMARY KEY, name text);
                    CREATE TABLE paper (year int, no text, title text, PRIMARY KEY (no, year));
                    CREATE TABLE bare (v text);
                    ALTER TABLE bare REPLICA IDENTITY FULL""");
            pipeline.onTarget("ALTER TABLE person ADD COLUMN own text");
            pipeline.startCapture();
            assertThat(sluice.run(pipeline, "verify")).as(sluice.printed()).isNotZero();
            pipeline.startApply();
            pipeline.awaitStreaming();
            pipeline.onSource(
                    """
                    INSERT INTO person SELECT n, 'name ' || n FROM generate_series(1, 500) AS n;
                    INSERT INTO paper VALUES (2026, 'a "b', 'first'), (2026, 'ä', 'second');
                    INSERT INTO bare VALUES ('x'), ('x'), ('y')""");
            pipeline.awaitCaughtUp();

            assertThat(sluice.run(pipeline, "verify")).as(sluice.printed()).isZero();
            assertThat(sluice.out()).containsPattern(
                            "public.person: IN SYNC as of .*Z \\(source position .*\\), 500 rows, 2 of 3 columns compared \\(not: own \\(in the target only\\)\\)")
                    .contains("IN SYNC: 3 tables, 505 rows");

            pipeline.onTarget(
                    """
                    UPDATE person SET name = '%s' WHERE id = 7;
                    DELETE FROM person WHERE id = 8;
                    UPDATE paper SET title = title || ' ' WHERE no = 'ä';
                    UPDATE bare SET v = 'z' WHERE v = 'y'"""
                            .formatted(CANARY));
            assertThat(sluice.run(pipeline, "verify")).isEqualTo(Stop.DIFFERENT.exitCode());
            assertThat(sluice.out()).contains(
                            "public.person: DIVERGED (2 confirmed)",
                            "  differs: id=7 in name: written in the target by another session at ",
                            "  missing in the target: id=8: unexplained (a row that is not there does not tell who deleted it)",
                            "public.paper: DIVERGED (1 confirmed)",
                            "  differs: no=ä, year=2026 in title: written in the target by another session at ",
                            "public.bare: DIVERGED (2 confirmed)", "DIVERGED: 3 of 3 tables", "sluice repair --from-divergences")
                    .doesNotContain(CANARY);
            assertThat(sluice.run(pipeline, "verify", "--table", "person", "-o", "json")).isEqualTo(Stop.DIFFERENT.exitCode());
            JsonNode json = new ObjectMapper().readTree(sluice.out());
            assertThat(json.get("verdict").textValue()).isEqualTo("diverged");
            assertThat(json.get("tables")).hasSize(1);
            JsonNode person = json.get("tables").get(0);
            assertThat(person.get("verdict").textValue()).isEqualTo("diverged");
            assertThat(person.get("confirmed").intValue()).isEqualTo(2);
            assertThat(person.get("rows").intValue()).isEqualTo(500);
            assertThat(person.get("targetRows").intValue()).isEqualTo(499);
            assertThat(person.get("columns").get(2).get("state").textValue()).isEqualTo("in the target only");
            requireEvidence(pipeline, person.get("differences"));

            assertThat(sluice.run(pipeline, "repair", "--from-divergences", "--execute")).as(sluice.printed()).isZero();
            assertThat(pipeline.askTarget("SELECT count(*) FROM sluice.divergence WHERE closed_at IS NULL")).isEqualTo("3");
            assertThat(sluice.run(pipeline, "verify", "--full", "--table", "person", "--table", "paper")).as(sluice.printed()).isZero();
            assertThat(pipeline.askTarget("SELECT count(*) FROM sluice.divergence WHERE closed_at IS NULL")).isEqualTo("0");
            pipeline.onTarget("UPDATE bare SET v = 'y' WHERE v = 'z'");
            pipeline.assertEqual();
        }
    }

    /** Hashes, and no value anywhere. */
    private static void requireEvidence(Pipeline pipeline, JsonNode differences) throws Exception {
        assertThat(differences.toString()).doesNotContain(CANARY);
        assertThat(pipeline.askTarget("SELECT string_agg(d::text, '') FROM sluice.divergence AS d")).doesNotContain(CANARY, "name 7");
        for (JsonNode difference : differences) {
            boolean isThere = difference.get("key").textValue().equals("id=7");
            JsonNode evidence = difference.get("evidence");
            JsonNode written = evidence.path("writtenInTarget");
            assertThat(written.has("committedAt")).isEqualTo(isThere);
            assertThat(difference.get("explanation").textValue()).isEqualTo(
                    isThere
                            ? "written in the target by another session at %s (origin none)"
                                    .formatted(written.get("committedAt").textValue())
                            : "unexplained (a row that is not there does not tell who deleted it)");
            assertThat(evidence.get("sourceSnapshot").textValue()).matches("\\d+:\\d+:[\\d,]*");
            assertThat(evidence.get("sourcePosition").textValue()).matches("[0-9A-F]+/[0-9A-F]+");
            assertThat(evidence.get("targetSeq").longValue()).isGreaterThanOrEqualTo(504);
            assertThat(evidence.get("targetEpoch").longValue()).isPositive();
            JsonNode name = evidence.at("/columns/name");
            assertThat(name.at("/source/sha256").textValue()).matches("[0-9a-f]{16}").isNotEqualTo(name.at("/target/sha256").textValue());
            assertThat(name.at("/source/length").intValue()).isEqualTo(6);
            assertThat(evidence.get("columns")).hasSize(isThere ? 1 : 2);
            assertThat(name.has("target")).isEqualTo(isThere);
            assertThat(evidence.get("lastEvents")).singleElement().satisfies(event -> {
                assertThat(event.get("operation").textValue()).isEqualTo("insert");
                assertThat(event.get("seq").longValue()).isEqualTo(isThere ? 8 : 9);
                assertThat(event.get("lsn").textValue()).matches("[0-9A-F]+/[0-9A-F]+");
                assertThat(event.get("xid").longValue()).isPositive();
                assertThat(Instant.parse(event.get("committedAt").textValue())).isBefore(Instant.now());
            });
        }
        assertThat(new ObjectMapper().readTree(pipeline.askTarget(
                        "SELECT evidence FROM sluice.divergence WHERE source_table = 'person' AND key = '{7}'")))
                .as("what is stored").isEqualTo(differences.get(0).get("evidence"));
    }

    @Test
    void whyARowDiffersIsSaidAndItsValuesAreShownIfTheyMayBe() throws Exception {
        try (Pipeline pipeline = Pipeline.on(servers, "why").settings("verify: {evidence: values}").carrying("thing", "part")) {
            pipeline.onBoth(
                    """
                    CREATE TABLE thing (id int PRIMARY KEY, photo text, price numeric(12,4), at timestamptz, bytes bytea);
                    CREATE TABLE part (id int PRIMARY KEY, v text)""");
            pipeline.startCapture();
            pipeline.startApply();
            pipeline.awaitStreaming();
            pipeline.onSource(
                    """
                    INSERT INTO thing SELECT n, repeat('ü', 2500), 12.3456, '2026-01-02 03:04:05+00', 'x' FROM generate_series(1, 5) AS n;
                    UPDATE thing SET price = 1 WHERE id = 1;
                    UPDATE thing SET price = 2 WHERE id < 3;
                    UPDATE thing SET price = 3 WHERE id = 1;
                    UPDATE thing SET price = 12.3456 WHERE id < 3""");
            pipeline.awaitCaughtUp();
            // in the catalog: ALTER PUBLICATION would take the table out and put it back, which capture calls a hole
            pipeline.onSource(
                    """
                    CREATE PUBLICATION other FOR TABLE part WHERE (id < 100);
                    SET allow_system_table_mods = on;
                    UPDATE pg_publication_rel SET prqual = (
                      SELECT r.prqual FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE p.pubname = 'other')
                    WHERE prrelid = 'part'::regclass;
                    RESET allow_system_table_mods;
                    DROP PUBLICATION other;
                    ALTER TABLE part SET (fillfactor = 90)""");
            pipeline.onSource("INSERT INTO part VALUES (1, 'a'), (100, 'b'), (101, 'c')");
            pipeline.awaitCaughtUp();
            pipeline.onTarget(
                    """
                    UPDATE thing SET photo = '__debezium_unavailable_value' WHERE id = 1;
                    UPDATE thing SET photo = repeat('ü', 1200), bytes = convert_to('__debezium_unavailable_value', 'UTF8') WHERE id = 2;
                    UPDATE thing SET photo = NULL, at = '2026-01-02 03:04:05.000001+00' WHERE id = 3;
                    ALTER TABLE thing ALTER price TYPE numeric(10,2);
                    UPDATE part SET v = 'x'""");

            assertThat(sluice.run(pipeline, "verify")).as(sluice.printed()).isEqualTo(Stop.DIFFERENT.exitCode());
            String drift = "schema drift: price is numeric(12,4) at the source and numeric(10,2) in the target";
            assertThat(sluice.out()).contains(
                    "  differs: id=1 in photo, price: TOAST placeholder in photo",
                    "  differs: id=2 in photo, price, bytes: TOAST placeholder in bytes",
                    "  differs: id=3 in photo, price, at: " + drift,
                    "  differs: id=4 in price: " + drift,
                    "  differs: id=1 in v: written in the target by another session at ",
                    "  missing in the target: id=100: filtered: publication \"sluice_why_main\" sends no rows of it but those"
                            + " WHERE (id < 100)",
                    "  missing in the target: id=101: filtered");
            String shown = "SELECT evidence #>> '{columns,%s}' FROM sluice.divergence WHERE source_table = 'thing' AND key = '{%d}'";
            ObjectMapper json = new ObjectMapper();
            JsonNode photo = json.readTree(pipeline.askTarget(shown.formatted("photo", 2)));
            assertThat(photo.get("source").toString())
                    .isEqualTo("{\"text\":\"%s\",\"cutAt\":1000,\"length\":2500}".formatted("ü".repeat(1000)));
            assertThat(photo.at("/target/length").intValue()).isEqualTo(1200);
            assertThat(pipeline.askTarget(shown.formatted("photo,target", 3))).isEqualTo("null");
            assertThat(pipeline.askTarget(shown.formatted("at,target,text", 3))).isEqualTo("2026-01-02 03:04:05.000001+00");
            assertThat(pipeline.askTarget(shown.formatted("price,source,text", 4))).isEqualTo("12.3456");
            assertThat(pipeline.askTarget(
                            """
                            SELECT string_agg(e ->> 'operation', ' ' ORDER BY n) FROM sluice.divergence,
                              jsonb_array_elements(evidence -> 'lastEvents') WITH ORDINALITY AS of (e, n)
                            WHERE source_table = 'thing' AND key = '{%d}'"""
                                    .formatted(1)))
                    .isEqualTo("update update update");
            assertThat(pipeline.askTarget(
                            "SELECT evidence -> 'lastEvents' || (evidence -> 'lastEventsLookedFor') FROM sluice.divergence"
                                    + " WHERE key = '{100}'"))
                    .isEqualTo("[\"among the last 20,000 records of each partition\"]");

            pipeline.onTarget("ALTER TABLE thing ALTER price TYPE numeric(12,4)");
            assertThat(sluice.run(pipeline, "repair", "--from-divergences", "--execute")).as(sluice.printed()).isZero();
            assertThat(sluice.run(pipeline, "verify")).as(sluice.printed()).isZero();
            pipeline.assertEqual();
        }
    }

    /** Apply itself writes rows that the target changes on their way in, in its own session or in those that read a table again. */
    @Test
    void whoWroteARowInTheTargetIsSaidAsFarAsItIsKnown() {
        try (Pipeline pipeline = Pipeline.on(servers, "who").backfilling().carrying("item")) {
            pipeline.onBoth("CREATE TABLE item (id int PRIMARY KEY, v text)");
            pipeline.onSource("INSERT INTO item SELECT n, 'v' FROM generate_series(1, 100) AS n");
            pipeline.startCapture();
            pipeline.startApply();
            Await.until("the table is read", Duration.ofSeconds(60), () -> pipeline.askTarget(
                                    "SELECT to_regclass('sluice.reread') IS NOT NULL").equals("t")
                    && pipeline.askTarget("SELECT count(*) FROM sluice.reread WHERE state = 'done'").equals("1"));
            pipeline.onTarget(
                    """
                    UPDATE item SET v = 'x' WHERE id = 1;
                    CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.v := 'spoilt'; RETURN NEW; END $$;
                    CREATE TRIGGER spoil BEFORE INSERT OR UPDATE ON item FOR EACH ROW EXECUTE FUNCTION spoil();
                    ALTER TABLE item ENABLE ALWAYS TRIGGER spoil""");
            pipeline.onSource("UPDATE item SET v = 'w' WHERE id = 2");
            pipeline.awaitCaughtUp();
            pipeline.onTarget("ALTER TABLE item DISABLE TRIGGER spoil");
            pipeline.onTarget("SELECT pg_replication_origin_create('who_else'); SELECT pg_replication_origin_session_setup('who_else')");
            pipeline.onTarget("INSERT INTO item VALUES (200, 'new')");
            pipeline.onTarget("SELECT pg_replication_origin_session_reset()");

            assertThat(sluice.run(pipeline, "verify")).as(sluice.printed()).isEqualTo(Stop.DIFFERENT.exitCode());
            assertThat(sluice.out())
                    .containsPattern("differs: id=1 in v: written in the target by another session at .* \\(origin none\\)")
                    .containsPattern("differs: id=2 in v: unexplained \\(apply wrote it last, at .*\\)")
                    .containsPattern("extra in the target: id=200: written in the target by another session at .* \\(origin who_else\\)");

            pipeline.onTarget("ALTER TABLE item ENABLE ALWAYS TRIGGER spoil");
            assertThat(sluice.run(pipeline, "resync", "--table", "item")).as(sluice.printed()).isZero();
            assertThat(sluice.run(pipeline, "verify")).as(sluice.printed()).isEqualTo(Stop.DIFFERENT.exitCode());
            assertThat(sluice.out()).containsPattern(
                    "differs: id=1 in v: unexplained \\(written in the target at .*, when apply did not mark all that it wrote\\)");

            pipeline.onTarget("DROP TRIGGER spoil ON item; DELETE FROM sluice.lane_origin");
            assertThat(sluice.run(pipeline, "verify")).as(sluice.printed()).isEqualTo(Stop.DIFFERENT.exitCode());
            assertThat(sluice.out())
                    .contains("differs: id=1 in v: unexplained (who wrote it is not known, apply writes without a replication origin)");
            assertThat(sluice.run(pipeline, "repair", "--from-divergences", "--execute")).as(sluice.printed()).isZero();
            assertThat(sluice.run(pipeline, "verify")).as(sluice.printed()).isZero();
            pipeline.assertEqual();
        }
    }

    @Test
    void rowsOfDeadLettersAreExplainedAndTablesThatStandStillAreUnknown() {
        String other = "{source: other, references: [{columns: [id], table: person, key: [id]}]}";
        try (Pipeline pipeline = Pipeline.on(servers, "explained").carrying("person", other)) {
            pipeline.onBoth("CREATE TABLE person (id int PRIMARY KEY, name text); CREATE TABLE other (id int PRIMARY KEY, v text)");
            pipeline.onTarget("ALTER TABLE person ADD CONSTRAINT short CHECK (length(name) < 5)");
            pipeline.startCapture();
            pipeline.startApply();
            pipeline.awaitStreaming();
            pipeline.onSource("INSERT INTO person VALUES (1, 'a'), (2, 'much too long'); INSERT INTO other VALUES (1, 'x'), (2, 'p')");
            pipeline.awaitCaughtUp();

            assertThat(sluice.run(pipeline, "verify")).as(sluice.printed()).isEqualTo(Stop.DIFFERENT.exitCode());
            assertThat(sluice.out()).contains("public.person: DIVERGED (1 confirmed, 1 of them held back by dead letters)",
                    "  missing in the target: id=2: dead letter 1 holds it back", "public.other: IN SYNC",
                    "reference public.other (id) → public.person (id): BROKEN (1 rows in the target, 1 of them held back by dead letters)");

            pipeline.onTarget("ALTER TABLE other RENAME COLUMN v TO w");
            pipeline.onSource("INSERT INTO other VALUES (3, 'y')");
            awaitHeld(pipeline, 1);
            assertThat(sluice.run(pipeline, "verify", "--table", "other")).as(sluice.printed()).isEqualTo(Stop.UNKNOWN.exitCode());
            assertThat(sluice.out()).contains("public.other: UNKNOWN (it is held: ", "UNKNOWN: of 1 of 1 tables");

            pipeline.onTarget("ALTER TABLE other RENAME COLUMN w TO v; ALTER TABLE person DROP CONSTRAINT short");
            assertThat(sluice.run(pipeline, "dlq", "replay", "--all", "--execute")).as(sluice.printed()).isZero();
            awaitHeld(pipeline, 0);
            pipeline.awaitCaughtUp();
            assertThat(sluice.run(pipeline, "verify")).as(sluice.printed()).isZero();
            pipeline.assertEqual();

            assertThat(sluice.run(pipeline, "verify", "--table", "nobody")).isEqualTo(Stop.USAGE.exitCode());
            assertThat(sluice.err()).contains("--table nobody: no lane maps it; mapped are [public.other, public.person]");
        }
    }

    @Test
    void referencesThatAreBrokenInTheTargetAloneAreFoundAndHazardsOfACutOverAreNamedBesideTheRows() throws Exception {
        String orders = "{source: orders, target: sales.orders, rename: {customer_id: customer}, references: ["
                + "{columns: [customer_id], table: customers, key: [id]}, {columns: [code], table: customers, key: [code]}]}";
        String notes = "{source: notes, references: [{columns: [customer_id], table: public.customers, key: [id]}]}";
        try (Pipeline pipeline = Pipeline.on(servers, "refers").carrying("customers", orders, "items", notes)) {
            pipeline.onBoth(
                    """
                    CREATE TABLE customers (id serial PRIMARY KEY, code varchar(20), name text);
                    CREATE TABLE items (id int PRIMARY KEY, order_id int, n int UNIQUE);
                    CREATE TABLE notes (customer_id int, v text); ALTER TABLE notes REPLICA IDENTITY FULL;
                    CREATE SCHEMA sales""");
            pipeline.onSource("CREATE TABLE orders (id int PRIMARY KEY, customer_id bigint, code text);"
                    + " ALTER TABLE customers ADD CONSTRAINT one_code UNIQUE (code)");
            pipeline.onTarget("CREATE TABLE sales.orders (id int PRIMARY KEY, customer bigint, code text);"
                    + " ALTER TABLE items ADD CONSTRAINT of_order FOREIGN KEY (order_id) REFERENCES sales.orders");
            pipeline.startCapture();
            Child apply = pipeline.startApply();
            pipeline.awaitStreaming();
            pipeline.onSource(
                    """
                    INSERT INTO customers (code, name) SELECT 'c' || n, 'x' FROM generate_series(1, 50) AS n;
                    INSERT INTO orders SELECT n, n, 'c' || n FROM generate_series(1, 50) AS n;
                    INSERT INTO orders VALUES (200, 999, NULL), (201, NULL, 'nobody'), (301, 70, NULL), (302, 999, NULL);
                    INSERT INTO items SELECT n, n, n FROM generate_series(1, 50) AS n;
                    INSERT INTO notes VALUES (1, 'a'), (1, 'a'), (999, 'b'), (5, 'c')""");
            pipeline.awaitCaughtUp();

            assertThat(sluice.run(pipeline, "verify")).as(sluice.printed()).isZero();
            assertThat(sluice.out()).contains(
                    "reference public.orders (customer_id) → public.customers (id): holds, 3 rows refer to nothing at the source either",
                    "reference public.orders (code) → public.customers (code): holds, 1 rows refer to nothing at the source either",
                    "reference public.notes (customer_id) → public.customers (id): holds, 1 rows refer to nothing at the source either",
                    "foreign key of_order of public.items (order_id) → sales.orders (id): holds\n",
                    "cut-over: sequence public.customers_id_seq is behind the values of public.customers.id; when nobody writes to the"
                            + " source any more: SELECT pg_catalog.setval('\"public\".\"customers_id_seq\"', 50);",
                    "cut-over: unique key one_code of public.customers (code) is there at the source only;"
                            + " CREATE UNIQUE INDEX ON \"public\".\"customers\" (\"code\");",
                    "CUT-OVER: 1 of 1 sequences behind, 1 unique keys missing or not valid",
                    "IN SYNC: 4 tables, 158 rows, 4 references hold");

            apply.pause();
            pipeline.onSource("INSERT INTO customers VALUES (70, 'c70', 'late'); UPDATE orders SET customer_id = 1 WHERE id = 302");
            assertThat(sluice.run(pipeline, "verify", "--table", "orders")).as(sluice.printed()).isEqualTo(Stop.UNKNOWN.exitCode());
            assertThat(sluice.out()).contains(
                    "reference public.orders (customer_id) → public.customers (id): 2 rows in flight, 1 rows refer to nothing at the source either");
            apply.resume();
            pipeline.awaitCaughtUp();
            assertThat(sluice.run(pipeline, "verify", "--table", "orders")).as(sluice.printed()).isZero();

            pipeline.onTarget(
                    """
                    SET session_replication_role = replica;
                    DELETE FROM customers WHERE id = 5; DELETE FROM sales.orders WHERE id = 10;
                    RESET session_replication_role;
                    CREATE UNIQUE INDEX one_code ON customers (code);
                    UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'items_n_key'::regclass;
                    SELECT setval('customers_id_seq', 70)""");
            assertThat(sluice.run(pipeline, "verify")).as(sluice.printed()).isEqualTo(Stop.DIFFERENT.exitCode());
            assertThat(sluice.out()).contains(
                    "reference public.orders (customer_id) → public.customers (id): BROKEN (1 rows in the target), 1 rows refer to nothing",
                    "  refers to nothing in the target: id=5\n",
                    "reference public.orders (code) → public.customers (code): BROKEN (1 rows in the target)",
                    "reference public.notes (customer_id) → public.customers (id): BROKEN (1 rows in the target)",
                    "  refers to nothing in the target: customer_id=5\n",
                    "foreign key of_order of public.items (order_id) → sales.orders (id): BROKEN (1 rows in the target)\n",
                    "  refers to nothing in the target: id=10\n",
                    "cut-over: unique key items_n_key of public.items is not valid",
                    "DIVERGED: 2 of 4 tables; 4 of 4 references broken");
            assertThat(sluice.run(pipeline, "verify", "-o", "json")).isEqualTo(Stop.DIFFERENT.exitCode());
            JsonNode json = new ObjectMapper().readTree(sluice.out());
            assertThat(json.get("references").get(0).get("preExistingAtSource").intValue()).isEqualTo(1);
            assertThat(json.get("references").get(0).get("rows").get(0).textValue()).isEqualTo("id=5");
            assertThat(json.get("uniqueKeys")).hasSize(1);
            assertThat(json.get("sequences")).isEmpty();

            assertThat(sluice.run(pipeline, "repair", "--from-divergences", "--execute")).as(sluice.printed()).isZero();
            assertThat(sluice.run(pipeline, "verify")).as(sluice.printed()).isZero();
            pipeline.assertEqual();

            pipeline.configure("customers", orders.replace("columns: [customer_id]", "columns: [code]"), "items", notes);
            assertThat(sluice.run(pipeline, "verify", "--table", "orders")).as(sluice.printed()).isEqualTo(Stop.UNKNOWN.exitCode());
            assertThat(sluice.out()).contains("UNKNOWN (ERROR: operator does not exist: integer = text)", "; of 1 of 2 references");
            pipeline.configure("customers", orders.replace("[customer_id]", "[custmer_id]").replace("key: [code]", "key: [kode]"), "items", notes);
            assertThat(sluice.run(pipeline, "check")).isNotZero();
            assertThat(sluice.printed()).contains(
                    "has no column 'custmer_id', which tables[1].references[0].columns names",
                    "has no column 'kode', which tables[1].references[1].key names");
        }
    }

    private static void awaitHeld(Pipeline pipeline, int tables) {
        Await.until("%d tables are held".formatted(tables), Duration.ofSeconds(60), () -> pipeline
                .askTarget("SELECT count(*) FROM sluice.held_table")
                .equals(Integer.toString(tables)));
    }

    @Test
    void withoutCaptureNothingIsCalledEqualThatMayNotBeNorWhatTheComparisonDoesNotSee() throws Exception {
        try (Pipeline pipeline = Pipeline.on(servers, "standing").carrying("person", "feeling")) {
            pipeline.onBoth(
                    """
                    CREATE TABLE person (id int PRIMARY KEY, name text);
                    CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
                    CREATE TABLE feeling (id int PRIMARY KEY, m mood)""");
            Child capture = pipeline.startCapture();
            pipeline.startApply();
            pipeline.awaitStreaming();
            pipeline.onSource("INSERT INTO person VALUES (1, 'a'); INSERT INTO feeling VALUES (1, 'happy')");
            pipeline.awaitCaughtUp();
            capture.kill();
            pipeline.onSource("UPDATE person SET name = 'b'");

            assertThat(sluice.run(pipeline, "verify")).as(sluice.printed()).isEqualTo(Stop.UNKNOWN.exitCode());
            assertThat(sluice.out()).contains("public.person: UNKNOWN (the stream does not get to where the source is: capture is down or far behind)");

            pipeline.startCapture();
            pipeline.awaitCaughtUp();
            assertThat(sluice.run(pipeline, "verify")).as(sluice.printed()).isZero();

            pipeline.onBoth(
                    """
                    CREATE FUNCTION lossy(mood) RETURNS text IMMUTABLE STRICT LANGUAGE sql AS
                      $$ SELECT CASE $1 WHEN 'sad' THEN 'sad' ELSE 'ok' END $$;
                    CREATE CAST (mood AS text) WITH FUNCTION lossy(mood)""");
            pipeline.onTarget("UPDATE feeling SET m = 'ok'");
            assertThat(sluice.run(pipeline, "verify", "--table", "feeling", "-o", "json")).isEqualTo(Stop.UNKNOWN.exitCode());
            JsonNode table = new ObjectMapper().readTree(sluice.out()).get("tables").get(0);
            assertThat(table.get("verdict").textValue()).isEqualTo("unknown");
            assertThat(table.get("columns").get(1).get("state").textValue()).isEqualTo("blind");
            assertThat(sluice.run(pipeline, "verify", "--table", "feeling")).isEqualTo(Stop.UNKNOWN.exitCode());
            assertThat(sluice.out()).contains("public.feeling: UNKNOWN (the comparison does not see another label of column m of the source;"
                    + " DROP CAST (public.mood AS text); it takes the place of the type's own text, and 1 more)");
            pipeline.onBoth("DROP CAST (mood AS text)");
            assertThat(sluice.run(pipeline, "verify", "--table", "feeling")).isEqualTo(Stop.DIFFERENT.exitCode());
            pipeline.onTarget("UPDATE feeling SET m = 'happy'");
            pipeline.assertEqual();
        }
    }
}
