package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.sluice.schemas.Stop;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** From a comparison that finds rows to one that finds them equal: nobody has to write down a key in between. */
class DivergenceIT {
    private static final String OPEN = "SELECT coalesce(string_agg(source_table || ' ' || kind || ' ' || key::text || ' ' || columns::text, '; '"
            + " ORDER BY source_table, kind, key::text COLLATE \"C\"), 'none') FROM sluice.divergence WHERE closed_at IS NULL";
    private static final String ROWS = "SELECT md5(string_agg(line, ';' ORDER BY line)) FROM (SELECT odd::text AS line FROM odd"
            + " UNION ALL SELECT paper::text FROM paper) AS lines";

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
    void whatACompareHasFoundIsRepairedUnderLoadAndClosedByTheNext() throws Exception {
        Random random = new Random(Seed.of(DivergenceIT.class));
        try (Pipeline pipeline = Pipeline.on(servers, "divergence").carrying("odd", "paper")) {
            start(pipeline);
            pipeline.onTarget(
                    """
                    UPDATE odd SET v = 'secret' WHERE code IN ('', 'a,b', E'new\nline', 'NULL');
                    DELETE FROM odd WHERE code IN ('{x}', 'ü 😀', 'back\\slash');
                    INSERT INTO odd VALUES ('"', 'phantom'), ('it''s', 'phantom'), (' ', 'phantom');
                    UPDATE paper SET title = 'secret', pages = NULL WHERE no = 'q"1' AND year = 2025;
                    DELETE FROM paper WHERE no = '' AND year = 2026;
                    INSERT INTO paper VALUES (2027, 'q"1', 'phantom', 0)""");

            assertThat(sluice.run(pipeline, "compare")).as(sluice.printed()).isEqualTo(Stop.DIFFERENT.exitCode());
            assertThat(sluice.out()).contains("13 differing keys are stored; `sluice repair --from-divergences` shows them");
            assertThat(pipeline.askTarget(OPEN).split("; ")).containsExactly(
                    "odd different {\"\"} {v}",
                    "odd different {\"NULL\"} {v}",
                    "odd different {\"a,b\"} {v}",
                    "odd different {\"new\nline\"} {v}",
                    "odd extra {\" \"} {}",
                    "odd extra {\"\\\"\"} {}",
                    "odd extra {it's} {}",
                    "odd missing {\"back\\\\slash\"} {}",
                    "odd missing {\"{x}\"} {}",
                    "odd missing {\"ü 😀\"} {}",
                    "paper different {\"q\\\"1\",2025} {title,pages}",
                    "paper extra {\"q\\\"1\",2027} {}",
                    "paper missing {\"\",2026} {}");
            assertThat(pipeline.askTarget("SELECT string_agg(divergence::text, '') FROM sluice.divergence"))
                    .doesNotContain("secret", "phantom");

            String damaged = pipeline.askTarget(ROWS);
            assertThat(repair(pipeline)).as(sluice.printed()).isEqualTo(Stop.DIFFERENT.exitCode());
            assertThat(sluice.out().lines()).hasSize(14).contains(
                    "public.odd {\"code\":\"\"}: differs in v",
                    "public.odd {\"code\":\"\\\"\"}: only in the target",
                    "public.odd {\"code\":\"ü 😀\"}: missing in the target",
                    "public.paper {\"no\":\"q\\\"1\",\"year\":\"2025\"}: differs in title, pages",
                    "nothing was changed; --execute makes equal what differs");
            assertThat(repair(pipeline, "--table", "paper", "-o", "json", "--values")).isEqualTo(Stop.DIFFERENT.exitCode());
            JsonNode rows = new ObjectMapper().readTree(sluice.out());
            assertThat(rows).hasSize(3).anySatisfy(row -> assertThat(row.at("/differing/title/target").asText()).isEqualTo("secret"));
            assertThat(pipeline.askTarget(ROWS)).as("a dry run changes nothing").isEqualTo(damaged);
            assertThat(pipeline.askTarget("SELECT count(*) FROM sluice.repair")).isEqualTo("0");

            AtomicBoolean isOver = new AtomicBoolean();
            CompletableFuture<Void> writer = CompletableFuture.runAsync(() -> write(pipeline, random, isOver));
            try {
                assertThat(repair(pipeline, "--execute")).as(sluice.printed()).isZero();
            } finally {
                isOver.set(true);
            }
            writer.join();
            assertThat(sluice.out()).contains("public.odd {\"code\":\" \"}: on neither side").doesNotContain("differs", "missing")
                    .endsWith("a repaired row counts only once it was compared again: `sluice compare`\n");
            assertThat(pipeline.askTarget("SELECT count(*) FROM sluice.divergence WHERE closed_at IS NULL")).isEqualTo("13");
            pipeline.awaitCaughtUp();
            assertThat(repair(pipeline)).as(sluice.printed()).isZero();
            assertThat(sluice.out()).contains("public.odd {\"code\":\"\"}: equal");

            assertThat(sluice.run(pipeline, "compare")).as(sluice.printed()).isZero();
            assertThat(sluice.out()).contains("13 keys that differed before are equal now");
            assertThat(pipeline.askTarget(OPEN)).isEqualTo("none");
            pipeline.assertEqual();

            pipeline.onTarget("DELETE FROM odd WHERE code IN ('a,b', ''); UPDATE paper SET title = 'new' WHERE no = '' AND year = 2025");
            assertThat(sluice.run(pipeline, "compare")).isEqualTo(Stop.DIFFERENT.exitCode());
            assertThat(pipeline.askTarget(OPEN)).isEqualTo(
                    "odd missing {\"\"} {}; odd missing {\"a,b\"} {}; paper different {\"\",2025} {title}");
            assertThat(pipeline.askTarget("SELECT count(*) FROM sluice.divergence WHERE closed_at IS NULL AND first_seen < last_seen"))
                    .as("opened again").isEqualTo("2");
            assertThat(repair(pipeline, "--table", "odd", "--execute")).as(sluice.printed()).isZero();
            assertThat(sluice.run(pipeline, "compare")).isEqualTo(Stop.DIFFERENT.exitCode());
            assertThat(pipeline.askTarget(OPEN)).isEqualTo("paper different {\"\",2025} {title}");
            assertThat(repair(pipeline, "--execute")).as(sluice.printed()).isZero();
            assertThat(sluice.run(pipeline, "compare")).isZero();
            pipeline.assertEqual();
        }
    }

