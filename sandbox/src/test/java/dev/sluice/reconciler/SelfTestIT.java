package dev.sluice.reconciler;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.catalog.Catalog;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.TableMapping;
import dev.sluice.reconciler.ComparedColumn.State;
import dev.sluice.sandbox.PostgresServer;
import dev.sluice.sandbox.Servers;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the comparison of living tables sees is asked of real servers, and what it is made not to see is found. */
class SelfTestIT {
    private static final TableId TABLE = TableId.parse("t");
    private static final TableMapping IDENTITY = TableMapping.identity(TABLE, "main");

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
        both("DROP SCHEMA IF EXISTS other CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    }

    @Test
    void changesOfEveryTypeThatServersHaveAreSeenInAnEmptyTableToo() throws SQLException {
        both(
                """
                DO $$ DECLARE
                  one record;
                BEGIN
                  CREATE TABLE t (id int PRIMARY KEY);
                  FOR one IN SELECT format_type(oid, -1) AS name, typname FROM pg_type
                      WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype IN ('b', 'r', 'm') AND typrelid = 0
                        AND (typelem = 0 OR (SELECT e.typrelid = 0 AND e.typtype <> 'p' FROM pg_type e WHERE e.oid = pg_type.typelem))
                        AND typname NOT LIKE 'reg%' AND typname NOT LIKE '\\_reg%' LOOP
                    EXECUTE format('ALTER TABLE t ADD COLUMN %I %s', 'c_' || one.typname, one.name);
                  END LOOP;
                END $$""");

        SelfTest.Result result = test(IDENTITY);

        assertThat(result.unseen()).isEmpty();
        assertThat(result.columns()).hasSizeGreaterThan(130);
        assertThat(names(result, State.UNTESTED)).isEmpty();
        assertThat(names(result, State.NO_SAMPLE)).containsExactlyInAnyOrder(
                "c_aclitem", "c_gtsvector", "c_int2vector", "c_jsonpath", "c_oidvector", "c_pg_brin_bloom_summary",
                "c_pg_brin_minmax_multi_summary", "c_pg_dependencies", "c_pg_mcv_list", "c_pg_ndistinct", "c_pg_node_tree",
                "c_pg_snapshot", "c_refcursor", "c_tid", "c_txid_snapshot");
    }

    @Test
    void changesOfRealValuesAreSeenUnderOtherNamesAndInTypesThatSomebodyHasMade() throws SQLException {
        both(
                """
                CREATE SCHEMA other;
                CREATE EXTENSION citext SCHEMA other; CREATE EXTENSION hstore SCHEMA other;
                CREATE TYPE other.mood AS ENUM ('sad', 'ok', 'happy');
                CREATE TYPE other.pair AS (a int, b text);
                CREATE DOMAIN other.code AS char(5) CHECK (VALUE <> 'no');
                CREATE DOMAIN other.positive AS numeric(12, 2) NOT NULL CHECK (VALUE > 0);
                CREATE DOMAIN other.checked AS other.positive CHECK (VALUE < 1000)""");
        String columns =
                """
                , v varchar(3), c char(5), amount numeric(12, 2), r float4, ratio float8, at timestamp(0), seen timestamptz,
                body jsonb, tags text[], matrix int[], photo bytea, u uuid, ok bool, m other.mood, ms other.mood[], p other.pair,
                code other.code, price other.checked, ci other.citext, h other.hstore, i interval, d date, x xml, nothing text,
                no_pair other.pair, PRIMARY KEY (k, n))""";
        String values =
                """
                , ('%s', 1, 'abc', 'ab', 1.00, 0.1, 'NaN', 'infinity', '2026-01-01Z', '{"a": 1}', '{a,NULL}', '[2:3]={1,2}',
                '\\x00', '00000000-0000-0000-0000-000000000000', true, 'happy', '{sad}', '(1,)', 'x', 5, 'A', 'a=>1', '1 day',
                '2026-01-01', '<a/>', NULL, NULL)""";
        source("CREATE TABLE t (k text, n int" + columns);
        target("CREATE TABLE other.\"T\"\"x\" (k text, \"N n\" int" + columns.replace("n)", "\"N n\")") + ";"
                + " ALTER TABLE other.\"T\"\"x\" ADD COLUMN origin text, ADD COLUMN own int");
        source("INSERT INTO t VALUES " + rows(values));
        target("INSERT INTO other.\"T\"\"x\" VALUES " + rows(values));
        TableMapping mapping = new TableMapping(
                TABLE, new TableId("other", "T\"x"), "main", Map.of("n", "N n"), Set.of("photo"), Map.of("origin", "it's"));

        SelfTest.Result result = test(mapping);

        assertThat(result.unseen()).isEmpty();
        assertThat(names(result, State.UNTESTED)).isEmpty();
        assertThat(names(result, State.NO_SAMPLE)).containsExactly("no_pair");
        assertThat(names(result, State.COMPARED)).contains("k", "n", "code", "price", "ci", "h", "p", "nothing", "origin");
    }

    private static String rows(String values) {
        return (values.formatted("one") + values.formatted("two")).strip().substring(1);
    }

    @Test
    void aCastThatLosesSomethingIsFoundAndItsCureIsNamed() throws SQLException {
        both(
                """
                CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
                CREATE TABLE t (id int PRIMARY KEY, m mood, other text);
                INSERT INTO t VALUES (1, 'sad', 'x'), (2, 'ok', 'y')""");
        assertThat(test(IDENTITY).unseen()).isEmpty();
        target("""
                CREATE FUNCTION lossy(mood) RETURNS text IMMUTABLE STRICT LANGUAGE sql AS
                  $$ SELECT CASE $1 WHEN 'happy' THEN 'ok' WHEN 'ok' THEN 'ok' ELSE 'sad' END $$;
                CREATE CAST (mood AS text) WITH FUNCTION lossy(mood)""");

        SelfTest.Result result = test(IDENTITY);

        assertThat(names(result, State.BLIND)).containsExactly("m");
        assertThat(result.unseen()).containsExactly("the comparison does not see another label of column m of the target;"
                + " DROP CAST (public.mood AS text); it takes the place of the type's own text");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "name::text            | lower(%s)                 | name   | the case of a letter",
        "name::text            | rtrim(%s)                 | name   | a blank at the end",
        "name::text            | left(%s, 100000)          | name   | the last character of a long value",
        "name::text            | coalesce(%s, '')          | name   | NULL in place of",
        "name::text            | 'x'                       | name   | NULL in place of",
        "amount::text          | trim_scale(amount)::text  | amount | a further digit",
        "at                    | date_trunc('second', at)  | at     | a microsecond",
        "ratio                 | ratio + 0                 | ratio  | the sign of zero",
        "body::text            | jsonb_strip_nulls(body)::text | body | a key or a digit",
        "tags::text            | array_to_string(tags, ',')| tags   | a NULL or the lower bound",
        "photo::text           | left(%s, 4)               | photo  | the last bit",
        "took::text            | extract(epoch FROM took)::text | took | a day in place of 24 hours",
        "id::text              | 'x'                       | id     | NULL in place of",
    })
    void anExpressionThatIsBrokenOnPurposeIsFound(String good, String broken, String column, String what) throws SQLException {
        both(
                """
                CREATE TABLE t (id int PRIMARY KEY, name text, amount numeric, at timestamp, ratio float8, body jsonb, tags text[],
                  photo bytea, took interval);
                INSERT INTO t VALUES (1, 'A', 1, '2026-01-01', 1.5, '{}', '{a}', '\\x00', '1 day');
                INSERT INTO t (id, amount) VALUES (2, 2)""");
        String expression = good.replaceFirst("^\\w+", "\"$0\"");
        String other = broken.formatted(expression);

        SelfTest.Result result = test(IDENTITY, sql -> sql.replace(expression, other));

        assertThat(names(result, State.BLIND)).containsExactly(column);
        assertThat(result.unseen()).anySatisfy(unseen -> assertThat(unseen).contains(
                "the comparison does not see " + what, "of column " + column + " of the source"));
        assertThat(result.unseen()).anyMatch(unseen -> unseen.contains("of the target"));
    }

