package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.apply.RepairStore;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Rows that somebody has damaged in the target are made equal one by one, with the stream running. */
class RepairIT {
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

    private int repair(Pipeline pipeline, String... arguments) {
        return sluice.run(pipeline, "repair", arguments);
    }

    @Test
    void damagedRowsAreShownAndMadeEqual() {
        try (Pipeline pipeline = Pipeline.on(servers, "repair").carrying("person", "price", "paper", "bare")) {
            pipeline.onBoth(
                    """
                    CREATE TABLE person (id int PRIMARY KEY, name text, born date);
                    CREATE TABLE price (amount numeric PRIMARY KEY, note text);
                    CREATE TABLE paper (year int, no text, title text, PRIMARY KEY (no, year));
                    CREATE TABLE bare (v text);
                    ALTER TABLE bare REPLICA IDENTITY FULL""");
            pipeline.onTarget("ALTER TABLE person ADD COLUMN own text");
            pipeline.startCapture();
            pipeline.startApply();
            pipeline.awaitStreaming();
            pipeline.onSource(
                    """
                    INSERT INTO person SELECT n, 'name ' || n, '1990-01-01' FROM generate_series(1, 6) AS n;
                    INSERT INTO price VALUES (1.00, 'one'), (2.5, 'two');
                    INSERT INTO paper VALUES (2026, 'a "b', 'first'), (2026, 'c', 'second')""");
            pipeline.awaitCaughtUp();
            pipeline.onTarget(
                    """
                    UPDATE person SET name = 'secret', own = 'kept' WHERE id = 1;
                    DELETE FROM person WHERE id = 2;
                    INSERT INTO person VALUES (7, 'phantom', '2000-01-01');
                    UPDATE price SET note = NULL WHERE amount = 1;
                    UPDATE price SET amount = 2.500 WHERE amount = 2.5;
                    UPDATE paper SET title = title || ' ' WHERE no = 'a "b'""");

            assertThat(repair(pipeline, "--table", "person", "--key", "1", "--key", "2", "--key", "{\"id\": 7}", "--key", "3", "--key", "9"))
                    .as(sluice.err()).isEqualTo(Stop.DIFFERENT.exitCode());
            assertThat(sluice.out().lines()).containsExactly(
                    "public.person {\"id\":\"1\"}: differs in name",
                    "public.person {\"id\":\"2\"}: missing in the target",
                    "public.person {\"id\":\"7\"}: only in the target",
                    "public.person {\"id\":\"3\"}: equal",
                    "public.person {\"id\":\"9\"}: on neither side",
                    "nothing was changed; --execute makes equal what differs");
            assertThat(repair(pipeline, "--table", "paper", "--key", "{\"year\": 2026, \"no\": \"a \\\"b\"}", "--values"))
                    .isEqualTo(Stop.DIFFERENT.exitCode());
            assertThat(sluice.out()).contains("title: source \"first\", target \"first \"");
            assertThat(repair(pipeline, "--table", "price", "--key", "1.000", "-o", "json")).isEqualTo(Stop.DIFFERENT.exitCode());
            assertThat(sluice.out()).contains("\"state\" : \"differing\"", "\"note\"").doesNotContain("one");
            assertThat(pipeline.askTarget("SELECT name FROM person WHERE id = 1")).isEqualTo("secret");

            assertThat(repair(pipeline, "--table", "person", "--key", "1", "--key", "2", "--key", "7", "--key", "3", "--execute"))
                    .as(sluice.printed()).isZero();
            assertThat(sluice.out()).contains("{\"id\":\"7\"}: on neither side").doesNotContain("differs");
            assertThat(repair(pipeline, "--table", "price", "--key", "1.000", "--key", "2.5", "--execute"))
                    .as(sluice.printed()).isZero();
            assertThat(repair(pipeline, "--table", "paper", "--key", "{\"year\": 2026, \"no\": \"a \\\"b\"}", "--execute"))
                    .as(sluice.printed()).isZero();
            assertThat(pipeline.askTarget("SELECT own FROM person WHERE id = 1")).isEqualTo("kept");
            assertThat(pipeline.askTarget("SELECT string_agg(state, ' ') FROM sluice.repair")).isEqualTo("done done done done done done");
            pipeline.assertEqual();

            assertThat(repair(pipeline, "--table", "person", "--key", "x")).isEqualTo(Stop.USAGE.exitCode());
            assertThat(sluice.err()).contains("'x' is no value of key column id, which is of type integer");
            assertThat(repair(pipeline, "--table", "paper", "--key", "1")).isEqualTo(Stop.USAGE.exitCode());
            assertThat(sluice.err()).contains("--key 1: the key has 2 columns", "'{\"no\": \"…\", \"year\": \"…\"}'");
            assertThat(repair(pipeline, "--table", "paper", "--key", "{\"no\": 1}")).isEqualTo(Stop.USAGE.exitCode());
            assertThat(repair(pipeline, "--table", "bare", "--key", "1")).isEqualTo(Stop.USAGE.exitCode());
            assertThat(sluice.err()).contains("public.bare has no key", "sluice resync --table public.bare");
        }
    }

