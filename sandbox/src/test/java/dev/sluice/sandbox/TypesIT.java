package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import dev.sluice.config.KafkaConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.TableId;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * Every type of the server, its arrays, domains, composites and arrays of these: inserted, updated, left untouched out of
 * line, deleted, and as key. Equal means equal texts and equal bytes of the send functions.
 *
 * <p>Both databases have other settings than their sessions are given, so that a text that depends on one of them shows.
 *
 * <p>{@code docs/types.md} is written from what is tried here.
 */
class TypesIT {
    private static final int TYPES_IN_A_TABLE = 10;
    private static final int REPORTED = 20;

    /** What the test's own statements are read with. */
    private static final String PLAIN =
            """
            SET search_path = pg_catalog, ext, types; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = postgres;
            SET TimeZone = 'UTC'; SET extra_float_digits = 3; SET bytea_output = hex; SET xmloption = content;
            SET quote_all_identifiers = off; SET array_nulls = on; SET standard_conforming_strings = on;
            """;

    private static ThreeServers servers;
    private static InProcessPipeline pipeline;
    private static final Map<TestDatabase, Connection> sessions = new HashMap<>();
    private static final List<TriedType> types = new ArrayList<>();
    private static final List<List<TriedType>> groups = new ArrayList<>();
    private static final Map<String, List<String>> keys = new LinkedHashMap<>();
    private static final Set<String> noContrib = new TreeSet<>();
    private static final Map<String, String> sendFunctions = new HashMap<>();

    @BeforeAll
    static void startPipeline() {
        servers = SharedServers.take();
        TestDatabase source = TestDatabase.create(servers.source(), "types");
        TestDatabase target = TestDatabase.create(servers.target(), "types");
        for (TestDatabase side : List.of(source, target)) {
            side.execute(
                    """
                    CREATE SCHEMA ext;
                    CREATE SCHEMA types;
                    CREATE ROLE "Some ""Role\""";
                    CREATE TABLE public."Object 😀" ();
                    CREATE TABLE types."Object 😀" ();
                    CREATE TYPE public."Type" AS ENUM ('x');
                    CREATE TYPE types.mood AS ENUM ('sad', 'ok', 'it''s "great", {really}', '', 'NULL', E'\\\\', '😀');
                    CREATE TYPE types.nothing AS ENUM ();
                    CREATE DOMAIN types.no_nothing AS types.nothing CHECK (VALUE IS NULL);
                    CREATE TYPE types.span AS RANGE (subtype = float8);
                    CREATE TYPE types.words AS RANGE (subtype = text, collation = "C", multirange_type_name = types.words_multirange);
                    CREATE FUNCTION types.function(int, int) RETURNS int LANGUAGE sql AS 'SELECT $1';
                    CREATE FUNCTION public."Function"(int, text, types.mood) RETURNS int LANGUAGE sql AS 'SELECT $1';
                    CREATE OPERATOR types.@#@ (LEFTARG = int, RIGHTARG = int, FUNCTION = types.function);
                    CREATE COLLATION types."Collation" FROM "C";
                    CREATE TEXT SEARCH DICTIONARY types.simply (TEMPLATE = simple);
                    CREATE TEXT SEARCH CONFIGURATION types.words (COPY = simple)""");
        }
        listTypes(source, target);
        String definitions = PLAIN + types.stream().map(TriedType::definitions).collect(Collectors.joining())
                + IntStream.range(0, groups.size()).mapToObj(TypesIT::groupDefinition).collect(Collectors.joining());
        source.execute(definitions);
        target.execute(definitions);
        listKeys(source, target);
        for (TestDatabase side : List.of(source, target)) {
            side.execute("CREATE TABLE types.document (id int PRIMARY KEY, v xml);"
                    + " CREATE TABLE types.large (id int PRIMARY KEY, v bytea, t text, n int); CREATE TABLE types.added (id int PRIMARY KEY, v types.mood, a types.mood[],"
                    + " d types.\"mood domain\" DEFAULT 'ok', n types.nothing, ns types.nothing[], nd types.no_nothing)");
        }
        hostile(source, "DateStyle = 'German'", "IntervalStyle = 'sql_standard'", "TimeZone = 'America/St_Johns'", "extra_float_digits = -15",
                "bytea_output = 'escape'", "xmlbinary = 'hex'", "xmloption = 'document'", "quote_all_identifiers = on", "search_path = types, public, ext");
        hostile(target, "DateStyle = 'SQL, DMY'", "IntervalStyle = 'sql_standard'", "TimeZone = 'Asia/Kathmandu'", "extra_float_digits = -15",
                "bytea_output = 'escape'", "xmlbinary = 'hex'", "xmloption = 'document'", "quote_all_identifiers = on", "array_nulls = off",
                "standard_conforming_strings = off", "search_path = public");
        pipeline = new InProcessPipeline(config(source, target), source, target);
        pipeline.start();
        pipeline.awaitApplied();
    }

