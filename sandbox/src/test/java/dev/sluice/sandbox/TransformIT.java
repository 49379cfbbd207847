package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.preflight.TargetPreflight;
import dev.sluice.process.Finding;
import dev.sluice.reconciler.ComparisonReport;
import dev.sluice.reconciler.RowComparison;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Computed columns come out the same whichever way a row has come, and are refused where that cannot be. */
class TransformIT {
    private static final int ROWS = 600;
    private static final int ROWS_OF_A_RANGE = 150;
    private static final List<TableId> TABLES = List.of(TableId.parse("person"), TableId.parse("bag"), TableId.parse("part"));

    private static ThreeServers servers;

    private final long seed = Seed.of(TransformIT.class);

    @BeforeAll
    static void takeServers() {
        servers = SharedServers.take();
    }

    @AfterAll
    static void emptyServers() {
        SharedServers.empty();
    }

    @Test
    void theStreamComputesFromWhatAChangeSendsAndFromWhatItDoesNot() {
        try (InProcessPipeline pipeline = carrying("transform_stream")) {
            pipeline.start();
            pipeline.awaitApplied();
            pipeline.source().execute(TransformTables.fill(30));
            pipeline.requireEqual();
            assertThat(pipeline.target().ask("SELECT \"full name\" || total_cents || beginning IS NOT NULL FROM people WHERE id = 7"))
                    .isEqualTo("t");

            for (String transaction : List.of(
                    "UPDATE person SET last_name = 'Used' WHERE id < 5",
                    "UPDATE person SET code = 'unused' || id WHERE id < 5",
                    "UPDATE person SET first_name = NULL, total = NULL WHERE id = 6",
                    "UPDATE person SET bio = repeat('b', 9000), last_name = 'one' WHERE id = 7; UPDATE person SET last_name = 'two' WHERE id = 7",
                    "UPDATE person SET memo = repeat('m', 9000) WHERE id = 8; UPDATE person SET note = repeat('n', 9000) WHERE id = 8",
                    // the key changes, and long values with it are not sent
                    "UPDATE person SET id = 108 WHERE id = 8",
                    "UPDATE person SET bio = repeat('c', 9000) WHERE id = 9; UPDATE person SET id = 109 WHERE id = 9",
                    "UPDATE person SET id = 110, last_name = 'moved' WHERE id = 10",
                    // keys change hands
                    "UPDATE person SET id = -1 WHERE id = 11; UPDATE person SET id = 11 WHERE id = 12; UPDATE person SET id = 12 WHERE id = -1",
                    // unique values change hands in a circle: the rows are taken out and put in anew
                    "UPDATE person SET code = CASE id WHEN 13 THEN 'c14' WHEN 14 THEN 'c15' ELSE 'c13' END WHERE id IN (13, 14, 15)",
                    "UPDATE person SET code = CASE id WHEN 16 THEN 'c17' ELSE 'c16' END, last_name = 'circle' WHERE id IN (16, 17)",
                    "DELETE FROM person WHERE id = 18; INSERT INTO person (id, first_name) VALUES (18, 'again')",
                    "DELETE FROM person WHERE id = 19",
                    "INSERT INTO bag VALUES (1, 'p', 1), (1, 'q', 1), (1, 'p', 1), (NULL, NULL, NULL)",
                    "DELETE FROM bag WHERE ctid = (SELECT ctid FROM bag WHERE secret = 'q')",
                    "UPDATE bag SET secret = repeat('s', 9000) WHERE secret = 'p'; UPDATE bag SET n = 2.50 WHERE a = 1",
                    "UPDATE bag SET a = a + 1 WHERE secret LIKE 'sss%'; DELETE FROM bag WHERE a IS NULL",
                    "UPDATE part SET day = 4 WHERE day = 0; UPDATE part SET v = 'w' WHERE day = 1",
                    "UPDATE part SET id = id + 100, v = 'x' WHERE day = 2; DELETE FROM part WHERE day = 3",
                    "TRUNCATE part; INSERT INTO part VALUES (1, 1, 'after', NULL)")) {
                pipeline.source().execute(transaction);
                requireEqual(pipeline, transaction);
            }
        }
    }

    private static void requireEqual(InProcessPipeline pipeline, String after) {
        pipeline.awaitApplied();
        ComparisonReport report = new RowComparison(pipeline.config()).run();
        assertThat(report.isEqual()).as(after + "\n" + String.join("\n", report.lines())).isTrue();
        assertThat(report.lines()).as("computed columns are compared").noneMatch(line -> line.contains("compute"));
    }