    @Test
    void valuesThatChangeTheirRowsUnseenAreFound() throws SQLException {
        both("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b')");

        SelfTest.Result result = test(IDENTITY, sql -> sql.replace("\"id\"::text", "'x'"));

        assertThat(result.unseen()).contains("the comparison does not see two rows whose values are swapped of the source");
    }

    @Test
    void aColumnThatIsReadTwiceInPlaceOfAnotherIsFound() throws SQLException {
        both("CREATE TABLE t (id int PRIMARY KEY, a text, b text); INSERT INTO t VALUES (1, 'a', 'b')");

        SelfTest.Result result = test(IDENTITY, sql -> sql.replace("\"b\"::text", "\"a\"::text || coalesce(\"b\", '')"));

        assertThat(names(result, State.BLIND)).containsExactly("a", "b");
    }

    @Test
    void tablesWithoutAKeyAreTriedByTheirRowsDigests() throws SQLException {
        both("CREATE TABLE t (v text, n numeric); INSERT INTO t VALUES ('a', 1), ('a', 1)");
        assertThat(test(IDENTITY).unseen()).isEmpty();

        assertThat(test(IDENTITY, sql -> sql.replace("\"v\"::text", "lower(\"v\"::text)")).unseen())
                .anyMatch(unseen -> unseen.contains("the case of a letter of column v"));
    }

    @Test
    void aTypeWhoseStatementsFailIsUntestedWithItsReason() throws SQLException {
        both(
                """
                CREATE TYPE mood AS ENUM ('sad', 'ok');
                CREATE FUNCTION refuses(mood) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
                CREATE CAST (mood AS text) WITH FUNCTION refuses(mood);
                CREATE TABLE t (id int PRIMARY KEY, m mood)""");

        SelfTest.Result result = test(IDENTITY);

        assertThat(result.columns()).filteredOn(column -> column.name().equals("m")).containsExactly(
                new ComparedColumn("m", State.UNTESTED, "could not be tried in the source, SQLSTATE P0001"));
    }

    private static List<String> names(SelfTest.Result result, State state) {
        return result.columns().stream()
                .filter(column -> column.state() == state)
                .map(ComparedColumn::name)
                .collect(Collectors.toList());
    }

    private static SelfTest.Result test(TableMapping mapping) throws SQLException {
        return test(mapping, UnaryOperator.identity());
    }

    private static SelfTest.Result test(TableMapping mapping, UnaryOperator<String> broken) throws SQLException {
        try (Connection source = Snapshots.open(server.config("source", "source"));
                Connection target = Snapshots.open(server.config("target", "target"))) {
            TableShape here = Catalog.read(source, List.of(mapping.source())).get(mapping.source());
            TableShape there = Catalog.read(target, List.of(mapping.target())).get(mapping.target());
            ComparedTable table = new ComparedTable(mapping, here, there);
            long start = System.nanoTime();
            SelfTest.Result result = SelfTest.run(source, table.source().with(broken), target, table.target().with(broken), new HashSet<>());
            System.out.printf("%d columns tried in %d ms%n", result.columns().size(), (System.nanoTime() - start) / 1_000_000);
            return result;
        }
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