    private static void hostile(TestDatabase side, String... settings) {
        for (String setting : settings) {
            side.execute("ALTER DATABASE types SET " + setting);
        }
    }

    private static PipelineConfig config(TestDatabase source, TestDatabase target) {
        List<TableMapping> tables = new ArrayList<>();
        for (String name : query(source, "SELECT relname FROM pg_class WHERE relnamespace = 'types'::regnamespace AND relkind = 'r'"
                + " AND relname NOT LIKE 'Object%' ORDER BY 1")) {
            tables.add(TableMapping.identity(new TableId("types", name), ThreeServers.LANE));
        }
        PipelineConfig config = servers.config("types", source.config("source"), target.config("target"), tables);
        return withRecordsUpTo(config, 32 << 20);
    }

    static PipelineConfig withRecordsUpTo(PipelineConfig config, int bytes) {
        KafkaConfig kafka = config.kafka();
        return new PipelineConfig(
                config.name(), config.source(), config.target(),
                new KafkaConfig(kafka.bootstrapServers(), kafka.topicPrefix(), 1, kafka.replicationFactor(), kafka.retention(), bytes, kafka.properties()),
                config.lanes(), config.capture(), config.apply());
    }

    @AfterAll
    static void stopPipeline() throws SQLException {
        for (Connection session : sessions.values()) {
            session.close();
        }
        if (pipeline != null) {
            pipeline.close();
        }
        SharedServers.empty();
    }

    // ---- what is tried

    /** The server says which types there are, so one that nobody thought of fails. */
    private static void listTypes(TestDatabase source, TestDatabase target) {
        Map<String, List<String>> builtIn = TypeValues.builtIn();
        Set<String> unknown = new TreeSet<>();
        Set<String> seen = new TreeSet<>();
        for (String line : query(source,
                "SELECT typname || '|' || typdelim::text || '|' || CASE WHEN typname LIKE 'reg%' OR typname = 'xml' OR typsend = 0"
                        + " OR (SELECT proargtypes[0] <> t.oid FROM pg_proc p WHERE p.oid = t.typsend) THEN '' ELSE typsend::regproc::text END"
                        + " FROM pg_type t WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype IN ('b', 'r', 'm', 'e', 'd')"
                        + " AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid) ORDER BY typname COLLATE \"C\"")) {
            String[] type = line.split("\\|", -1);
            seen.add(type[0]);
            if (TypeValues.LEFT_OUT.containsKey(type[0])) {
                continue;
            }
            if (!builtIn.containsKey(type[0])) {
                unknown.add(type[0]);
                continue;
            }
            add(type[0], "pg_catalog.\"" + type[0] + "\"", type[1].charAt(0), type[2], builtIn.get(type[0]));
        }
        assertThat(unknown).as("types of the server that nobody has thought of").isEmpty();
        builtIn.forEach((name, values) -> {
            if (!seen.contains(name)) {
                add(name, name, ',', "", values);
            }
        });
        TypeValues.made().forEach((name, values) -> add(name, "types." + name, ',', "", values));
        Set<String> created = new TreeSet<>();
        TypeValues.contrib().forEach((name, values) -> {
            String extension = TypeValues.extension(name);
            if (query(source, "SELECT name FROM pg_available_extensions WHERE name = '" + extension + "'").isEmpty()) {
                noContrib.add(name);
                return;
            }
            if (created.add(extension)) {
                source.execute("CREATE EXTENSION " + extension + " SCHEMA ext");
                target.execute("CREATE EXTENSION " + extension + " SCHEMA ext");
            }
            add(name, "ext." + name, ',', "", values);
        });
        for (int from = 0; from < types.size(); from += TYPES_IN_A_TABLE) {
            groups.add(types.subList(from, Math.min(types.size(), from + TYPES_IN_A_TABLE)));
        }
    }