    @Test
    void aRowThatTheTargetLacksIsReadFromTheSourceWithWhatIsComputedFromIt() {
        try (InProcessPipeline pipeline = carrying("transform_missing")) {
            pipeline.start();
            pipeline.awaitApplied();
            pipeline.source().execute(TransformTables.fill(10));
            pipeline.awaitApplied();
            pipeline.target().execute("DELETE FROM people; DELETE FROM part");

            pipeline.source().execute("UPDATE person SET last_name = 'x'; UPDATE part SET v = 'y', day = day + 1");

            pipeline.requireEqual();
        }
    }

    @Test
    void aDamagedColumnIsADifferenceAndAResyncMendsIt() throws SQLException {
        try (InProcessPipeline pipeline = carrying("transform_damage")) {
            pipeline.start();
            pipeline.awaitApplied();
            pipeline.source().execute(TransformTables.fill(10));
            pipeline.requireEqual();
            pipeline.target().execute("UPDATE people SET total_cents = -1 WHERE id = 5");
            // unique values that are in each other's way
            pipeline.target().execute("UPDATE people SET digest = CASE id WHEN 3 THEN (SELECT digest FROM people WHERE id = 4)"
                    + " ELSE (SELECT digest FROM people WHERE id = 3) END WHERE id IN (3, 4); CREATE UNIQUE INDEX ON people (digest)");
            assertThat(new RowComparison(pipeline.config()).run().lines()).anyMatch(line -> line.contains("digest"));

            RereadTables.request(pipeline.config(), "resync", "", TABLES, ROWS_OF_A_RANGE);
            RereadTables.awaitDone(pipeline);

            pipeline.requireEqual();
        }
    }

    @Test
    void tablesAreCopiedAndMendedWhileTheSourceIsWrittenTo() throws SQLException {
        try (InProcessPipeline pipeline = carrying("transform_reread")) {
            pipeline.source().execute(TransformTables.fill(ROWS));
            // a row that is read as it is now has values that another one may have until the lane is there
            pipeline.target().execute("CREATE SCHEMA sluice; ALTER TABLE people DROP CONSTRAINT people_code_key");
            pipeline.startCapture();
            pipeline.await("a slot", () -> !pipeline.source().ask("SELECT slot_name FROM pg_replication_slots"
                    + " WHERE slot_name = '" + pipeline.slot() + "' AND active").isEmpty());
            AtomicBoolean stop = new AtomicBoolean();
            List<CompletableFuture<Void>> writers = new ArrayList<>();
            for (int i = 0; i < 2; i++) {
                Connection connection = pipeline.source().server().connect(pipeline.source().name());
                writers.add(CompletableFuture.runAsync(TransformTables.writer(connection, ROWS, seed + i, stop)));
            }
            RereadTables.request(pipeline.config(), "backfill", "", TABLES, ROWS_OF_A_RANGE);
            pipeline.startApply();
            RereadTables.awaitDone(pipeline);
            RereadTables.request(pipeline.config(), "resync", TransformTables.DAMAGE, TABLES, ROWS_OF_A_RANGE);
            RereadTables.awaitDone(pipeline);
            pipeline.awaitApplied(); // and the stream goes on over what was read

            stop.set(true);
            writers.forEach(CompletableFuture::join);
            pipeline.requireEqual();
        }
    }

    private static InProcessPipeline carrying(String name) {
        InProcessPipeline pipeline = servers.pipeline(name, TransformTables.mappings());
        pipeline.source().execute(TransformTables.SOURCE);
        pipeline.target().execute(TransformTables.TARGET);
        return pipeline;
    }

