package dev.sluice.sandbox;

import dev.sluice.apply.RereadStore;
import dev.sluice.apply.RereadStore.Throttle;
import dev.sluice.config.Databases;
import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.OptionalLong;
import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;

/**
 * Tables with keys of every kind, and sessions that write to all of them: changed keys, values that change hands, rollbacks,
 * long values that stay, truncations.
 *
 * <p>Threads: each session has its own.
 */
final class RereadTables {
    static final List<TableId> ALL = List.of(
                    "numbers", "texts", "uuids", "pairs", "decimals", "handed", "parents", "children", "parts", "bags", "empties",
                    "emptied")
            .stream()
            .map(name -> new TableId("public", name))
            .toList();

    static final String SCHEMA =
            """
            CREATE TABLE numbers (id bigint PRIMARY KEY, n integer, long text, note text);
            CREATE TABLE texts (name text COLLATE "unicode" PRIMARY KEY, n integer, long text);
            CREATE TABLE uuids (id uuid PRIMARY KEY, n integer);
            CREATE TABLE pairs (a integer, b text COLLATE "und-x-icu", n integer, PRIMARY KEY (b, a));
            CREATE TABLE decimals (id numeric PRIMARY KEY, n integer);
            CREATE TABLE handed (id integer PRIMARY KEY, place integer UNIQUE, n integer);
            CREATE TABLE parents (id integer PRIMARY KEY, n integer);
            CREATE TABLE children (id integer PRIMARY KEY, parent integer REFERENCES parents ON DELETE CASCADE, n integer);
            CREATE TABLE parts (id integer, day integer, n integer, PRIMARY KEY (id, day)) PARTITION BY LIST (day);
            CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (0, 1, 2);
            CREATE TABLE parts_2 PARTITION OF parts DEFAULT;
            CREATE TABLE bags (a integer, b text);
            ALTER TABLE bags REPLICA IDENTITY FULL;
            CREATE TABLE empties (id integer PRIMARY KEY, n integer);
            CREATE TABLE emptied (id integer PRIMARY KEY, n integer);
            """;

    /** What somebody may have done to the target. */
    static final String DAMAGE =
            """
            SET session_replication_role = replica;
            DELETE FROM numbers WHERE id % 3 = 0;
            UPDATE numbers SET note = 'wrong', long = 'wrong' WHERE id % 7 = 1;
            INSERT INTO numbers SELECT -g, 0, 'phantom', NULL FROM generate_series(1, 50) g ON CONFLICT DO NOTHING;
            UPDATE texts SET n = -1 WHERE n % 5 = 0;
            INSERT INTO texts SELECT 'ö phantom ' || g, g FROM generate_series(1, 50) g ON CONFLICT DO NOTHING;
            DELETE FROM uuids;
            DELETE FROM pairs WHERE a % 2 = 0;
            INSERT INTO decimals SELECT g + 0.125, 0 FROM generate_series(1, 50) g ON CONFLICT DO NOTHING;
            UPDATE handed SET place = NULL;
            UPDATE handed SET place = 100000 - id;
            INSERT INTO handed SELECT 50000 + g, g FROM generate_series(1, 300) g ON CONFLICT DO NOTHING;
            DELETE FROM children WHERE id % 2 = 0;
            UPDATE children SET parent = 1 WHERE id % 3 = 0;
            DELETE FROM parents WHERE id % 4 = 0;
            UPDATE parts SET n = -1 WHERE id % 3 = 0;
            DELETE FROM bags WHERE a < 50;
            INSERT INTO bags VALUES (1, 'phantom'), (1, 'phantom');
            INSERT INTO empties VALUES (-1, -1) ON CONFLICT DO NOTHING;
            INSERT INTO emptied SELECT -g, -1 FROM generate_series(1, 50) g ON CONFLICT DO NOTHING;
            """;

    /** So few rows to a range that there are many of them. */
    static final int ROWS_OF_A_RANGE = 700;

    /** Above what stays in the row. */
    private static final String LONG = "(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 120))";

    /** Between transactions: what is tried is not how fast the lane is. */
    private static final long PAUSE_NANOS = 5_000_000;

    private static final String DEADLOCK = "40P01";
    private static final String UNIQUE_VIOLATION = "23505";

    private RereadTables() {}