    private static void add(String name, String sql, char delimiter, String send, List<String> values) {
        types.add(new TriedType(name, sql, delimiter, values));
        if (!send.isEmpty()) {
            sendFunctions.put(name, send);
        }
    }

    /** Long values, and shorter ones than usual, are out of line; every second table has its whole old row in the WAL. */
    private static String groupDefinition(int group) {
        return "CREATE TABLE types.group_%d (id int PRIMARY KEY, touched int, filler text, %s) WITH (toast_tuple_target = 128);\n"
                        .formatted(group, groups.get(group).stream().map(TriedType::columnDefinitions).collect(Collectors.joining(", ")))
                + "ALTER TABLE types.group_%d ALTER filler SET STORAGE EXTERNAL;\n".formatted(group)
                + (group % 2 == 1 ? "ALTER TABLE types.group_%d REPLICA IDENTITY FULL;\n".formatted(group) : "");
    }

    /** A type can be a key if the server makes the table. */
    private static void listKeys(TestDatabase source, TestDatabase target) {
        Map<String, List<String>> candidates = new LinkedHashMap<>();
        Map<String, String> sqlTypes = new HashMap<>();
        for (TriedType type : types) {
            candidates.put(type.name(), type.keys());
            sqlTypes.put(type.name(), type.sql());
        }
        Set<String> inside = Set.of("int4", "text", "numeric", "timestamptz", "bytea", "jsonb", "mood", "float8", "interval", "hstore");
        for (TriedType type : types) {
            if (inside.contains(type.name())) {
                List<String> some = type.keys();
                TriedType shorter = new TriedType(type.name(), type.sql(), type.delimiter(),
                        type.values().stream().filter(value -> value.length() < 100).toList());
                candidates.put(type.name() + "[]", IntStream.range(0, 5).mapToObj(shorter::array).toList());
                sqlTypes.put(type.name() + "[]", type.sql() + "[]");
                candidates.put("domain over " + type.name(), some.stream().map(value -> "(" + value + ")::" + type.domain()).toList());
                sqlTypes.put("domain over " + type.name(), type.domain());
                candidates.put("composite of " + type.name(), IntStream.range(0, 4).mapToObj(shorter::composite).toList());
                sqlTypes.put("composite of " + type.name(), type.composite());
            }
        }
        candidates.forEach((name, values) -> {
            String sql = "CREATE TABLE %s (k %s PRIMARY KEY, i int, n int, long text)".formatted(keyTable(name), sqlTypes.get(name));
            try (Statement statement = session(source).createStatement()) {
                statement.execute(sql);
            } catch (SQLException e) {
                assertThat(e.getSQLState()).as(e.getMessage()).isIn("42704", "42883"); // no order, or none of a part
                return;
            }
            try (Statement statement = session(target).createStatement()) {
                statement.execute(sql);
            } catch (SQLException e) {
                throw new IllegalStateException(name, e);
            }
            keys.put(name, values);
        });
    }

    private static String keyTable(String type) {
        return "types." + TableId.quote("key " + type);
    }

    // ---- the matrix