    /** Of types whose texts differ between equal values, or with settings. */
    @Test
    void aRowIsTheSameTextByStreamAndByReread() throws SQLException {
        String columns = "num numeric, f double precision, tz timestamptz, j jsonb, t text, m mood, list integer[], bits bit(3), d date";
        TableMapping mapping = TransformTables.mapping(
                "odd", "odd", Map.of(),
                Set.of("num", "f", "tz", "j", "t", "m", "list", "bits", "d"), Map.of(),
                TransformTables.transforms(
                        "a", "num * 1.00", "b", "f * 3", "c", "tz AT TIME ZONE 'UTC'", "d", "j -> 'a'", "e", "j ? 'a?' OR t LIKE '%?'",
                        "f", "t || E'\\x01?' || \"num\"", "g", "m", "h", "list || 4", "i", "bits || B'1'", "k", "d + id",
                        "l", "CASE WHEN num > 1 THEN NULL ELSE num END", "m", "CASE WHEN abs(f) > 1e-30 THEN f END", "n", "tz"));
        try (InProcessPipeline pipeline = servers.pipeline("transform_odd", List.of(mapping))) {
            pipeline.source().execute("CREATE TYPE mood AS ENUM ('sad', 'o k'); CREATE TABLE odd (id integer PRIMARY KEY, " + columns + ")");
            pipeline.target().execute(
                    """
                    CREATE TYPE mood AS ENUM ('sad', 'o k');
                    CREATE TABLE odd (id integer PRIMARY KEY, a numeric, b double precision, c timestamp, d jsonb, e boolean, f text,
                        g mood, h integer[], i varbit, k date, l numeric(30,10), m real, n timestamptz(0))""");
            pipeline.start();
            pipeline.awaitApplied();
            pipeline.source().execute(
                    """
                    INSERT INTO odd VALUES
                      (1, 1.10, 0.1, '2026-01-01 00:00:00.999999+05', '{"a": 1.00, "b": null}', E'tab\\t \\u0001 \\\\ "quote" '' 😀', 'o k', '{1,NULL}', '101', 'infinity'),
                      (2, 'NaN', '-0', '-infinity', '{"a?": [1, "x"]}', '', 'sad', '{}', '000', '4713-01-01 BC'),
                      (3, 1e-20, '4.9e-324', '0044-03-15 12:00:00+00 BC', 'null', 'what?', NULL, '{{1,2},{3,4}}', NULL, NULL),
                      (4, 12345678901234567890.12345, 'NaN', NULL, '[]', repeat('long', 5000), NULL, NULL, NULL, '2026-01-01'),
                      (5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)""".replace("{{1,2},{3,4}}", "{9}"));
            pipeline.requireEqual();
            String text = "SELECT string_agg(odd::text, E'\\n' ORDER BY id) FROM odd";
            String byStream = pipeline.target().ask(text);

            RereadTables.request(pipeline.config(), "resync", "DELETE FROM odd", List.of(TableId.parse("odd")), 2);
            RereadTables.awaitDone(pipeline);

            assertThat(pipeline.target().ask("SELECT count(*) FROM odd")).isEqualTo("5");
            assertThat(pipeline.target().ask(text)).isEqualTo(byStream);
            pipeline.requireEqual();
        }
    }

    @Test
    void aSourceColumnThatIsRenamedHoldsTheTableAlone() {
        try (InProcessPipeline pipeline = carrying("transform_renamed")) {
            pipeline.start();
            pipeline.awaitApplied();
            pipeline.source().execute(TransformTables.fill(10));
            pipeline.awaitApplied();

            pipeline.source().execute("ALTER TABLE person RENAME COLUMN first_name TO given_name; UPDATE person SET total = 1");
            pipeline.await("the table is held", () -> pipeline.target().ask("SELECT count(*) FROM sluice.held_table").equals("1"));

            assertThat(pipeline.target().ask("SELECT reason FROM sluice.held_table"))
                    .contains("first_name", "tables[0].transform.full name", "given_name");
            pipeline.source().execute("UPDATE part SET v = 'goes on'");
            pipeline.awaitApplied();
            assertThat(pipeline.target().ask("SELECT count(*) FROM part WHERE label LIKE '%goes on'")).isEqualTo("10");
            pipeline.stopApply();
            pipeline.source().execute("UPDATE part SET v = 'after a start'");
            pipeline.startApply();
            pipeline.awaitApplied();
            assertThat(pipeline.target().ask("SELECT count(*) FROM part WHERE label LIKE '%after a start'")).isEqualTo("10");
            pipeline.stopApply();

            List<TableMapping> cured = new ArrayList<>(pipeline.config().lanes().get(0).tables());
            TableMapping before = cured.get(0);
            Map<String, TableMapping.Transform> transform = new java.util.LinkedHashMap<>(before.transform());
            transform.putAll(TransformTables.transforms("full name", "coalesce(given_name, '?') || ' ' || coalesce(last_name, '')"));
            cured.set(0, TransformTables.mapping("person", "people", Map.of(), Set.of("given_name", "last_name", "bio"),
                    before.constants(), transform));
            PipelineConfig config = servers.config(
                    "transform_renamed", pipeline.config().source(), pipeline.config().target(), cured);
            pipeline.startApply(config);
            pipeline.await("the table has caught up", () -> pipeline.target().ask("SELECT count(*) FROM sluice.held_table").equals("0"));
            pipeline.awaitApplied();
            assertThat(new RowComparison(config).run().lines()).noneMatch(line -> line.contains("DIFFERENT"));
        }
    }

    @Test
    void aSourceColumnOfAnotherTypeHoldsTheTableOrIsTaken() {
        try (InProcessPipeline pipeline = carrying("transform_retyped")) {
            pipeline.start();
            pipeline.awaitApplied();
            pipeline.source().execute(TransformTables.fill(10));
            pipeline.awaitApplied();

            pipeline.source().execute("ALTER TABLE bag ALTER n TYPE text USING 'many ' || n; UPDATE bag SET a = a + 1");
            pipeline.await("the table is held", () -> pipeline.target().ask("SELECT count(*) FROM sluice.held_table").equals("1"));

            assertThat(pipeline.target().ask("SELECT reason FROM sluice.held_table")).contains("tables[0].transform.doubled", "n * 2");
            pipeline.source().execute("UPDATE part SET v = 'goes on'");
            pipeline.awaitApplied();
            assertThat(pipeline.target().ask("SELECT count(*) FROM part WHERE label LIKE '%goes on'")).isEqualTo("10");
        }
    }