    /** More than are looked at, and asked for, together. */
    @Test
    void manyRowsAreRepairedInPortions() {
        try (Pipeline pipeline = Pipeline.on(servers, "many").carrying("many")) {
            pipeline.onBoth("CREATE TABLE many (a int, b text, v text, PRIMARY KEY (a, b))");
            pipeline.startCapture();
            pipeline.startApply();
            pipeline.awaitStreaming();
            pipeline.onSource("INSERT INTO many SELECT n, 'b ' || n, 'v' FROM generate_series(1, 2300) AS n");
            pipeline.awaitCaughtUp();
            pipeline.onTarget("DELETE FROM many WHERE a % 3 = 0; UPDATE many SET v = NULL WHERE a % 3 = 1; UPDATE many SET a = -a WHERE a % 3 = 2");

            assertThat(sluice.run(pipeline, "compare")).isEqualTo(Stop.DIFFERENT.exitCode());
            assertThat(repair(pipeline, "--execute")).as(sluice.printed()).isZero();

            assertThat(sluice.out().lines().filter(line -> line.startsWith("public.many"))).hasSize(2300 + 767);
            assertThat(sluice.run(pipeline, "compare")).as(sluice.printed()).isZero();
            assertThat(sluice.out()).contains("3,067 keys that differed before are equal now");
            pipeline.assertEqual();
        }
    }

    private static void start(Pipeline pipeline) {
        pipeline.onBoth(
                """
                CREATE TABLE odd (code text PRIMARY KEY, v text);
                CREATE TABLE paper (year int, no text, title text, pages int, PRIMARY KEY (no, year))""");
        pipeline.startCapture();
        pipeline.startApply();
        pipeline.awaitStreaming();
        pipeline.onSource(
                """
                INSERT INTO odd SELECT code, 'v' FROM unnest(ARRAY['', 'a,b', E'new\nline', 'NULL', '{x}', 'ü 😀', 'back\\slash']) AS code;
                INSERT INTO odd SELECT 'other ' || n, n FROM generate_series(1, 300) AS n;
                INSERT INTO paper SELECT year, no, 'title', 7 FROM generate_series(2024, 2026) AS year, unnest(ARRAY['q"1', '', 'c']) AS no""");
        pipeline.awaitCaughtUp();
    }