    @Test
    void everyTypeArrivesAsItWas() {
        run(g -> IntStream.range(0, rows(g)).mapToObj(row ->
                "INSERT INTO types.group_%d VALUES (%d, 0, repeat('filler', 500), %s)".formatted(g, row, groups.get(g).stream()
                        .map(type -> type.row(row)).collect(Collectors.joining(", ")))).collect(Collectors.joining(";\n")));
        requireSame("inserted");

        String groupTables = IntStream.range(0, groups.size()).mapToObj("types.group_%d"::formatted).collect(Collectors.joining(", "));
        read("TRUNCATE " + groupTables, groupTables, 1_000);
        requireSame("read into empty tables");
        read(IntStream.range(0, groups.size())
                .mapToObj(g -> "UPDATE types.group_%1$d AS t SET (%2$s) = (SELECT %2$s FROM types.group_%1$d AS o WHERE o.id = 1 - t.id)"
                        .formatted(g, groups.get(g).stream().flatMap(type -> type.columns().stream()).collect(Collectors.joining(", "))))
                .collect(Collectors.joining(";\n")), groupTables, 1_000);
        requireSame("read over wrong rows");

        run("UPDATE types.group_%1$d SET touched = touched + 1"::formatted);
        requireSame("touched");

        run(g -> {
            String columns = groups.get(g).stream().flatMap(type -> type.columns().stream()).collect(Collectors.joining(", "));
            return "UPDATE types.group_%1$d AS t SET (%2$s) = (SELECT %2$s FROM types.group_%1$d AS o WHERE o.id = (t.id + 1) %% %3$d)"
                    .formatted(g, columns, rows(g));
        });
        requireSame("updated");

        run("UPDATE types.group_%1$d SET id = id + 1000, touched = 7 WHERE id %% 3 = 0"::formatted);
        run("DELETE FROM types.group_%1$d WHERE id %% 2 = 0"::formatted);
        requireSame("moved and deleted");
    }

    @Test
    void everyTypeThatCanBeAKeyIsOne() {
        Map<String, List<String>> statements = new LinkedHashMap<>();
        keys.forEach((name, values) -> {
            String table = keyTable(name);
            int last = values.size() - 1;
            List<String> inserts = new ArrayList<>();
            for (int i = 0; i < last; i++) {
                inserts.add("INSERT INTO %s VALUES (%s, %d, 0, repeat('long', 800)) ON CONFLICT DO NOTHING".formatted(table, values.get(i), i));
            }
            List<String> rewrites = new ArrayList<>();
            for (int i = 0; i < last; i++) {
                rewrites.add("UPDATE %s SET k = %s WHERE %s".formatted(table, values.get(i), is(name, values.get(i))));
            }
            statements.put(name, List.of(
                    String.join(";\n", inserts),
                    "UPDATE %s SET n = n + 1".formatted(table),
                    String.join(";\n", rewrites),
                    "UPDATE %1$s SET k = %2$s, n = 5 WHERE i = 0 AND NOT EXISTS (SELECT FROM %1$s WHERE %3$s)".formatted(
                            table, values.get(last), is(name, values.get(last))),
                    "DELETE FROM %s WHERE i = 1".formatted(table),
                    "INSERT INTO %s VALUES (%s, 0, 9, NULL) ON CONFLICT DO NOTHING".formatted(table, values.get(0))));
        });
        for (int step = 0; step < 6; step++) {
            int now = step;
            commit(statements.values().stream().map(some -> some.get(now)).toList());
            if (step % 2 == 1) {
                requireSameKeys(step);
            }
            if (step == 1) {
                read("", keys.keySet().stream().map(TypesIT::keyTable).collect(Collectors.joining(", ")), 2);
                requireSameKeys(step);
            }
        }
        keys.keySet().forEach(name -> assertThat(count(keyTable(name))).as("rows of " + name).isNotEqualTo("0"));
        commit(keys.keySet().stream().map(name -> "DELETE FROM " + keyTable(name)).toList());
        requireSameKeys(6);
    }

    /** Reads tables from the source, after something was done to the target's. */
    private static void read(String damage, String tables, int rows) {
        List<TableId> ids = Stream.of(tables.split(", (?=types)")).map(TableId::parse).toList();
        try {
            RereadTables.request(pipeline.config(), "resync", damage, ids, rows);
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        }
        RereadTables.awaitDone(pipeline);
    }

