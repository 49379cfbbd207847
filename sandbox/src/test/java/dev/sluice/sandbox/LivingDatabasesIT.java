package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.config.LaneConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.config.VerifyConfig;
import dev.sluice.config.VerifyConfig.Evidence;
import dev.sluice.reconciler.Divergences;
import dev.sluice.reconciler.ReferenceVerification;
import dev.sluice.reconciler.RowDifference;
import dev.sluice.reconciler.TableVerification;
import dev.sluice.reconciler.Verification;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Two living databases are compared again and again: under random and hot writes, rollbacks, changes of key, truncations and long
 * transactions, with the target behind and apply dying. No row that is right is ever said to differ, and every planted fault is
 * found by the next pass, by key and column.
 */
@ExtendWith(ChildLogs.class)
class LivingDatabasesIT {
    private static final Duration TIME = Duration.ofSeconds(Intensity.of("sluice.seconds", 45, 1_800));
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(Math.min(60, TIME.toSeconds() / 3));
    private static final int ROWS_PER_SECOND = 2_000;
    private static final VerifyConfig BUSY =
            new VerifyConfig(Duration.ofSeconds(10), 20, 0, 0, Optional.empty(), 0, Evidence.HASHES);
    private static final Duration PATIENCE = Duration.ofSeconds(90);

    private static final String SCHEMA =
            """
            CREATE TABLE item (id int PRIMARY KEY, name text, price numeric, ratio float8, body jsonb, photo text);
            CREATE TABLE pair (a text, b int, v int, PRIMARY KEY (b, a));
            CREATE TABLE short (id int PRIMARY KEY, v int)""";

    /** Rows of it come and go before and after those of items that they refer to. */
    private static final String REFERRING = "{source: pair, references: [{columns: [b], table: item, key: [id]}]}";

    private static ThreeServers servers;

    private final long seed = Seed.of(LivingDatabasesIT.class);
    private final AtomicBoolean isWriting = new AtomicBoolean(true);
    private final AtomicLong written = new AtomicLong();
    private final Pace pace = new Pace(ROWS_PER_SECOND);
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
    void noRowIsSaidToDifferThatDoesNotAndEveryPlantedFaultIsFound() throws Exception {
        try (Pipeline pipeline = Pipeline.on(servers, "verified").partitions(2).carrying("item", REFERRING, "short")) {
            pipeline.onBoth(SCHEMA);
            pipeline.startCapture();
            pipeline.awaitStreaming();
            Child apply = pipeline.startApply();
            pipeline.onSource("INSERT INTO item SELECT n, 'n' || n, n / 7.0, n / 3.0, jsonb_build_object('n', n), repeat('x', 3000) FROM generate_series(1, 20000) AS n;"
                    + " UPDATE item SET photo = (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 160000) AS n) WHERE id = 16015;"
                    + " UPDATE item SET name = '' WHERE id = 16009;"
                    + " INSERT INTO pair SELECT 'k' || n, n, 0 FROM generate_series(1, 2000) AS n");
            pipeline.awaitCaughtUp(PATIENCE);
            List<CompletableFuture<Void>> writers = new ArrayList<>();
            for (int writer = 0; writer < 3; writer++) {
                long of = seed + writer;
                writers.add(CompletableFuture.runAsync(() -> write(new Random(of))));
            }
            writers.add(CompletableFuture.runAsync(this::holdOpen));
            verifyUnderLoad(pipeline, apply);
            assertThat(open(pipeline)).as("rows that were said to differ").isEqualTo("0");

            try (ReconcilerInside reconciler = new ReconcilerInside(pipeline.config().verifying(BUSY))) {
                Map<String, List<String>> planted = plant(pipeline);
                requireFound(planted, verify(pipeline));
                isWriting.set(false);
                writers.forEach(CompletableFuture::join);
                pipeline.awaitCaughtUp(PATIENCE);
                requireFound(planted, verify(pipeline));
                Await.until("the reconciler has stored them", PATIENCE, () -> open(pipeline).equals("16"));
                pipeline.onTarget("DROP TRIGGER wrong ON item");
                assertThat(sluice.run(pipeline, "repair", "--from-divergences", "--execute")).as(sluice.printed()).isZero();
                Await.until("the reconciler has seen them equal", PATIENCE, () -> open(pipeline).equals("0"));
                String seq = pipeline.askTarget("SELECT seq FROM sluice.progress");
                Await.until("every touched row is verified", PATIENCE, () -> pipeline
                        .askTarget("SELECT pending = 0 AND verified_seq >= %s FROM sluice.touched".formatted(seq))
                        .equals("t"));
                reconciler.stop();
            }
            pipeline.assertEqual();
        } finally {
            isWriting.set(false);
        }
    }