    @Test
    void aRowThatTheTargetRefusesIsNamedAndTheOthersAreRepaired() {
        try (Pipeline pipeline = Pipeline.on(servers, "refused").carrying("person")) {
            pipeline.onBoth("CREATE TABLE person (id int PRIMARY KEY, name text UNIQUE)");
            pipeline.startCapture();
            pipeline.startApply();
            pipeline.awaitStreaming();
            pipeline.onSource("INSERT INTO person VALUES (1, 'one'), (2, 'two'), (3, 'three')");
            pipeline.awaitCaughtUp();
            pipeline.onTarget("UPDATE person SET name = 'x' WHERE id = 1; UPDATE person SET name = 'y' WHERE id = 2;"
                    + " INSERT INTO person VALUES (9, 'one')");

            assertThat(repair(pipeline, "--table", "person", "--key", "1", "--key", "2", "--execute"))
                    .isEqualTo(Stop.FAILED.exitCode());
            assertThat(sluice.out())
                    .contains("{\"id\":\"1\"}: differs in name; not repaired: ", "SQLSTATE 23505", "{\"id\":\"2\"}: equal")
                    .doesNotContain("(one)");

            assertThat(repair(pipeline, "--table", "person", "--key", "1", "--key", "9", "--execute")).as(sluice.printed()).isZero();
            pipeline.assertEqual();
        }
    }

    @Test
    void rowsThatChangeAllTheTimeEndWhereTheStreamIs() throws Exception {
        Random random = new Random(Seed.of(RepairIT.class));
        try (Pipeline pipeline = Pipeline.on(servers, "hot").carrying("hot", "price")) {
            pipeline.onBoth(
                    """
                    CREATE TABLE hot (id int PRIMARY KEY, n int, doc text, small text);
                    ALTER TABLE hot ALTER doc SET STORAGE EXTERNAL;
                    CREATE TABLE price (amount numeric PRIMARY KEY, n int)""");
            pipeline.startCapture();
            pipeline.startApply();
            pipeline.awaitStreaming();
            pipeline.onSource("INSERT INTO hot SELECT n, 0, repeat(md5(n::text), 200), 'a' FROM generate_series(1, 8) AS n;"
                    + " INSERT INTO price SELECT n, 0 FROM generate_series(1, 8) AS n");
            pipeline.awaitCaughtUp();
            for (int i = 0; i < 6; i++) {
                AtomicBoolean isOver = new AtomicBoolean();
                Random writing = new Random(random.nextLong());
                CompletableFuture<Void> writer = CompletableFuture.runAsync(() -> write(pipeline, writing, isOver));
                for (int id = 1; id <= 8; id++) {
                    damage(pipeline, random, id);
                }
                awaitRepaired(pipeline);
                isOver.set(true); // at once: later changes would bring what the repair may have lost
                writer.join();
                pipeline.awaitCaughtUp();
                pipeline.assertEqual();
            }
            assertThat(pipeline.askTarget("SELECT count(*) FROM sluice.repair WHERE state = 'done'")).isNotEqualTo("0");
            assertThat(pipeline.askTarget("SELECT count(*) FROM sluice.repair WHERE state <> 'done'")).isEqualTo("0");
        }
    }

