package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.reconciler.ComparisonReport;
import dev.sluice.reconciler.ReconcilerMain;
import dev.sluice.reconciler.RowComparison;
import dev.sluice.reconciler.RowDifference;
import dev.sluice.reconciler.RowDifference.Kind;
import dev.sluice.reconciler.TableComparison;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RowComparisonIT {
    private static final TableId TABLE = TableId.parse("t");

    private static PostgresServer server;

    @BeforeAll
    static void startServer() {
        server = Servers.postgres();
        server.createDatabase("source");
        server.createDatabase("target");
    }

    @AfterAll
    static void stopServer() {
        server.close();
    }

    @BeforeEach
    void dropTables() throws SQLException {
        both("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "numeric          | '1.0'                  | '1.00'",
        "numeric          | 'NaN'                  | NULL",
        "float8           | '0'                    | '-0'",
        "float8           | '0.1'                  | 0.1::float8 + 1e-17::float8 + 2e-17::float8",
        "float4           | '1e-45'                | '0'",
        "text             | ''                     | NULL",
        "text             | 'a'                    | 'a '",
        "text             | 'ä'                    | U&'a\\0308'",
        "text             | repeat('x', 1000000)   | repeat('x', 999999) || 'y'",
        "char(5)          | 'ab'                   | 'ac'",
        "timestamptz      | '2026-01-01 00:00:00+00' | '2026-01-01 00:00:00.000001+00'",
        "timestamp        | 'infinity'             | '294276-12-31 23:59:59.999999'",
        "timestamptz      | 'infinity'             | '-infinity'",
        "interval         | '1 day'                | '24 hours'",
        "jsonb            | '{\"a\": 1.0}'         | '{\"a\": 1.00}'",
        "json             | '{\"a\":1}'            | '{\"a\": 1}'",
        "int[]            | '{1,2}'                | '[2:3]={1,2}'",
        "text[]           | '{NULL}'               | '{\"NULL\"}'",
        "bytea            | '\\x00'                | '\\x0000'",
        "uuid             | '00000000-0000-0000-0000-000000000000' | '00000000-0000-0000-0000-000000000001'",
        "boolean          | true                   | false",
        "xml              | '<a/>'                 | '<a></a>'",
        "bit varying      | B'0'                   | B'00'",
        "daterange        | 'empty'                | '[2026-01-01,2026-01-02)'",
        "money            | '1.00'                 | '1.01'",
    })
    void theSmallestDifferenceOfAValueIsFound(String type, String here, String there) throws SQLException {
        both("CREATE TABLE t (id int PRIMARY KEY, v " + type + ", w " + type + ")");
        both("INSERT INTO t VALUES (1, " + here + ", " + there + "), (2, " + there + ", " + here + "), (3, NULL, NULL)");
        assertThat(compare().isEqual()).isTrue();

        target("UPDATE t SET v = " + there + " WHERE id = 1");

        assertThat(compare().differences()).containsExactly(new RowDifference(Kind.DIFFERING, "id=1", List.of("v")));
    }

    @Test
    void missingExtraAndDifferingRowsAreCountedAndTheFirstOfEachAreListed() throws SQLException {
        both("CREATE TABLE t (a text, b int, v text, PRIMARY KEY (a, b))");
        both("INSERT INTO t SELECT chr(96 + n % 5), n, 'v' FROM generate_series(1, 10000) AS n");

        target("DELETE FROM t WHERE b % 100 = 0");
        target("INSERT INTO t VALUES ('Ä', 1, 'v'), ('😀', 1, 'v'), ('｡', 1, 'v'), ('', 1, 'v')");
        target("UPDATE t SET v = NULL WHERE b % 200 = 1");

        TableComparison comparison = compare();
        assertThat(comparison.sourceRows()).isEqualTo(10_000);
        assertThat(comparison.targetRows()).isEqualTo(9_904);
        assertThat(comparison.missing()).isEqualTo(100);
        assertThat(comparison.extra()).isEqualTo(4);
        assertThat(comparison.differing()).isEqualTo(50);
        assertThat(comparison.differences())
                .hasSize(2 * RowComparison.LISTED + 4)
                .contains(new RowDifference(Kind.MISSING, "a=`, b=100", List.of()))
                .contains(new RowDifference(Kind.EXTRA, "a=😀, b=1", List.of()))
                .contains(new RowDifference(Kind.DIFFERING, "a=a, b=1", List.of("v")));
    }

    @Test
    void rowsOfATableWithoutAKeyAreCountedAsOftenAsTheyAreThere() throws SQLException {
        both("CREATE TABLE t (v text)");
        both("INSERT INTO t VALUES ('twice'), ('twice'), (NULL), ('')");
        assertThat(compare().isEqual()).isTrue();

        target("INSERT INTO t VALUES ('twice')");
        target("DELETE FROM t WHERE v = ''");

        TableComparison comparison = compare();
        assertThat(comparison.sourceRows()).isEqualTo(4);
        assertThat(comparison.targetRows()).isEqualTo(4);
        assertThat(comparison.missing()).isEqualTo(1);
        assertThat(comparison.extra()).isEqualTo(1);
    }

    @Test
    void theMappingIsHonoured() throws SQLException {
        source("CREATE TABLE t (id int PRIMARY KEY, old text, secret text, doubled int GENERATED ALWAYS AS (id * 2) STORED)");
        source("INSERT INTO t (id, old, secret) VALUES (1, 'a', 'x'), (2, NULL, 'y')");
        target("CREATE SCHEMA \"other one\"");
        target("CREATE TABLE \"other one\".\"T\" (id int PRIMARY KEY, \"NEW\" text, origin text, at timestamptz, mine int)");
        target("INSERT INTO \"other one\".\"T\" VALUES (1, 'a', 'it''s', '2026-01-01Z', 7), (2, NULL, 'it''s', '2026-01-01Z', 8)");
        TableMapping mapping = new TableMapping(
                TABLE,
                new TableId("other one", "T"),
                "main",
                Map.of("old", "NEW"),
                Set.of("secret"),
                Map.of("origin", "it's", "at", "2026-01-01 01:00:00+01"));

        assertThat(compare(mapping).isEqual()).isTrue();
        assertThat(compare(mapping).notCompared())
                .containsExactly("secret (left out by the mapping)", "doubled (generated, not in the target)", "mine (in the target only)");

        target("UPDATE \"other one\".\"T\" SET origin = 'its' WHERE id = 1");
        target("UPDATE \"other one\".\"T\" SET at = NULL, \"NEW\" = '' WHERE id = 2");

        assertThat(compare(mapping).differences())
                .extracting(RowDifference::toString)
                .containsExactly("differs: id=1 in origin", "differs: id=2 in old, at");
    }

    @Test
    void aMissingColumnIsAnError() throws SQLException {
        source("CREATE TABLE t (id int PRIMARY KEY, v text)");
        target("CREATE TABLE t (id int PRIMARY KEY)");

        assertThatThrownBy(this::compare)
                .isInstanceOf(Failure.Fatal.class)
                .hasMessage("target public.t has no column v");
    }

    @Test
    void typesThatDifferInNameOnlyAreComparedByTheirText() throws SQLException {
        source("CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE t (id int PRIMARY KEY, v mood, n int)");
        target("CREATE TABLE t (id bigint PRIMARY KEY, v text, n numeric)");
        source("INSERT INTO t VALUES (1, 'sad', 5)");
        target("INSERT INTO t VALUES (1, 'sad', 5)");

        assertThat(compare().isEqual()).isTrue();
    }

    @Test
    void sequencesThatAreBehindAreAFindingAndNoRowDifference() throws SQLException {
        both("CREATE TABLE t (id serial PRIMARY KEY, n bigint GENERATED BY DEFAULT AS IDENTITY)");
        source("INSERT INTO t DEFAULT VALUES; INSERT INTO t DEFAULT VALUES; SELECT nextval('t_id_seq')");
        target("INSERT INTO t VALUES (1, 1), (2, 2); SELECT setval('t_n_seq', 5)");

        assertThat(printed(Stop.DIFFERENT)).containsExactly(
                "public.t: equal, 2 rows",
                "EQUAL: 1 tables, 2 rows, every compared column the same",
                "sequence public.t_id_seq: BEHIND the values of public.t.id; at the cutover:"
                        + " SELECT pg_catalog.setval('\"public\".\"t_id_seq\"', 3);",
                "BEHIND: 1 of 2 sequences; the stream moves none");

        target("SELECT pg_catalog.setval('\"public\".\"t_id_seq\"', 3)");
        assertThat(printed(Stop.CLEAN)).endsWith("SEQUENCES: 2, none is behind");

        both("INSERT INTO t (id, n) VALUES (9, 9)"); // larger than the source's sequence knows
        assertThat(printed(Stop.DIFFERENT)).contains(
                "sequence public.t_id_seq: BEHIND the values of public.t.id; at the cutover:"
                        + " SELECT pg_catalog.setval('\"public\".\"t_id_seq\"', 9);");
    }

    private static List<String> printed(Stop expected) {
        StringWriter lines = new StringWriter();
        assertThat(ReconcilerMain.compare(config(TableMapping.identity(TABLE, "main")), new PrintWriter(lines))).isEqualTo(expected);
        return lines.toString().lines().toList();
    }

    private TableComparison compare() {
        return compare(TableMapping.identity(TABLE, "main"));
    }

    private TableComparison compare(TableMapping mapping) {
        ComparisonReport report = new RowComparison(config(mapping)).run();
        return report.tables().get(0);
    }

    private static PipelineConfig config(TableMapping mapping) {
        PipelineConfig shop =
                Shop.config(server.config("source", "source"), server.config("target", "target"), "127.0.0.1:1");
        LaneConfig lane = new LaneConfig("main", "slot", "publication", true, List.of(mapping));
        return new PipelineConfig(
                "test", shop.source(), shop.target(), shop.kafka(), List.of(lane), shop.capture(), shop.apply());
    }

    private static void both(String sql) throws SQLException {
        source(sql);
        target(sql);
    }

    private static void source(String sql) throws SQLException {
        execute("source", sql);
    }

    private static void target(String sql) throws SQLException {
        execute("target", sql);
    }

    private static void execute(String database, String sql) throws SQLException {
        try (Connection connection = server.connect(database);
                Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }
}