    /** With apply dying and standing still, once for a minute, and a reconciler that is started again and again. */
    private void verifyUnderLoad(Pipeline pipeline, Child first) throws InterruptedException {
        Child apply = first;
        Random random = new Random(seed);
        Map<String, Integer> verdicts = new TreeMap<>();
        long start = System.nanoTime();
        long end = start + TIME.toNanos();
        boolean isLongDone = false;
        ReconcilerInside reconciler = new ReconcilerInside(pipeline.config().verifying(BUSY));
        while (System.nanoTime() < end) {
            int fate = random.nextInt(6);
            boolean isLong = !isLongDone && System.nanoTime() - start > TIME.toNanos() / 3;
            if (fate == 0 && !isLong) {
                apply.kill();
                apply = pipeline.startApply();
            } else if (fate == 2) {
                reconciler.stop();
                reconciler = new ReconcilerInside(pipeline.config().verifying(BUSY));
            }
            long pause = isLong ? LONGEST_PAUSE.toNanos() : fate == 1 ? TimeUnit.MILLISECONDS.toNanos(random.nextInt(8_000)) : 0;
            if (pause > 0) {
                apply.pause();
            }
            long resumeAt = System.nanoTime() + pause;
            do {
                for (TableVerification table : verify(pipeline)) {
                    assertThat(table.isDiverged()).as(table.toString()).isFalse();
                    verdicts.merge(table.verdict().replaceAll("\\d[\\d,]*", "n"), 1, Integer::sum);
                }
                requireNoneBroken(pipeline, verdicts);
            } while (System.nanoTime() < resumeAt);
            if (pause > 0) {
                apply.resume();
            }
            TimeUnit.SECONDS.sleep(1); // the machine has others to serve
            isLongDone |= isLong;
        }
        reconciler.stop();
        System.out.printf("%d rows, %.0f/s; verdicts: %s; touched rows verified, pending: %s%n", written.get(),
                written.get() / ((System.nanoTime() - start) / 1e9), verdicts, pipeline.askTarget("SELECT verified_rows || ', ' || pending FROM sluice.touched"));
        assertThat(verdicts.keySet()).anyMatch(verdict -> verdict.startsWith("IN SYNC"));
    }

    private static String open(Pipeline pipeline) {
        return pipeline.askTarget("SELECT to_regclass('sluice.divergence') IS NULL").equals("t")
                ? "0"
                : pipeline.askTarget("SELECT count(*) FROM sluice.divergence WHERE closed_at IS NULL");
    }

    @Test
    void keysThatTheServersOrderDifferentlyAreComparedForCertain() throws Exception {
        try (Pipeline pipeline = Pipeline.on(servers, "ordered").carrying("word", "mixed", "spelt")) {
            String rows = "INSERT INTO word SELECT (ARRAY['a', 'B', '-c', 'Ä', '_d'])[n % 5 + 1] || n, n FROM generate_series(1, 4000) AS n;"
                    + " INSERT INTO mixed SELECT n % 7, 'k' || n, n FROM generate_series(1, 4000) AS n";
            String schema = "CREATE TABLE word (k text COLLATE \"%s\" PRIMARY KEY, v int); CREATE TABLE mixed (a int, b varchar(9), v int, PRIMARY KEY (a, b))";
            pipeline.onSource(schema.formatted("C"));
            pipeline.onTarget(schema.formatted("unicode"));
            pipeline.onBoth("CREATE TABLE spelt (c char(5), i inet, b bool, v int, PRIMARY KEY (c, i, b))");
            pipeline.startCapture();
            Child apply = pipeline.startApply();
            pipeline.awaitStreaming();
            pipeline.onSource(rows);
            pipeline.onSource("INSERT INTO spelt SELECT 'c' || n, '10.0.0.1'::inet + n, n % 2 = 0, n FROM generate_series(1, 99) AS n");
            pipeline.awaitCaughtUp(PATIENCE);
            assertThat(pipeline.askTarget("SELECT 'a' < 'B' COLLATE \"unicode\"")).isEqualTo("t");
            for (int rangeRows : new int[] {700, 3_000}) {
                assertThat(verify(pipeline, rangeRows)).extracting(TableVerification::verdict).containsOnly("IN SYNC");
            }
            pipeline.onTarget(
                    """
                    UPDATE word SET k = 'b1' WHERE k = 'B1';
                    UPDATE word SET v = 0 WHERE k = '_d4';
                    DELETE FROM mixed WHERE b = 'k4000';
                    INSERT INTO mixed VALUES (6, 'zz', 1)""");
            Map<String, List<String>> planted = Map.of(
                    "word", List.of("missing in the target: k=B1", "extra in the target: k=b1", "differs: k=_d4 in v"),
                    "mixed", List.of("missing in the target: a=3, b=k4000", "extra in the target: a=6, b=zz"),
                    "spelt", List.of());
            for (int rangeRows : new int[] {700, 3_000}) {
                requireFound(planted, verify(pipeline, rangeRows));
            }

            // keys that a cast to text prints otherwise than the stream does: those in flight are left out all the same
            apply.kill();
            pipeline.onTarget("UPDATE spelt SET v = 0 WHERE c = 'c50'");
            pipeline.onSource("UPDATE spelt SET v = v + 1 WHERE v <= 10");
            TableVerification spelt = verify(pipeline).get(2);
            assertThat(spelt.confirmed()).as(spelt.toString()).isEqualTo(1);
            assertThat(spelt.inFlight()).isEqualTo(10);
        }
    }