    /** @param rows of each table */
    static String fill(int rows) {
        return """
                INSERT INTO numbers SELECT g * 10, g, %2$s || g, 'n' || g FROM generate_series(1, %1$d) g;
                INSERT INTO texts SELECT (ARRAY['a','B','ä','Z','é','_','-','中','😀'])[1 + g %% 9] || g, g, %2$s || g
                  FROM generate_series(1, %1$d) g;
                INSERT INTO uuids SELECT gen_random_uuid(), g FROM generate_series(1, %1$d) g;
                INSERT INTO pairs SELECT g %% 50, (ARRAY['a','B','ä','Z','é'])[1 + g %% 5] || g / 50, g
                  FROM generate_series(1, %1$d) g;
                INSERT INTO decimals SELECT (g::numeric / 7)::numeric(20, 3), g FROM generate_series(1, %1$d) g;
                INSERT INTO handed SELECT g, g, g FROM generate_series(1, %1$d) g;
                INSERT INTO parents SELECT g, g FROM generate_series(1, %1$d) g;
                INSERT INTO children SELECT g, 1 + g %% %1$d, g FROM generate_series(1, %1$d) g;
                INSERT INTO parts SELECT g, g %% 5, g FROM generate_series(1, %1$d) g;
                INSERT INTO bags SELECT g %% 100, 'bag ' || g %% 3 FROM generate_series(1, %1$d) g;
                INSERT INTO emptied SELECT g, g FROM generate_series(1, %1$d) g;
                """
                .formatted(rows, LONG);
    }

    /**
     * Asks for all of them to be read.
     *
     * @param before done in the same transaction of the target
     */
    static void request(PipelineConfig config, String kind, String before) throws SQLException {
        request(config, kind, before, ALL, ROWS_OF_A_RANGE);
    }

    /** @param rows of a range at most, and of a second */
    static void request(PipelineConfig config, String kind, String before, List<TableId> tables, int rows)
            throws SQLException {
        Throttle limits = new Throttle(OptionalLong.of(rows), OptionalLong.empty(), OptionalLong.empty());
        RereadStore store = new RereadStore(config.nameInTarget(config.lanes().get(0)));
        try (Connection target = Databases.connect(config.target(), "test");
                Statement statement = target.createStatement()) {
            RereadStore.createTables(target);
            target.setAutoCommit(false);
            damage(target, statement, before);
            for (TableId table : tables) {
                store.request(target, table, kind, "", limits);
            }
            target.commit();
        }
    }

    /** The lane writes to the same rows: who damages them may meet it. */
    private static void damage(Connection target, Statement statement, String sql) throws SQLException {
        for (int attempt = 1; ; attempt++) {
            try {
                statement.execute(sql);
                return;
            } catch (SQLException e) {
                if (!DEADLOCK.equals(e.getSQLState()) || attempt == 10) {
                    throw e;
                }
                target.rollback();
            }
        }
    }

    static void awaitDone(InProcessPipeline pipeline) {
        pipeline.await("all tables are read", () -> pipeline.target()
                .ask("SELECT count(*) FROM sluice.reread WHERE state <> 'done'")
                .equals("0"));
    }

    /** One session's endless work. */
    static Runnable writer(Connection source, int rows, long seed, AtomicBoolean stop) {
        return () -> {
            Random random = new Random(seed);
            try (source;
                    Statement statement = source.createStatement()) {
                source.setAutoCommit(false);
                while (!stop.get()) {
                    LockSupport.parkNanos(PAUSE_NANOS);
                    if (isWritten(statement, random, rows) && random.nextInt(8) > 0) {
                        source.commit();
                    } else {
                        source.rollback();
                    }
                }
            } catch (SQLException e) {
                throw new AssertionError("the writer with seed " + seed + " failed", e);
            }
        };
    }

    /** Transactions that are open while ranges are read, and commit after them. */
    static Runnable slowWriter(Connection source, AtomicBoolean stop) {
        return () -> {
            try (source;
                    Statement statement = source.createStatement()) {
                source.setAutoCommit(false);
                for (int i = 0; !stop.get(); i++) {
                    statement.execute(("INSERT INTO numbers VALUES (%1$d, 0, NULL, 'slow'); INSERT INTO texts VALUES ('slow %1$d', 0);"
                                    + " INSERT INTO empties VALUES (-%1$d, 0)")
                            .formatted(7_000_001 + 10 * i));
                    LockSupport.parkNanos(1_000_000_000);
                    source.commit();
                }
            } catch (SQLException e) {
                throw new AssertionError("the slow writer failed", e);
            }
        };
    }

