package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Random changes, many of which the target refuses, are parked, followed by others, replayed and discarded in random orders,
 * while apply dies again and again. At each rest the target is the source but for the rows that the open letters name.
 */
@ExtendWith(ChildLogs.class)
class DeadLetterKillIT {
    private static final int ROUNDS = Intensity.of("sluice.rounds", 1, 60);
    private static final Duration PATIENCE = Duration.ofSeconds(90);
    private static final List<String> TABLES = List.of("shelf", "item", "tag", "node", "bag");

    private static final String SCHEMA =
            """
            CREATE TABLE shelf (id int PRIMARY KEY, name text);
            CREATE TABLE item (id int PRIMARY KEY, shelf_id int, name text, count int, photo text);
            CREATE TABLE tag (id int PRIMARY KEY, v int);
            CREATE TABLE node (id int PRIMARY KEY, parent_id int REFERENCES node ON DELETE CASCADE ON UPDATE CASCADE, v int, photo text);
            CREATE TABLE bag (line text);
            ALTER TABLE bag REPLICA IDENTITY FULL;
            ALTER TABLE node ALTER photo SET STORAGE EXTERNAL;
            ALTER TABLE item ALTER photo SET STORAGE EXTERNAL""";

    private static final String RULES =
            """
            ALTER TABLE item ADD CONSTRAINT shelf_is_there FOREIGN KEY (shelf_id) REFERENCES shelf %s;
            ALTER TABLE item ADD CONSTRAINT not_negative CHECK (count >= 0);
            ALTER TABLE item ADD CONSTRAINT one_name UNIQUE (name);
            ALTER TABLE node ADD CONSTRAINT not_below CHECK (v >= 0);
            ALTER TABLE bag ADD CONSTRAINT no_bang CHECK (line NOT LIKE '%%!');
            ALTER TABLE shelf ADD CONSTRAINT short_name CHECK (length(name) < 30)""";

    private static final String NO_RULES =
            """
            ALTER TABLE item DROP CONSTRAINT not_negative, DROP CONSTRAINT one_name, DROP CONSTRAINT shelf_is_there;
            ALTER TABLE shelf DROP CONSTRAINT short_name;
            ALTER TABLE node DROP CONSTRAINT not_below;
            ALTER TABLE bag DROP CONSTRAINT no_bang""";

    /** How often a place may be passed before it kills. */
    private static final Map<String, Integer> PLACES = new TreeMap<>(Map.of(
            "apply.parked", 12, "apply.in-transaction", 60, "apply.before-commit", 40, "apply.after-commit", 40));

    private static ThreeServers servers;

    private final long seed = Seed.of(DeadLetterKillIT.class);
    private final Random random = new Random(seed);
    private final AtomicBoolean isWriting = new AtomicBoolean();
    private int written;

    @BeforeAll
    static void takeServers() {
        servers = SharedServers.take();
    }

    @AfterAll
    static void emptyServers() {
        SharedServers.empty();
    }

    @Test
    void theTargetIsTheSourceButForTheRowsOfOpenLetters() throws Exception {
        try (Pipeline pipeline = Pipeline.on(servers, "letters")
                .partitions(2)
                .settings("apply: {deadLettersPerMinute: 1000000, batchRows: %d}".formatted(random.nextBoolean() ? 20 : 500))
                .carrying(TABLES.toArray(new String[0]))) {
            pipeline.onBoth(SCHEMA);
            pipeline.onTarget(RULES.formatted(random.nextBoolean() ? "DEFERRABLE" : ""));
            pipeline.startCapture();
            pipeline.awaitStreaming();
            for (int round = 0; round < ROUNDS; round++) {
                isWriting.set(true);
                CompletableFuture<Void> writer = CompletableFuture.runAsync(() -> write(pipeline));
                live(pipeline);
                isWriting.set(false);
                writer.join();
                Child apply = pipeline.startApply();
                pipeline.awaitCaughtUp(PATIENCE);
                awaitReplayed(pipeline);
                requireOnlyLettersDiffer(pipeline);
                replay(pipeline, 0.2);
                awaitReplayed(pipeline);
                requireOnlyLettersDiffer(pipeline);
                apply.kill();
            }
            System.out.printf("%d transactions, letters: %s%n", written, pipeline.askTarget(
                    "SELECT string_agg(state || ' ' || n, ', ') FROM (SELECT state, count(*) AS n FROM sluice.dead_letter GROUP BY 1) AS s"));

            pipeline.onTarget(NO_RULES);
            pipeline.startApply();
            for (int i = 0; i < 3; i++) { // rows come before those that they refer to
                replay(pipeline, 1);
                awaitReplayed(pipeline);
            }
            assertThat(pipeline.askTarget("SELECT count(*) FROM sluice.dead_letter WHERE state IN ('open', 'behind')")).isEqualTo("0");
            repairDiscarded(pipeline);
            pipeline.assertEqual();
            requireEachLetterOnceInItsTopic(pipeline);
        }
    }

