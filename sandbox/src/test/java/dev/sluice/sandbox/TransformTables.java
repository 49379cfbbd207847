package dev.sluice.sandbox;

import dev.sluice.config.TableMapping;
import dev.sluice.config.TableMapping.Transform;
import dev.sluice.config.TablePolicy;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.LockSupport;

/**
 * Tables of which columns are computed: from long values that are carried, carried as another type, or left out; with keys that
 * change hands, without a key, and in partitions.
 *
 * <p>Threads: each session of {@link #writer} has its own.
 */
final class TransformTables {
    static final String SOURCE =
            """
            CREATE TABLE person (id integer PRIMARY KEY, first_name text, last_name text, total numeric(12,2), bio text, note text,
                                 memo text, code text UNIQUE DEFERRABLE);
            ALTER TABLE person ALTER bio SET STORAGE EXTERNAL, ALTER note SET STORAGE EXTERNAL, ALTER memo SET STORAGE EXTERNAL;
            CREATE TABLE bag (a integer, secret text, n numeric);
            ALTER TABLE bag REPLICA IDENTITY FULL;
            ALTER TABLE bag ALTER secret SET STORAGE EXTERNAL;
            CREATE TABLE part (id integer, day integer, v text, big text, PRIMARY KEY (id, day)) PARTITION BY LIST (day);
            CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (0, 1, 2);
            CREATE TABLE part_2 PARTITION OF part DEFAULT;
            """;

    static final String TARGET =
            """
            CREATE TABLE people (id integer PRIMARY KEY, "full name" varchar(200) NOT NULL, total_cents bigint, digest text, beginning text,
                                 note_length integer, note text, memo varchar, memo_start text, code text UNIQUE, total text,
                                 origin text);
            CREATE TABLE bag (a integer, n numeric, fingerprint text, doubled numeric(20,1));
            CREATE TABLE part (id integer, "Day" integer, label text, tail text, PRIMARY KEY (id, "Day")) PARTITION BY LIST ("Day");
            CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (0);
            CREATE TABLE part_2 PARTITION OF part DEFAULT;
            """;

    /** What somebody may have done to the target. */
    static final String DAMAGE =
            """
            UPDATE people SET "full name" = 'wrong', digest = NULL WHERE id % 3 = 0;
            UPDATE people SET beginning = 'wrong', note_length = -1, memo_start = NULL WHERE id % 5 = 1;
            DELETE FROM people WHERE id % 7 = 2;
            INSERT INTO people (id, "full name") SELECT -1000 - g, 'phantom' FROM generate_series(1, 20) g ON CONFLICT DO NOTHING;
            UPDATE bag SET fingerprint = 'wrong' WHERE a % 2 = 0;
            DELETE FROM bag WHERE a = 1;
            UPDATE part SET label = 'wrong' WHERE id % 2 = 0;
            DELETE FROM part WHERE id % 5 = 0;
            """;

    private static final String LONG = "(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 150))";
    private static final String UNIQUE_VIOLATION = "23505";

    /** Between transactions: what is tried is not how fast the lane is. */
    private static final long PAUSE_NANOS = 40_000_000;

    private TransformTables() {}

    static List<TableMapping> mappings() {
        return List.of(
                mapping("person", "people", Map.of(), Set.of("first_name", "last_name", "bio"), Map.of("origin", "it's here?"), transforms(
                        "full name", "coalesce(first_name, '?') || ' ' || coalesce(last_name, '')",
                        "total_cents", "(total * 100)::bigint",
                        "digest", "last_name || md5(bio)",
                        "beginning", "left(bio, 20)",
                        "note_length", "length(note) + id",
                        "memo_start", "left(memo, 10) || id -- of text, carried as varchar")),
                mapping("bag", "bag", Map.of(), Set.of("secret"), Map.of(), transforms(
                        "fingerprint", "md5(secret)", "doubled", "n * 2")),
                mapping("part", "part", Map.of("day", "Day"), Set.of("v", "big"), Map.of(), transforms(
                        "label", "day || ':' || v", "tail", "right(big, 10) || v")));
    }

    static TableMapping mapping(
            String source,
            String target,
            Map<String, String> rename,
            Set<String> exclude,
            Map<String, String> constants,
            Map<String, Transform> transform) {
        return new TableMapping(
                TableId.parse(source), TableId.parse(target), ThreeServers.LANE, rename, exclude, constants, transform,
                TablePolicy.DEFAULT);
    }