    /** All rows of both tables; the keys of one are spelt in two ways. */
    private static void awaitRepaired(Pipeline pipeline) throws SQLException, InterruptedException {
        RepairStore store = new RepairStore(pipeline.config().nameInTarget(pipeline.config().lanes().get(0)));
        List<List<String>> ids = IntStream.rangeClosed(1, 8).mapToObj(id -> List.of("" + id)).toList();
        List<List<String>> amounts = IntStream.rangeClosed(1, 8).mapToObj(id -> List.of(id % 2 == 0 ? id + ".0" : "" + id)).toList();
        try (Connection target = pipeline.connectTarget()) {
            List<Long> asked = new ArrayList<>(store.request(target, new TableId("public", "price"), amounts, "test"));
            asked.addAll(store.request(target, new TableId("public", "hot"), ids, "test"));
            Await.until("all is repaired", Duration.ofSeconds(60), () -> store.outcomes(target, asked).values().stream()
                    .noneMatch(outcome -> outcome.state() == RepairStore.State.REQUESTED));
        }
    }

    private static void damage(Pipeline pipeline, Random random, int id) {
        String sql = switch (random.nextInt(4)) {
            case 0 -> "DELETE FROM hot WHERE id = " + id + "; DELETE FROM price WHERE amount = " + id;
            case 1 -> "UPDATE hot SET doc = 'damaged', small = NULL WHERE id = " + id;
            case 2 -> "INSERT INTO hot VALUES (" + id + ", -1, 'phantom', 'p') ON CONFLICT (id) DO UPDATE SET n = -1;"
                    + " INSERT INTO price VALUES (" + id + ", -1) ON CONFLICT (amount) DO UPDATE SET n = -1";
            default -> "UPDATE hot SET small = 'damaged' WHERE id = " + id + "; UPDATE price SET n = -2 WHERE amount = " + id;
        };
        for (String statement : sql.split(";")) { // in one transaction they and the lane's would wait for each other
            pipeline.onTarget(statement);
        }
    }

    private static void write(Pipeline pipeline, Random random, AtomicBoolean isOver) {
        try (Connection connection = pipeline.connectSource();
                Statement statement = connection.createStatement()) {
            while (!isOver.get()) {
                int id = 1 + random.nextInt(8);
                statement.execute(switch (random.nextInt(12)) {
                    case 0 -> "DELETE FROM hot WHERE id = " + id + "; DELETE FROM price WHERE amount = " + id;
                    case 1 -> "INSERT INTO hot VALUES (" + id + ", 0, repeat(md5(random()::text), 200), 'b') ON CONFLICT DO NOTHING;"
                            + " INSERT INTO price VALUES (" + id + ".00, 0) ON CONFLICT DO NOTHING";
                    case 2, 10, 11 -> "UPDATE hot SET doc = repeat(md5(random()::text), 200) WHERE id = " + id;
                    case 3 -> random.nextInt(8) > 0 ? "SELECT 1" : "BEGIN; UPDATE hot SET id = 100 WHERE id = " + id + ";"
                            + " UPDATE hot SET id = " + id + " WHERE id = 100; COMMIT;"
                            + " UPDATE price SET amount = amount + 0.00 WHERE amount = " + id;
                    default -> "UPDATE hot SET n = n + 1 WHERE id = " + id + "; UPDATE price SET n = n + 1 WHERE amount = " + id;
                });
            }
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        }
    }
}