    /** Apply lives and dies twice, at a place and at any moment. */
    private void live(Pipeline pipeline) throws InterruptedException {
        List<String> places = new ArrayList<>(PLACES.keySet());
        String place = places.get(random.nextInt(places.size()));
        Child apply = pipeline.startApply(place + ":" + (1 + random.nextInt(PLACES.get(place))));
        assertThat(apply.awaitExit(PATIENCE)).as(apply.name()).isEqualTo(Child.KILLED);
        Child other = pipeline.startApply();
        other.awaitLog("applying after", PATIENCE);
        for (int i = random.nextInt(4); i > 0; i--) {
            replay(pipeline, 0.4);
            discard(pipeline);
            repair(pipeline);
            TimeUnit.MILLISECONDS.sleep(random.nextInt(1_200)); // to die in the middle of whatever it is
        }
        other.kill();
    }

    // ---- the source

    private void write(Pipeline pipeline) {
        Random choice = new Random(random.nextLong());
        try (Connection source = servers.source().connect("letters_source");
                Statement statement = source.createStatement()) {
            source.setAutoCommit(false);
            while (isWriting.get()) {
                for (int changes = 1 + choice.nextInt(5); changes > 0; changes--) {
                    statement.execute(change(choice));
                }
                source.commit();
                written++;
                TimeUnit.MILLISECONDS.sleep(choice.nextInt(25));
            }
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private static String change(Random random) {
        int id = random.nextInt(120);
        String shelf = random.nextInt(4) == 0 ? "NULL" : Integer.toString(random.nextInt(20));
        String name = "name " + random.nextInt(random.nextInt(10) == 0 ? 50 : 100_000);
        int count = random.nextInt(12) == 0 ? -1 : random.nextInt(100);
        int other = random.nextInt(120);
        String node = "(SELECT id FROM node WHERE id = %d)".formatted(random.nextInt(20));
        String line = "line " + random.nextInt(6) + (random.nextInt(8) == 0 ? "!" : "");
        return switch (random.nextInt(random.nextInt(60) == 0 ? 22 : 21)) {
            case 0, 1, 2 -> ("INSERT INTO item VALUES (%1$d, %2$s, '%3$s', %4$d, repeat(md5('%3$s'), 80)) ON CONFLICT (id) DO UPDATE"
                            + " SET shelf_id = EXCLUDED.shelf_id, name = EXCLUDED.name, count = EXCLUDED.count, photo = EXCLUDED.photo")
                    .formatted(id, shelf, name, count);
            case 3, 4 -> "UPDATE item SET count = %d WHERE id = %d".formatted(count, id);
            case 5 -> "UPDATE item SET name = '%s', shelf_id = %s WHERE id = %d".formatted(name, shelf, id);
            case 6 -> "UPDATE item SET id = %1$d WHERE id = %2$d AND NOT EXISTS (SELECT FROM item WHERE id = %1$d)"
                    .formatted(random.nextInt(120), id);
            case 7 -> "DELETE FROM item WHERE id = %d".formatted(id);
            case 8, 9 -> "INSERT INTO shelf VALUES (%1$d, '%2$s') ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name"
                    .formatted(random.nextInt(20), random.nextInt(8) == 0 ? "x".repeat(40) : "shelf");
            case 10 -> "DELETE FROM shelf WHERE id = %d".formatted(random.nextInt(20));
            case 11 -> "INSERT INTO tag VALUES (%d, 1) ON CONFLICT (id) DO UPDATE SET v = tag.v + 1".formatted(random.nextInt(10));
            case 12 -> ("UPDATE item SET id = -1 WHERE id = %1$d; UPDATE item SET id = %1$d, count = %3$d WHERE id = %2$d;"
                            + " UPDATE item SET id = %2$d WHERE id = -1")
                    .formatted(id, other, count);
            case 13 -> "UPDATE item SET id = 500 WHERE id = %1$d; UPDATE item SET count = %2$d WHERE id = 500; UPDATE item SET id = %1$d WHERE id = 500"
                    .formatted(id, count);
            case 14 -> "DELETE FROM item WHERE id = %1$d; INSERT INTO item VALUES (%1$d, %2$s, '%3$s', %4$d)"
                    .formatted(id, shelf, name, count);
            case 15 -> random.nextInt(5) > 0 ? "SELECT 1" : "UPDATE item SET count = CASE WHEN id %% 40 = %d THEN -1 ELSE 3 END".formatted(other);
            case 16 -> ("INSERT INTO node VALUES (%1$d, %2$s, %3$d, repeat('%4$s', 900)) ON CONFLICT (id) DO UPDATE"
                            + " SET parent_id = nullif(EXCLUDED.parent_id, node.id), v = EXCLUDED.v")
                    .formatted(random.nextInt(20), node, count, name);
            case 17 -> random.nextInt(3) > 0
                    ? "UPDATE node SET v = %d WHERE id = %d".formatted(count, random.nextInt(20))
                    : "DELETE FROM node WHERE id = %d".formatted(random.nextInt(20));
            case 18 -> "UPDATE node SET id = %1$d WHERE id = %2$d AND NOT EXISTS (SELECT FROM node WHERE id = %1$d)"
                    .formatted(random.nextInt(20), random.nextInt(20));
            case 19 -> "INSERT INTO bag VALUES ('%s')".formatted(line);
            case 20 -> (random.nextBoolean() ? "UPDATE bag SET line = '%1$s'" : "DELETE FROM bag")
                    .formatted(line)
                    .concat(" WHERE ctid = (SELECT min(ctid) FROM bag WHERE line LIKE 'line %d%%')".formatted(random.nextInt(6)));
            default -> "TRUNCATE item";
        };
    }

    // ---- operators

    private void replay(Pipeline pipeline, double share) {
        pipeline.onTarget(
                """
                BEGIN;
                LOCK TABLE sluice.dead_letter IN EXCLUSIVE MODE; -- row by row it could meet the lane in a deadlock
                WITH run AS (INSERT INTO sluice.audit (who, lane, action) VALUES ('test', 'letters.main', 'replay') RETURNING id)
                UPDATE sluice.dead_letter SET is_requested = true, replay_run = run.id FROM run
                WHERE state IN ('open', 'behind') AND random() <= %s;
                COMMIT"""
                        .formatted(share));
    }

    private void repair(Pipeline pipeline) {
        pipeline.onTarget(
                """
                INSERT INTO sluice.repair (lane, source_schema, source_table, key, requested_by)
                SELECT 'letters.main', 'public', t, ARRAY[k::text], 'test' FROM unnest(ARRAY['item', 'node']) AS t, generate_series(0, 119) AS k
                WHERE random() < 0.02""");
    }

    /** The last letters of their rows. */
    private static void discard(Pipeline pipeline) {
        pipeline.onTarget(
                """
                BEGIN;
                LOCK TABLE sluice.dead_letter IN EXCLUSIVE MODE;
                UPDATE sluice.dead_letter d SET state = 'discarded', closed_at = now(), closed_by = 'test', is_requested = false
                WHERE state IN ('open', 'behind') AND key IS NOT NULL AND random() < 0.1 AND NOT EXISTS (
                  SELECT FROM sluice.dead_letter later
                  WHERE later.id > d.id AND later.source_table = d.source_table
                    AND (later.key IN (d.key, d.old_key) OR later.old_key IN (d.key, d.old_key)));
                COMMIT""");
    }

    private static void awaitReplayed(Pipeline pipeline) {
        Await.until("no letter is asked for", PATIENCE, () -> pipeline.askTarget(
                        "SELECT count(*) FROM sluice.dead_letter WHERE is_requested")
                .equals("0"));
    }

    private static void repairDiscarded(Pipeline pipeline) {
        pipeline.onTarget("DELETE FROM sluice.repair WHERE state = 'failed'");
        pipeline.onTarget(
                """
                INSERT INTO sluice.repair (lane, source_schema, source_table, key, requested_by)
                SELECT DISTINCT lane, source_schema, source_table, k, 'test' FROM sluice.dead_letter, unnest(ARRAY[key::text, old_key::text]) AS t,
                  LATERAL (SELECT t::text[] AS k) AS l WHERE state = 'discarded' AND t IS NOT NULL""");
        Await.until("everything is repaired", PATIENCE, () -> pipeline.askTarget(
                        "SELECT count(*) FROM sluice.repair WHERE state = 'requested'")
                .equals("0"));
        assertThat(pipeline.askTarget("SELECT string_agg(message, '; ') FROM sluice.repair WHERE state = 'failed'")).isEqualTo("null");
    }

    // ---- what must hold

    private static void requireOnlyLettersDiffer(Pipeline pipeline) {
        for (String table : TABLES) {
            if (table.equals("bag")) {
                continue; // its rows have no names
            }
            Set<String> differing = rows(pipeline.askSource(rowsOf(table)));
            Set<String> inTarget = rows(pipeline.askTarget(rowsOf(table)));
            Set<String> both = new HashSet<>(differing);
            both.retainAll(inTarget);
            differing.addAll(inTarget);
            differing.removeAll(both);
            Set<String> keys = differing.stream().map(row -> row.substring(0, row.indexOf('|'))).collect(Collectors.toSet());
            Set<String> named = rows(pipeline.askTarget(
                    """
                    SELECT coalesce(string_agg(k, E'\n'), '') FROM sluice.dead_letter, unnest(key || old_key) AS k
                    WHERE state IN ('open', 'behind', 'discarded') AND source_table = '%s'"""
                            .formatted(table)));
            keys.removeAll(named);
            assertThat(keys).as("rows of %s that differ and that no letter names".formatted(table)).isEmpty();
        }
    }

    private static String rowsOf(String table) {
        return "SELECT coalesce(string_agg(id || '|' || md5(t::text), E'\\n'), '') FROM %s AS t".formatted(table);
    }

    private static Set<String> rows(String lines) {
        return lines.lines().collect(Collectors.toCollection(HashSet::new));
    }

    private static void requireEachLetterOnceInItsTopic(Pipeline pipeline) throws Exception {
        LaneRecords records = LaneRecords.read(servers.kafka(), pipeline.config().topics());
        Set<String> places = new HashSet<>();
        List<LaneRecords.Place> numbers = new ArrayList<>();
        records.partitions().forEach((partition, produced) -> {
            if (partition.topic().endsWith(".dlq")) {
                produced.forEach(record -> {
                    numbers.add(record.place());
                    places.add("%s %d %d %d".formatted(
                            partition.topic(), partition.partition(), record.kafka().offset(), record.place().seq()));
                });
            }
        });
        assertThat(numbers).doesNotHaveDuplicates();
        assertThat(places).containsAll(rows(pipeline.askTarget(
                "SELECT string_agg(topic || '.dlq ' || letter_partition || ' ' || letter_offset || ' ' || seq, E'\\n') FROM sluice.dead_letter")));
    }
}
