package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.apply.RereadStore;
import dev.sluice.apply.RereadStore.Throttle;
import dev.sluice.config.Databases;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.TableId;
import java.io.IOException;
import java.io.StringReader;
import java.io.StringWriter;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.PGConnection;

/**
 * Rows that fulfil a condition are read while rows in and outside of it are written, come to fulfil it and cease to. In the end
 * they equal the source, and of all others the target has what the stream alone would have made of them.
 */
class RereadWhereIT {
    private static final int ROWS = 1_000;
    private static final int ROWS_OF_A_RANGE = 150;
    private static final int WRITERS = 2;
    private static final long PAUSE_NANOS = 15_000_000;
    private static final String UNIQUE_VIOLATION = "23505";

    /** What each table's key consists of, and which of its rows are read. */
    private static final List<Read> TABLES = List.of(
            new Read("numbers", "id", "n % 3 = 0 AND id < 9000"),
            new Read("texts", "name", "n % 3 = 0"),
            new Read("pairs", "b, a", "n % 3 <> 0 OR a > 1000"),
            new Read("places", "id", "n % 3 = 0"));

    private static final String SCHEMA =
            """
            CREATE TABLE numbers (id bigint PRIMARY KEY, n integer, long text);
            CREATE TABLE texts (name text COLLATE "unicode" PRIMARY KEY, n integer, long text);
            CREATE TABLE pairs (a integer, b numeric(20, 3), n integer, PRIMARY KEY (b, a));
            CREATE TABLE places (id integer PRIMARY KEY, place integer UNIQUE, n integer);
            """;

    /** Above what stays in the row. */
    private static final String LONG = "(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 120))";

    /**
     * What somebody may have made of some rows of a target that had all; long values are right, since the stream does not bring
     * those that stay.
     */
    private static final String DAMAGE =
            """
            DELETE FROM numbers WHERE id % 30 = 0;
            UPDATE numbers SET n = -1 WHERE id % 70 = 10;
            INSERT INTO numbers SELECT -g, 0, 'phantom' FROM generate_series(1, 20) g;
            DELETE FROM texts WHERE n % 4 = 0;
            UPDATE texts SET n = -1 WHERE n % 5 = 0;
            DELETE FROM pairs WHERE n % 7 = 1;
            UPDATE pairs SET n = -3 WHERE n % 7 = 3;
            DELETE FROM places WHERE id % 5 = 0;
            UPDATE places SET n = -1 WHERE id % 5 = 1;
            """;

    private static ThreeServers servers;

    private final long seed = Seed.of(RereadWhereIT.class);

    /**
     * @param key its columns
     * @param condition of the rows that are read
     */
    private record Read(String table, String key, String condition) {
        String keyText() {
            return "concat_ws('/', " + key + ")";
        }

        TableId id() {
            return new TableId("public", table);
        }
    }

    @BeforeAll
    static void takeServers() {
        servers = SharedServers.take();
    }