    @Test
    void labelsThatAreAddedWhileStreaming() {
        commit(List.of("INSERT INTO types.added (id, v, a, ns) VALUES (1, 'ok', '{ok,sad}', '{NULL,NULL}')"));
        pipeline.requireEqual();
        for (TestDatabase side : List.of(pipeline.target(), pipeline.source())) {
            side.execute("ALTER TYPE types.mood ADD VALUE 'a new, \"label\"' BEFORE 'ok'; ALTER TYPE types.nothing ADD VALUE 'something'");
        }
        commit(List.of(
                "INSERT INTO types.added VALUES (2, 'a new, \"label\"', ARRAY['a new, \"label\"', NULL, 'ok']::types.mood[],"
                        + " 'a new, \"label\"', 'something', '{something}')",
                "UPDATE types.added SET v = 'a new, \"label\"' WHERE id = 1"));
        pipeline.requireEqual();
        assertThat(pipeline.target().ask("SELECT string_agg(v::text, '|') FROM types.added")).isEqualTo("a new, \"label\"|a new, \"label\"");
    }

    @Test
    void tenMegabytes() {
        commit(List.of("INSERT INTO types.large SELECT 1, decode(repeat('00ff5c27', 2621440), 'hex'), NULL, 0",
                "INSERT INTO types.large SELECT 2, NULL, repeat('\"😀\\', 1800000), 0"));
        pipeline.requireEqual();
        assertThat(pipeline.target().ask("SELECT length(v) FROM types.large WHERE id = 1")).isEqualTo("10485760");
        commit(List.of("UPDATE types.large SET n = 1", "UPDATE types.large SET v = v || '\\x01', t = '' WHERE id = 1"));
        pipeline.requireEqual();
        commit(List.of("DELETE FROM types.large"));
        pipeline.requireEqual();
    }

    /** The server prints neither; the rest of the declaration and the document arrive. */
    @Test
    void ofAnXmlDeclarationTheEncodingIsLostAndOneThatSaysNothingMore() {
        commit(List.of("INSERT INTO types.document VALUES (1, '<?xml version=\"1.0\" encoding=\"ISO-8859-1\" standalone=\"yes\"?>\n<a>ü 😀</a>'),"
                + " (2, '<?xml version=\"1.1\" encoding=\"UTF-8\"?><a/>'), (3, '<a>ü</a>'), (4, '<?xml version=\"1.0\"?><a/>')"));
        pipeline.requireEqual();
        assertThat(query(pipeline.source(), "SELECT v::text FROM types.document WHERE id = 1").get(0)).contains("encoding");
        assertThat(query(pipeline.target(), "SELECT v::text FROM types.document ORDER BY id")).containsExactly(
                "<?xml version=\"1.0\" standalone=\"yes\"?>\n<a>ü 😀</a>", "<?xml version=\"1.1\"?><a/>", "<a>ü</a>", "<a/>");
    }

    @Test
    void theTableOfTypesIsWritten() throws IOException {
        Path root = Path.of("").toAbsolutePath();
        while (!Files.isDirectory(root.resolve("docs"))) {
            root = root.getParent();
        }
        Path file = root.resolve("docs/types.md");
        String text = TypesPage.text(types, keys.keySet(), noContrib);
        if (!Files.exists(file) || !Files.readString(file).equals(text)) {
            Files.writeString(file, text);
        }
    }

    // ---- helpers

    /** The server has no equality for a domain over an enum. */
    private static String is(String key, String value) {
        return key.equals("domain over mood") ? "k::types.mood = " + value + "::types.mood" : "k = " + value;
    }

    private static int rows(int group) {
        return Math.max(TriedType.ARRAYS, groups.get(group).stream().mapToInt(type -> type.values().size()).max().orElse(0));
    }

    private static void run(java.util.function.IntFunction<String> statement) {
        commit(IntStream.range(0, groups.size()).mapToObj(statement).toList());
    }