    /** False if a random key was one that another row has. */
    private static boolean isWritten(Statement statement, Random random, int rows) throws SQLException {
        try {
            transaction(statement, random, rows);
            return true;
        } catch (SQLException e) {
            if (!UNIQUE_VIOLATION.equals(e.getSQLState())) {
                throw e;
            }
            return false;
        }
    }

    private static void transaction(Statement statement, Random random, int rows) throws SQLException {
        for (int i = 1 + random.nextInt(4); i > 0; i--) {
            statement.execute("SELECT pg_advisory_xact_lock(1)"); // one at a time: deadlocks are not what is tried
            int g = 1 + random.nextInt(rows);
            int h = 1 + random.nextInt(rows);
            statement.execute(
                    switch (random.nextInt(24)) {
                        case 0 -> "UPDATE numbers SET n = n + 1 WHERE id = %d".formatted(g * 10);
                        case 1 -> "UPDATE numbers SET id = id + 5 WHERE id = %d AND NOT EXISTS (SELECT 1 FROM numbers WHERE id = %d)"
                                .formatted(g * 10, g * 10 + 5);
                        case 2 -> "UPDATE numbers SET id = %d WHERE id = %d AND NOT EXISTS (SELECT 1 FROM numbers WHERE id = %d)"
                                .formatted(h * 10 + 3, g * 10, h * 10 + 3);
                        case 3 -> "DELETE FROM numbers WHERE id = %d".formatted(g * 10);
                        case 4 -> "INSERT INTO numbers VALUES (%d, 0, %s, NULL) ON CONFLICT (id) DO UPDATE SET n = 0".formatted(g * 10, LONG);
                        case 5 -> "UPDATE texts SET n = n + 1 WHERE n %% %d = 7".formatted(rows / 3);
                        case 6 -> "UPDATE texts SET name = name || 'x' WHERE n = %d AND length(name) < 20".formatted(g);
                        case 7 -> "DELETE FROM texts WHERE n = %d".formatted(g);
                        case 8 -> "INSERT INTO texts VALUES ('é%1$d', %1$d, 'short') ON CONFLICT DO NOTHING".formatted(g);
                        case 9 -> "UPDATE uuids SET id = gen_random_uuid() WHERE n = %d".formatted(g);
                        case 10 -> "INSERT INTO uuids VALUES (gen_random_uuid(), %d)".formatted(g);
                        case 11 -> "UPDATE pairs SET a = a + 1000 WHERE n = %d AND a < 5000".formatted(g);
                        case 12 -> "DELETE FROM pairs WHERE n = %d".formatted(g);
                        case 13 -> "UPDATE decimals SET id = id + 0.0001 WHERE id = (SELECT max(id) FROM decimals WHERE n = %d)".formatted(g);
                        case 14 -> "INSERT INTO decimals VALUES (%d.50, %d) ON CONFLICT DO NOTHING".formatted(g, g);
                        case 15, 16 -> ("UPDATE handed SET place = NULL WHERE id = %1$d; UPDATE handed SET place = %1$d WHERE id = %2$d"
                                        + " AND NOT EXISTS (SELECT 1 FROM handed WHERE place = %1$d)")
                                .formatted(g, h);
                        case 17 -> "DELETE FROM handed WHERE id = %1$d; INSERT INTO handed VALUES (%1$d, NULL, 0)".formatted(g);
                        case 18 -> "DELETE FROM parents WHERE id = %1$d; INSERT INTO parents VALUES (%1$d, 1) ON CONFLICT DO NOTHING"
                                .formatted(g);
                        case 19 -> ("INSERT INTO children SELECT %d, id, 0 FROM parents WHERE id = %d"
                                        + " ON CONFLICT (id) DO UPDATE SET parent = EXCLUDED.parent, n = children.n + 1")
                                .formatted(h, g);
                        case 20 -> "UPDATE parts SET day = (day + 1) %% 5, n = n + 1 WHERE id = %d".formatted(g);
                        case 21 -> "INSERT INTO bags VALUES (%d, 'new'); UPDATE bags SET b = b || '.' WHERE a = %d AND length(b) < 12"
                                .formatted(g % 100, h % 100);
                        case 22 -> random.nextInt(4) == 0
                                ? "TRUNCATE emptied"
                                : "INSERT INTO emptied VALUES (%1$d, 1) ON CONFLICT (id) DO UPDATE SET n = emptied.n + 1".formatted(g);
                        default -> "INSERT INTO empties VALUES (%1$d, 1) ON CONFLICT (id) DO UPDATE SET n = empties.n + 1".formatted(g);
                    });
        }
    }
}