    @AfterAll
    static void emptyServers() {
        SharedServers.empty();
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void whatFulfilsTheConditionIsReadAndAllElseIsWhatTheStreamMakesOfIt(boolean isEmpty) throws Exception {
        List<TableMapping> tables =
                TABLES.stream().map(table -> TableMapping.identity(table.id(), ThreeServers.LANE)).toList();
        try (InProcessPipeline pipeline = servers.pipeline(isEmpty ? "where_empty" : "where_filled", tables)) {
            pipeline.source().execute(SCHEMA + fill() + touching());
            pipeline.target().execute(SCHEMA + "CREATE SCHEMA sluice");
            if (!isEmpty) {
                copyRows(pipeline);
                pipeline.target().execute(DAMAGE);
            }
            Map<String, Map<String, String>> before = new TreeMap<>();
            TABLES.forEach(table -> before.put(table.table(), rows(pipeline.target(), table, "true")));
            pipeline.startCapture();
            pipeline.await("a slot", () -> !pipeline.source().ask("SELECT slot_name FROM pg_replication_slots"
                    + " WHERE slot_name = '" + pipeline.slot() + "' AND active").isEmpty());
            AtomicBoolean stop = new AtomicBoolean();
            List<CompletableFuture<Void>> writers = new ArrayList<>();
            for (int i = 0; i < WRITERS; i++) {
                Connection connection = pipeline.source().server().connect(pipeline.source().name());
                Random random = new Random(seed * 31 + i);
                writers.add(CompletableFuture.runAsync(() -> write(connection, random, stop)));
            }
            request(pipeline);
            pipeline.startApply();
            RereadTables.awaitDone(pipeline);
            stop.set(true);
            writers.forEach(CompletableFuture::join);
            pipeline.awaitApplied();

            for (Read table : TABLES) {
                assertThat(rows(pipeline.target(), table, "true"))
                        .as(table.table())
                        .isEqualTo(expected(pipeline.source(), table, before.get(table.table())));
            }

            RereadTables.request(pipeline.config(), "resync", "", TABLES.stream().map(Read::id).toList(), 10_000);
            RereadTables.awaitDone(pipeline);
            pipeline.requireEqual();
        }
    }

    /** What was touched, or fulfils the condition, is as at the source; what is left is as it was. */
    private static Map<String, String> expected(TestDatabase source, Read table, Map<String, String> before) {
        Set<String> touched = touched(source, table);
        Map<String, String> expected = new TreeMap<>(before);
        expected.keySet().removeAll(touched);
        expected.putAll(rows(source, table, table.condition()));
        rows(source, table, "true").forEach((key, row) -> {
            if (touched.contains(key)) {
                expected.put(key, row);
            }
        });
        return expected;
    }

    private static Map<String, String> rows(TestDatabase database, Read table, String condition) {
        Map<String, String> rows = new TreeMap<>();
        try (Connection connection = database.server().connect(database.name());
                Statement query = connection.createStatement();
                ResultSet row = query.executeQuery("SELECT %s, md5(t::text) FROM %s AS t WHERE %s"
                        .formatted(table.keyText(), table.table(), condition))) {
            while (row.next()) {
                rows.put(row.getString(1), row.getString(2));
            }
        } catch (SQLException e) {
            throw new AssertionError(e);
        }
        return rows;
    }

    private static Set<String> touched(TestDatabase source, Read table) {
        Set<String> keys = new HashSet<>();
        try (Connection connection = source.server().connect(source.name());
                Statement query = connection.createStatement();
                ResultSet row = query.executeQuery(
                        "SELECT DISTINCT key FROM touched WHERE name = '%s'".formatted(table.table()))) {
            while (row.next()) {
                keys.add(row.getString(1));
            }
        } catch (SQLException e) {
            throw new AssertionError(e);
        }
        return keys;
    }

    /** The source notes the keys of all rows that are written. */
    private static String touching() {
        StringBuilder sql = new StringBuilder("CREATE TABLE touched (name text, key text);");
        for (Read table : TABLES) {
            String old = "concat_ws('/', OLD." + String.join(", OLD.", table.key().split(", ")) + ")";
            sql.append(
                    """
                    CREATE FUNCTION touch_%1$s() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                      IF TG_OP <> 'INSERT' THEN INSERT INTO public.touched VALUES ('%1$s', %2$s); END IF;
                      IF TG_OP <> 'DELETE' THEN INSERT INTO public.touched VALUES ('%1$s', %3$s); END IF;
                      RETURN NULL;
                    END $$;
                    CREATE TRIGGER touched AFTER INSERT OR UPDATE OR DELETE ON %1$s FOR EACH ROW EXECUTE FUNCTION touch_%1$s();
                    """
                            .formatted(table.table(), old, old.replace("OLD.", "NEW.")));
        }
        return sql.toString();
    }

    private static String fill() {
        return """
                INSERT INTO numbers SELECT g * 10, g, %2$s || g FROM generate_series(1, %1$d) g;
                INSERT INTO texts SELECT (ARRAY['a','B','ä','Z','é','_','-','中','😀'])[1 + g %% 9] || g, g, %2$s || g
                  FROM generate_series(1, %1$d) g;
                INSERT INTO pairs SELECT g %% 50, (g / 7.0)::numeric(20, 3), g FROM generate_series(1, %1$d) g;
                INSERT INTO places SELECT g, g, g FROM generate_series(1, %1$d) g;
                """
                .formatted(ROWS, LONG);
    }

    private static void copyRows(InProcessPipeline pipeline) throws SQLException, IOException {
        try (Connection from = pipeline.source().server().connect(pipeline.source().name());
                Connection to = pipeline.target().server().connect(pipeline.target().name())) {
            for (Read table : TABLES) {
                StringWriter rows = new StringWriter();
                from.unwrap(PGConnection.class).getCopyAPI().copyOut("COPY %s TO STDOUT".formatted(table.table()), rows);
                to.unwrap(PGConnection.class)
                        .getCopyAPI()
                        .copyIn("COPY %s FROM STDIN".formatted(table.table()), new StringReader(rows.toString()));
            }
        }
    }

    private static void request(InProcessPipeline pipeline) throws SQLException {
        Throttle limits = new Throttle(OptionalLong.of(ROWS_OF_A_RANGE), OptionalLong.empty(), OptionalLong.empty());
        RereadStore store = new RereadStore(pipeline.config().nameInTarget(pipeline.config().lanes().get(0)));
        try (Connection target = Databases.connect(pipeline.config().target(), "test")) {
            RereadStore.createTables(target);
            for (Read table : TABLES) {
                store.request(target, table.id(), "backfill", table.condition(), limits);
            }
        }
    }

    private static void write(Connection source, Random random, AtomicBoolean stop) {
        try (source;
                Statement statement = source.createStatement()) {
            source.setAutoCommit(false);
            while (!stop.get()) {
                LockSupport.parkNanos(PAUSE_NANOS);
                if (isWritten(statement, random) && random.nextInt(8) > 0) {
                    source.commit();
                } else {
                    source.rollback();
                }
            }
        } catch (SQLException e) {
            throw new AssertionError("a writer failed", e);
        }
    }

    /** False if a random value was one that another row has. */
    private static boolean isWritten(Statement statement, Random random) throws SQLException {
        try {
            for (int i = 1 + random.nextInt(4); i > 0; i--) {
                statement.execute("SELECT pg_advisory_xact_lock(1)"); // one at a time: deadlocks are not what is tried
                statement.execute(change(random));
            }
            return true;
        } catch (SQLException e) {
            if (!UNIQUE_VIOLATION.equals(e.getSQLState())) {
                throw e;
            }
            return false;
        }
    }

    /**
     * Keys that rows with long values have left are not taken again: where the target lacks such a row, a change of its key may
     * find the row that has come after it.
     */
    private static String change(Random random) {
        int g = 1 + random.nextInt(ROWS);
        int h = 1 + random.nextInt(ROWS);
        return switch (random.nextInt(20)) {
            case 0, 1 -> "UPDATE numbers SET n = n + 1 WHERE id = %d".formatted(g * 10);
            case 2 -> "UPDATE numbers SET n = n + 1, long = %s WHERE id = %d".formatted(LONG, g * 10);
            case 3 -> "UPDATE numbers SET id = id + 5 WHERE id = %d".formatted(g * 10);
            case 4 -> "UPDATE numbers SET id = %d, n = n + 1 WHERE id = %d".formatted(h * 10 + 3, g * 10);
            case 5 -> "DELETE FROM numbers WHERE id = %d".formatted(g * 10);
            case 6 -> "INSERT INTO numbers VALUES (%d, %d, %s) ON CONFLICT (id) DO UPDATE SET n = EXCLUDED.n"
                    .formatted(g * 10 + 1, h, LONG);
            case 7 -> "UPDATE texts SET n = n + 1 WHERE n %% %d = 7".formatted(ROWS / 3);
            case 8 -> "UPDATE texts SET name = name || 'x', n = n + 1 WHERE n = %d AND length(name) < 20".formatted(g);
            case 9 -> "DELETE FROM texts WHERE n = %d".formatted(g);
            case 10 -> "INSERT INTO texts VALUES ('é ' || clock_timestamp(), %d, %s)".formatted(h, LONG);
            case 11 -> "UPDATE pairs SET a = (a + 1000) %% 3000 WHERE n = %d".formatted(g);
            case 12 -> "UPDATE pairs SET n = n + 1 WHERE n = %d".formatted(g);
            case 13 -> "DELETE FROM pairs WHERE n = %d".formatted(g);
            case 14 -> "INSERT INTO pairs VALUES (%d, %d, %d) ON CONFLICT DO NOTHING".formatted(g % 50, h / 7, g);
            case 15 -> "UPDATE places SET n = n + 1 WHERE id = %d".formatted(g);
            case 16 -> ("UPDATE places SET place = NULL WHERE id = %1$d; UPDATE places SET place = %1$d, n = n + 1 WHERE id = %2$d"
                            + " AND NOT EXISTS (SELECT 1 FROM places WHERE place = %1$d)")
                    .formatted(g, h);
            case 17 -> "UPDATE places SET id = %d WHERE id = %d".formatted(ROWS + h, g);
            case 18 -> "DELETE FROM places WHERE id = %d".formatted(g);
            default -> "INSERT INTO places VALUES (%d, NULL, %d) ON CONFLICT (id) DO UPDATE SET n = EXCLUDED.n".formatted(g, h);
        };
    }
}