    /** Each in a transaction of its own. */
    private static void commit(List<String> transactions) {
        try (Statement statement = session(pipeline.source()).createStatement()) {
            for (String transaction : transactions) {
                try {
                    statement.execute(transaction);
                } catch (SQLException e) {
                    throw new IllegalStateException(transaction.substring(0, Math.min(200, transaction.length())), e);
                }
            }
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        }
    }

    private static String count(String table) {
        return query(pipeline.source(), "SELECT count(*) FROM " + table).get(0);
    }

    private static void requireSame(String when) {
        pipeline.awaitApplied();
        List<String> problems = new ArrayList<>();
        for (int g = 0; g < groups.size(); g++) {
            List<String> labels = new ArrayList<>();
            List<String> expressions = new ArrayList<>();
            for (TriedType type : groups.get(g)) {
                for (String column : type.columns()) {
                    labels.add(column.replace("\"", "") + " as text");
                    expressions.add("md5(" + column + "::text)");
                }
                String send = sendFunctions.get(type.name());
                if (send != null) {
                    labels.add(type.name() + " as bytes");
                    expressions.add("md5(" + send + "(" + type.column() + "))");
                    labels.add(type.name() + " array as bytes");
                    expressions.add("md5(array_send(" + type.arrayColumn() + "))");
                }
            }
            problems.addAll(compare("types.group_" + g, "id", labels, expressions));
        }
        report(when, problems);
    }

    private static void requireSameKeys(int step) {
        pipeline.awaitApplied();
        List<String> problems = new ArrayList<>();
        for (String name : keys.keySet()) {
            problems.addAll(compare(keyTable(name), "k::text", List.of("key " + name), List.of("md5(ROW(i, n, k::text, md5(long))::text)")));
        }
        report("keys, step " + step, problems);
    }

    private static void report(String when, List<String> problems) {
        if (!problems.isEmpty()) {
            fail("%s: %d differ:%n%s", when, problems.size(),
                    problems.stream().limit(REPORTED).collect(Collectors.joining("\n")));
        }
        pipeline.requireEqual();
    }

    /** Names type and the row that holds the value, never the value. */
    private static List<String> compare(String table, String key, List<String> labels, List<String> expressions) {
        String sql = "SELECT concat_ws('|', md5((%1$s)::text), %2$s, ARRAY[%3$s]) FROM %4$s ORDER BY (%1$s)::text COLLATE \"C\""
                .formatted(key, key.equals("id") ? "id" : "i", String.join(", ", expressions), table);
        List<String> here = query(pipeline.source(), sql);
        List<String> there = query(pipeline.target(), sql);
        List<String> problems = new ArrayList<>();
        if (here.size() != there.size()) {
            problems.add("%s: %d rows at the source, %d in the target".formatted(table, here.size(), there.size()));
            return problems;
        }
        for (int row = 0; row < here.size(); row++) {
            if (!here.get(row).equals(there.get(row))) {
                String[] one = here.get(row).split("[|,]");
                String[] other = there.get(row).split("[|,]");
                for (int i = 2; i < Math.min(one.length, other.length); i++) {
                    if (!one[i].equals(other[i])) {
                        problems.add("%s, row %s".formatted(labels.get(i - 2), one[1]));
                    }
                }
                if (one.length == other.length && !one[0].equals(other[0])) {
                    problems.add("%s: the key of row %d".formatted(table, row));
                }
            }
        }
        return problems;
    }

    /** Stays open, its settings are {@link #PLAIN}. */
    private static Connection session(TestDatabase side) throws SQLException {
        Connection known = sessions.get(side);
        if (known == null) {
            known = side.server().connect(side.name());
            sessions.put(side, known);
            try (Statement set = known.createStatement()) {
                set.execute(PLAIN);
            }
        }
        return known;
    }

    private static List<String> query(TestDatabase side, String sql) {
        try (Statement statement = session(side).createStatement()) {
            List<String> lines = new ArrayList<>();
            try (ResultSet row = statement.executeQuery(sql)) {
                while (row.next()) {
                    lines.add(row.getString(1));
                }
            }
            return lines;
        } catch (SQLException e) {
            throw new IllegalStateException(sql.substring(0, Math.min(300, sql.length())), e);
        }
    }
}