    /** @param columnsAndExpressions by turns */
    static Map<String, Transform> transforms(String... columnsAndExpressions) {
        Map<String, Transform> transforms = new LinkedHashMap<>();
        for (int i = 0; i < columnsAndExpressions.length; i += 2) {
            transforms.put(
                    columnsAndExpressions[i],
                    new Transform("tables[0].transform." + columnsAndExpressions[i], columnsAndExpressions[i + 1]));
        }
        return transforms;
    }

    /** @param rows of each table */
    static String fill(int rows) {
        return """
                INSERT INTO person SELECT g, 'first' || g, 'last' || g, g / 7.0, %2$s || g, %2$s || g, %2$s || g, 'c' || g
                  FROM generate_series(1, %1$d) g;
                INSERT INTO bag SELECT g %% 20, 'secret ' || g %% 50, g %% 3 FROM generate_series(1, %1$d) g;
                INSERT INTO part SELECT g, g %% 5, 'v' || g, %2$s || g FROM generate_series(1, %1$d) g;
                """
                .formatted(rows, LONG);
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

    /** False if a random key was one that another row has. */
    private static boolean isWritten(Statement statement, Random random, int rows) throws SQLException {
        try {
            for (int i = 1 + random.nextInt(4); i > 0; i--) {
                statement.execute("SELECT pg_advisory_xact_lock(1)"); // one at a time: deadlocks are not what is tried
                statement.execute(change(random, 1 + random.nextInt(rows), 1 + random.nextInt(rows)));
            }
            statement.execute("SET CONSTRAINTS ALL IMMEDIATE");
            return true;
        } catch (SQLException e) {
            if (!UNIQUE_VIOLATION.equals(e.getSQLState())) {
                throw e;
            }
            return false;
        }
    }

    private static String change(Random random, int g, int h) {
        return switch (random.nextInt(60)) { // changed keys of rows not read yet are slow, so they are few
            case 1 -> "UPDATE person SET bio = %s WHERE id = %d".formatted(LONG, g);
            case 2 -> "UPDATE person SET code = 'n' || %d WHERE id = %d".formatted(h, g);
            case 3 -> "UPDATE person SET id = %d WHERE id = %d".formatted(h + 5_000, g);
            case 4 -> "UPDATE person SET id = -%1$d WHERE id = %1$d; UPDATE person SET id = %1$d WHERE id = %2$d; UPDATE person SET id = %2$d WHERE id = -%1$d"
                    .formatted(g, h);
            case 5 -> "UPDATE person p SET code = o.code FROM person o WHERE p.id IN (%1$d, %2$d) AND o.id IN (%1$d, %2$d) AND o.id <> p.id"
                    .formatted(g, h);
            case 6 -> "DELETE FROM person WHERE id = %d".formatted(g);
            case 7, 8 -> "INSERT INTO person VALUES (%1$d, NULL, 'anew', %1$d, %2$s, 'short', %2$s, NULL) ON CONFLICT (id) DO UPDATE SET total = 0, memo = EXCLUDED.memo"
                    .formatted(g, LONG);
            case 9 -> "UPDATE person SET note = NULL, first_name = 'new' WHERE id = %d".formatted(g);
            case 10 -> "UPDATE person SET last_name = 'bulk' || id %% 3 WHERE id BETWEEN %d AND %d".formatted(g, g + 30);
            case 11 -> "UPDATE bag SET secret = secret || '.' WHERE a = %d AND length(secret) < 30".formatted(g % 20);
            case 12 -> "INSERT INTO bag VALUES (%1$d, 'new %2$d', 1.%2$d), (%1$d, 'new %1$d', NULL)".formatted(g % 20, h);
            case 13 -> "DELETE FROM bag WHERE ctid = (SELECT ctid FROM bag WHERE a = %d LIMIT 1)".formatted(g % 20);
            case 14 -> "UPDATE part SET day = (day + 1) %% 5 WHERE id = %d".formatted(g);
            case 15 -> "UPDATE part SET v = v || '+' WHERE id = %d AND length(v) < 30".formatted(g);
            case 16 -> "UPDATE part SET big = %s WHERE id = %d".formatted(LONG, g);
            case 17 -> "DELETE FROM part WHERE id = %1$d; INSERT INTO part VALUES (%1$d, %2$d, 'again', 'short')".formatted(g, h % 5);
            case 18, 19, 20, 21, 22 -> "UPDATE part SET v = 'w%d' WHERE id = %d".formatted(h, g);
            case 23, 24, 25, 26, 27 -> "UPDATE bag SET n = n + 0.10 WHERE a = %d".formatted(g % 20);
            case 28, 29, 30, 31, 32 -> "UPDATE person SET total = total + 0.01 WHERE id = %d".formatted(g);
            default -> "UPDATE person SET last_name = last_name || 'x' WHERE id = %d AND length(last_name) < 30".formatted(g);
        };
    }
}