    @Test
    void expressionsThatWouldNotComeOutTheSameAreRefused() throws SQLException {
        TestDatabase source = TestDatabase.create(servers.source(), "transform_check");
        TestDatabase target = TestDatabase.create(servers.target(), "transform_check");
        source.execute("CREATE SCHEMA own; CREATE TYPE own.kind AS ENUM ('k'); CREATE TABLE t (id integer PRIMARY KEY, a text, n integer,"
                + " at timestamptz, k own.kind, g integer GENERATED ALWAYS AS (id + 1) STORED)");
        target.execute("CREATE TABLE t (id integer PRIMARY KEY, a text, n integer, at timestamptz, x text, y integer,"
                + " z integer GENERATED ALWAYS AS (1) STORED); CREATE TABLE victim (id integer)");

        assertThat(check(source, target, "x", "a || n", "y", "n * 2")).isEmpty();
        assertThat(check(source, target, "x", "a -- \" ' ) comment")).isEmpty();
        assertThat(check(source, target, "x", "a || random()")).singleElement().asString()
                .contains("tables[0].transform.x", "\"a || random()\"", "not immutable", "use immutable functions only");
        assertThat(check(source, target, "x", "at::text")).singleElement().asString().contains("not immutable");
        assertThat(check(source, target, "x", "now()::text")).singleElement().asString().contains("not immutable");
        assertThat(check(source, target, "x", "b || a")).singleElement().asString()
                .contains("column \"b\" does not exist", "id, a, n, at, k, g");
        assertThat(check(source, target, "x", "k::text")).singleElement().asString()
                .contains("column \"k\" does not exist", "'k' is \"own\".\"kind\", a type that the target does not have");
        assertThat(check(source, target, "y", "a")).singleElement().asString()
                .contains("is of type integer but", "cast the expression");
        assertThat(check(source, target, "x", "(SELECT a)")).singleElement().asString().contains("subquery");
        assertThat(check(source, target, "x", "max(a)")).singleElement().asString().contains("aggregate");
        assertThat(check(source, target, "x", "tableoid::text")).singleElement().asString().contains("tableoid");
        assertThat(check(source, target, "x", "g::text")).singleElement().asString().contains("'g' is generated at the source");
        assertThat(check(source, target, "x", "$1")).singleElement().asString().contains("tables[0].transform.x");
        assertThat(check(source, target, "missing", "a")).singleElement().asString().contains("no column 'missing'", "ADD COLUMN");
        assertThat(check(source, target, "z", "n")).singleElement().asString().contains("generated by the target");
        assertThat(check(source, target, "id", "n")).singleElement().asString().contains("'id' is of the key");
        assertThat(check(source, target, "a", "n::text")).singleElement().asString()
                .contains("source column 'a' would be written to 'a' too", "exclude 'a'");
        for (String breakOut : List.of(
                "a) STORED); DROP TABLE victim; --",
                "a) STORED); DROP TABLE victim; CREATE TEMP TABLE o (i int GENERATED ALWAYS AS (1",
                "a) STORED, more integer GENERATED ALWAYS AS (1",
                "a; DROP TABLE victim",
                "a) STORED) /*",
                "'")) {
            assertThat(check(source, target, "x", breakOut)).as(breakOut).isNotEmpty();
        }
        assertThat(target.ask("SELECT to_regclass('victim')")).isEqualTo("victim");
    }

    private static List<String> check(TestDatabase source, TestDatabase target, String... columnsAndExpressions) throws SQLException {
        TableMapping mapping = TransformTables.mapping(
                "t", "t", Map.of(), Set.of("k", "g"), Map.of(), TransformTables.transforms(columnsAndExpressions));
        PipelineConfig config = new PipelineConfig(
                "findings", source.config("source"), target.config("target"), null,
                List.of(new LaneConfig("main", "s", "p", true, List.of(mapping))), null, null);
        try (Connection from = source.server().connect(source.name());
                Connection to = target.server().connect(target.name())) {
            return TargetPreflight.findings(Optional.of(from), to, config, config.lanes().get(0)).stream()
                    .filter(finding -> finding.level() == Finding.Level.ERROR)
                    .map(finding -> finding.problem() + "; " + finding.cure())
                    .toList();
        }
    }
}