    /** Rows that nobody has damaged: what becomes of the others is the repair's doing alone. */
    private static void write(Pipeline pipeline, Random random, AtomicBoolean isOver) {
        try (Connection connection = pipeline.connectSource();
                Statement statement = connection.createStatement()) {
            while (!isOver.get()) {
                int n = 1 + random.nextInt(300);
                statement.execute(switch (random.nextInt(4)) {
                    case 0 -> "DELETE FROM odd WHERE code = 'other " + n + "'";
                    case 1 -> "INSERT INTO odd VALUES ('other " + n + "', 'again') ON CONFLICT DO NOTHING";
                    case 2 -> "UPDATE paper SET pages = pages + 1 WHERE no = 'c'";
                    default -> "UPDATE odd SET v = v || 'x' WHERE code = 'other " + n + "' AND length(v) < 20";
                });
            }
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void whatCannotBeRepairedIsSaid() {
        try (Pipeline pipeline = Pipeline.on(servers, "unrepaired").carrying("wide", "fine")) {
            pipeline.onBoth("CREATE TABLE fine (id int PRIMARY KEY)");
            pipeline.onSource("CREATE TABLE wide (id int PRIMARY KEY)");
            pipeline.onTarget("CREATE TABLE wide (id bigint PRIMARY KEY)");

            assertThat(repair(pipeline)).isEqualTo(Stop.SETUP.exitCode());
            assertThat(sluice.err()).contains("has no table sluice.divergence", "run `sluice compare`");
            assertThat(sluice.run(pipeline, "compare")).as(sluice.printed()).isZero();
            pipeline.onTarget("INSERT INTO fine VALUES (1)");
            assertThat(sluice.run(pipeline, "compare")).isEqualTo(Stop.DIFFERENT.exitCode());
            assertThat(sluice.out()).contains("NOT STORED", "schema \"sluice\" does not exist", "start `sluice apply`");

            pipeline.startCapture();
            pipeline.startApply();
            pipeline.awaitStreaming();
            pipeline.onSource("INSERT INTO wide VALUES (1)");
            pipeline.awaitCaughtUp();
            assertThat(repair(pipeline, "-o", "json")).as(sluice.printed()).isZero();
            assertThat(sluice.out()).isEqualToIgnoringWhitespace("[]");
            assertThat(sluice.err()).contains("no divergence is open; `sluice compare` looks for new ones");

            pipeline.onTarget("INSERT INTO wide VALUES (99999999999)");
            assertThat(sluice.run(pipeline, "compare")).isEqualTo(Stop.DIFFERENT.exitCode());
            assertThat(repair(pipeline, "--table", "wide", "--execute")).as(sluice.printed()).isEqualTo(Stop.FAILED.exitCode());
            assertThat(sluice.out()).contains("public.wide [99999999999]: unknown: '99999999999' is no value of key column id");
            assertThat(repair(pipeline, "--table", "fine", "--execute")).as(sluice.printed()).isZero();
            pipeline.onTarget("DELETE FROM wide WHERE id > 1");
            assertThat(sluice.run(pipeline, "compare")).as(sluice.printed()).isZero();
            pipeline.assertEqual();

            assertThat(repair(pipeline, "--table", "fine", "--key", "1")).isEqualTo(Stop.USAGE.exitCode());
            assertThat(sluice.err()).contains("--key and --from-divergences: both say which rows are meant");
            assertThat(repair(pipeline, "--table", "fin")).isEqualTo(Stop.USAGE.exitCode());
            assertThat(sluice.err()).contains("--table fin: no source table of the pipeline, did you mean public.fine?");
            assertThat(sluice.run(pipeline, "repair", "--key", "1")).isEqualTo(Stop.USAGE.exitCode());
            assertThat(sluice.err()).contains("it is not said which rows are meant", "--from-divergences");
            pipeline.onTarget("INSERT INTO sluice.divergence SELECT lane, 'public', 'gone', 'public', 'gone', key, key_digest, kind, columns,"
                    + " now(), now(), NULL FROM sluice.divergence WHERE source_table = 'fine'");
            assertThat(repair(pipeline)).isZero();
            assertThat(sluice.out()).contains("public.gone: 1 divergences are open, but the table is not mapped any more");
        }
    }

    @Test
    void aComputedColumnThatOnlyACompareLooksAtIsRepairedToo() {
        String mapped = "{source: public.net, transform: {gross: \"net * 2\"}}";
        try (Pipeline pipeline = Pipeline.on(servers, "computed").carrying(mapped)) {
            pipeline.onSource("CREATE TABLE net (id int PRIMARY KEY, net int)");
            pipeline.onTarget("CREATE TABLE net (id int PRIMARY KEY, net int, gross int)");
            pipeline.startCapture();
            pipeline.startApply();
            pipeline.awaitStreaming();
            pipeline.onSource("INSERT INTO net VALUES (1, 10), (2, 20)");
            pipeline.awaitCaughtUp();
            pipeline.onTarget("UPDATE net SET gross = 0 WHERE id = 1");

            assertThat(sluice.run(pipeline, "compare")).isEqualTo(Stop.DIFFERENT.exitCode());
            assertThat(repair(pipeline)).as(sluice.printed()).isEqualTo(Stop.DIFFERENT.exitCode());
            assertThat(sluice.out()).contains("public.net {\"id\":\"1\"}: equal; computed columns, as compared last, differ: gross");
            assertThat(repair(pipeline, "--execute")).as(sluice.printed()).isZero();

            assertThat(sluice.run(pipeline, "compare")).as(sluice.printed()).isZero();
            assertThat(pipeline.askTarget("SELECT gross FROM net WHERE id = 1")).isEqualTo("20");
            pipeline.assertEqual();
        }
    }

    private int repair(Pipeline pipeline, String... arguments) {
        String[] all = new String[arguments.length + 1];
        all[0] = "--from-divergences";
        System.arraycopy(arguments, 0, all, 1, arguments.length);
        return sluice.run(pipeline, "repair", all);
    }
}