    private List<TableVerification> verify(Pipeline pipeline) throws InterruptedException {
        return verify(pipeline, 3_000);
    }

    private List<TableVerification> verify(Pipeline pipeline, int rangeRows) throws InterruptedException {
        List<TableVerification> tables = new ArrayList<>();
        LaneConfig lane = pipeline.config().lanes().get(0);
        try (Verification verification = new Verification(pipeline.config(), lane, rangeRows, rangeRows == 700)) {
            for (TableMapping mapping : lane.tables()) {
                tables.add(verification.verify(mapping, Divergences.NOT_KEPT, Verification.Progress.SILENT));
            }
        }
        return tables;
    }

    private static void requireNoneBroken(Pipeline pipeline, Map<String, Integer> verdicts) throws InterruptedException {
        LaneConfig lane = pipeline.config().lanes().get(0);
        try (Verification verification = new Verification(pipeline.config(), lane, 500, false)) {
            for (ReferenceVerification reference : verification.verifyReferences(lane.tables().get(1))) {
                assertThat(reference.isBroken()).as(reference.toString()).isFalse();
                String verdict = reference.holds() ? "a reference holds" : "a reference is not told";
                verdicts.merge(verdict, 1, Integer::sum);
            }
        }
    }

    // ---- the source

    private void write(Random random) {
        try (Connection source = servers.source().connect("verified_source");
                Statement statement = source.createStatement()) {
            statement.execute("SET deadlock_timeout = '20ms'");
            source.setAutoCommit(false);
            while (isWriting.get()) {
                try {
                    int rows = 0;
                    for (int changes = 1 + random.nextInt(6); changes > 0; changes--) {
                        rows += statement.executeUpdate(change(random));
                    }
                    if (random.nextInt(8) == 0) {
                        source.rollback();
                    } else {
                        source.commit();
                        written.addAndGet(rows);
                    }
                    pace.made(rows);
                } catch (SQLException e) {
                    if (!"40P01".equals(e.getSQLState()) && !"23505".equals(e.getSQLState())) {
                        throw e;
                    }
                    source.rollback();
                }
            }
        } catch (SQLException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Rows above 15,000 are left alone, for faults to be planted in. */
    private static String change(Random random) {
        int id = random.nextInt(3) == 0 ? random.nextInt(5) : random.nextInt(15_000);
        return switch (random.nextInt(40)) {
            case 0, 1 -> "DELETE FROM item WHERE id = %d".formatted(id);
            case 2, 3, 4 -> "UPDATE item SET id = %1$d WHERE id = %2$d AND NOT EXISTS (SELECT FROM item WHERE id = %1$d)"
                    .formatted(random.nextInt(15_000), id);
            case 5, 6, 7, 8 -> "INSERT INTO item VALUES (%1$d, 'new', %1$d, 0.1, '{}', repeat('y', 3000)) ON CONFLICT (id) DO UPDATE SET name = 'again'"
                    .formatted(id);
            case 9, 10, 11, 12, 13 -> "INSERT INTO pair VALUES ('k', %1$d, 1) ON CONFLICT (b, a) DO UPDATE SET v = pair.v + 1"
                    .formatted(random.nextInt(300));
            case 14 -> random.nextInt(10) == 0 ? "TRUNCATE short" : "INSERT INTO short VALUES (%d, 1) ON CONFLICT DO NOTHING".formatted(id);
            case 15, 16, 17, 18, 19 -> "UPDATE item SET price = price + 0.10, ratio = ratio * 1.1 WHERE id = %d".formatted(id);
            default -> "UPDATE item SET ratio = ratio * 0.9 WHERE id BETWEEN %d AND %d".formatted(id, Math.min(14_999, id + 9));
        };
    }

    /** Transactions that last, for up to a minute. */
    private void holdOpen() {
        try (Connection source = servers.source().connect("verified_source");
                Statement statement = source.createStatement()) {
            source.setAutoCommit(false);
            for (int i = 0; isWriting.get(); i++) {
                statement.execute("INSERT INTO pair VALUES ('long', %d, 0) ON CONFLICT DO NOTHING".formatted(i));
                for (int second = 0; second < LONGEST_PAUSE.toSeconds() && isWriting.get(); second++) {
                    TimeUnit.SECONDS.sleep(1);
                }
                source.commit();
            }
        } catch (SQLException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    // ---- faults

    /** Another session writes to the target; gives what must be found: kind, key and columns. */
    private static Map<String, List<String>> plant(Pipeline pipeline) {
        pipeline.onTarget(
                """
                DELETE FROM item WHERE id = 16001;
                INSERT INTO item SELECT 30001, name, price, ratio, body, photo FROM item WHERE id = 16002;
                UPDATE item SET name = name || ' ' WHERE id = 16003;
                UPDATE item SET price = (price::text || '0')::numeric WHERE id = 16004;
                UPDATE item SET ratio = ratio + 1e-12 WHERE id = 16005;
                UPDATE item SET body = '{"n": 16006.0}' WHERE id = 16006;
                UPDATE item SET photo = left(photo, 2999) || 'y' WHERE id = 16007;
                UPDATE item SET photo = '__debezium_unavailable_value' WHERE id = 16008;
                UPDATE item SET name = NULL WHERE id = 16009;
                UPDATE item SET name = (SELECT name FROM item WHERE id = 16011) WHERE id = 16010;
                UPDATE item SET photo = left(photo, -1) || 'Z' WHERE id = 16015;
                UPDATE pair SET a = 'other' WHERE b = 1999 AND a = 'k1999';
                CREATE FUNCTION wrong() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                  UPDATE item SET name = NEW.name WHERE NEW.id = 16013 AND id = 16014;
                  RETURN OLD;
                END $$;
                CREATE TRIGGER wrong BEFORE UPDATE ON item FOR EACH ROW WHEN (NEW.id IN (16012, 16013)) EXECUTE FUNCTION wrong();
                ALTER TABLE item ENABLE ALWAYS TRIGGER wrong""");
        // an applier that loses one change, and gives another one to the wrong row
        pipeline.onSource("UPDATE item SET name = 'changed' WHERE id IN (16012, 16013)");
        Await.until("the wrong row is written", PATIENCE, () ->
                pipeline.askTarget("SELECT name FROM item WHERE id = 16014").equals("changed"));
        return Map.of(
                "item",
                List.of(
                        "missing in the target: id=16001", "extra in the target: id=30001", "differs: id=16003 in name",
                        "differs: id=16004 in price", "differs: id=16005 in ratio", "differs: id=16006 in body",
                        "differs: id=16007 in photo", "differs: id=16008 in photo", "differs: id=16009 in name",
                        "differs: id=16010 in name", "differs: id=16012 in name", "differs: id=16013 in name",
                        "differs: id=16014 in name", "differs: id=16015 in photo"),
                "pair",
                List.of("missing in the target: b=1999, a=k1999", "extra in the target: b=1999, a=other"),
                "short",
                List.of());
    }

    private static void requireFound(Map<String, List<String>> planted, List<TableVerification> tables) {
        for (TableVerification table : tables) {
            List<String> found = table.differences().stream().map(RowDifference::toString).collect(Collectors.toList());
            assertThat(found).as(table.toString()).containsExactlyInAnyOrderElementsOf(planted.get(table.source().table()));
        }
        assertThat(tables).hasSize(planted.size());
    }
}
