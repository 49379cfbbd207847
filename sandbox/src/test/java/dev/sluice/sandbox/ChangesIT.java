package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Secret;
import dev.sluice.config.TableMapping;
import dev.sluice.preflight.Preflight;
import dev.sluice.process.Finding;
import dev.sluice.schemas.TableId;
import java.io.IOException;
import java.io.StringReader;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.postgresql.PGConnection;

/**
 * Changes that need more than their columns written: by triggers and cascades, without a key, in circles, of rows that are
 * missing, in every kind of transaction. One pipeline carries all cases; after each, both sides are equal.
 *
 * <p>Statements between semicolons are one transaction.
 */
class ChangesIT {
    private static ThreeServers servers;
    private static InProcessPipeline pipeline;

    @BeforeAll
    static void startPipeline() {
        servers = ThreeServers.start();
        TestDatabase.create(servers.source(), "settings").execute("ALTER SYSTEM SET max_prepared_transactions = 10");
        servers.source().stop();
        servers.source().start();
        TestDatabase source = TestDatabase.create(servers.source(), "changes");
        TestDatabase target = TestDatabase.create(servers.target(), "changes");
        source.execute(SqlScript.text("changes-both.sql") + SqlScript.text("changes-source.sql"));
        target.execute(SqlScript.text("changes-both.sql") + SqlScript.text("changes-target.sql"));
        pipeline = new InProcessPipeline(
                servers.config("changes", source.config("source"), target.config("target"), tables(source)), source, target);
        pipeline.start();
        pipeline.awaitApplied();
    }

    private static List<TableMapping> tables(TestDatabase source) {
        return source.tables().stream()
                .filter(table -> !table.schema().equals("loose"))
                .map(table -> table.table().equals("log")
                        ? new TableMapping(table, table, ThreeServers.LANE, Map.of(), Set.of("seen"), Map.of())
                        : TableMapping.identity(table, ThreeServers.LANE))
                .toList();
    }

    @AfterAll
    static void stopPipeline() {
        if (pipeline != null) {
            pipeline.close();
        }
        servers.close();
    }

    @AfterEach
    void bothSidesAreEqual() {
        pipeline.requireEqual();
    }

    private static void commit(String transaction) {
        pipeline.source().execute(transaction);
    }

    private static String ask(String sql) {
        return pipeline.target().ask(sql);
    }

    // ---- triggers and cascades

    @Test
    void triggersAndCascadesOfTheTargetDoNothingAgain() {
        commit("INSERT INTO fired.account VALUES (0, 0), (1, 100), (2, 200), (3, 300)");
        commit("INSERT INTO fired.entry SELECT n, 1 + n % 3, n FROM generate_series(1, 30) AS n");
        commit("INSERT INTO fired.tag VALUES (1, 'skip'), (2, 'skip'), (3, 'a')");
        commit("INSERT INTO fired.note SELECT n, 1 + n % 3, n FROM generate_series(1, 30) AS n");
        commit("UPDATE fired.entry SET amount = amount * 2 WHERE id % 2 = 0; DELETE FROM fired.entry WHERE id % 5 = 0");
        commit("UPDATE fired.account SET id = 20, balance = -1 WHERE id = 2");
        commit("UPDATE fired.account SET id = 10 WHERE id = 1; DELETE FROM fired.account WHERE id = 10");
        commit("DELETE FROM fired.account WHERE id = 3; INSERT INTO fired.account VALUES (3, 7)");
        pipeline.awaitApplied();
        assertThat(ask("SELECT count(*) FROM fired.tag WHERE name = 'skip'")).as("a trigger of the target only").isEqualTo("1");

        commit("TRUNCATE fired.account CASCADE");
    }

    @Test
    void aTriggerThatIsEnabledAlwaysFiresAndIsNamed() {
        commit("INSERT INTO fired.log VALUES (1, 'a'); UPDATE fired.log SET v = 'b'");
        pipeline.awaitApplied();
        assertThat(ask("SELECT seen > 0 FROM fired.log")).isEqualTo("t");

        assertThat(Preflight.findings(pipeline.config()))
                .filteredOn(finding -> finding.subject().equals("target fired.log"))
                .singleElement()
                .satisfies(finding -> {
                    assertThat(finding.level()).isEqualTo(Finding.Level.WARNING);
                    assertThat(finding.problem()).contains("trigger always fires");
                });
    }

    @Test
    void theRoleOfAReplicaIsNeverLeftBehind() {
        commit("INSERT INTO fired.account VALUES (50, 0); INSERT INTO fired.entry VALUES (50, 50, 1)");
        commit("DELETE FROM fired.account WHERE id = 50");
        pipeline.awaitApplied();
        assertThat(ask("SELECT count(*) FROM fired.entry WHERE account = 50")).isEqualTo("0");
    }

    @Test
    void whatARoleMayNotSuppressIsSaidWithItsCure() {
        TestDatabase source = TestDatabase.create(servers.source(), "roles");
        TestDatabase target = TestDatabase.create(servers.target(), "roles");
        String tables = "CREATE TABLE plain (id int PRIMARY KEY, v text); CREATE TABLE fired (id int PRIMARY KEY, v text UNIQUE);"
                + " CREATE TABLE child (id int PRIMARY KEY, fired int REFERENCES fired ON DELETE CASCADE);"
                + " CREATE FUNCTION double() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.v := NEW.v || NEW.v; RETURN NEW; END $$;"
                + " CREATE TRIGGER double BEFORE INSERT ON fired FOR EACH ROW EXECUTE FUNCTION double();";
        source.execute(tables);
        target.execute(tables + " CREATE ROLE writer LOGIN PASSWORD 'writer'; GRANT CREATE ON DATABASE roles TO writer;"
                + " GRANT ALL ON plain, fired, child TO writer");
        List<TableMapping> mappings = Stream.of("plain", "fired", "child")
                .map(name -> TableMapping.identity(new TableId("public", name), ThreeServers.LANE))
                .toList();
        DatabaseConfig to = target.config("target");
        DatabaseConfig asWriter = new DatabaseConfig(
                to.role(), to.host(), to.port(), to.database(), "writer", new Secret("writer"), to.sslMode(), to.properties());
        try (InProcessPipeline limited = new InProcessPipeline(
                servers.config("roles", source.config("source"), asWriter, mappings), source, target)) {
            assertThat(targetFindings(limited)).containsExactly(
                    "ERROR GRANT SET ON PARAMETER session_replication_role TO \"writer\"; or, if they may fire twice,"
                            + " tables[].triggers: fire; or ALTER TABLE \"public\".\"fired\" DISABLE TRIGGER USER; until the cutover");
            target.execute("DROP TRIGGER double ON fired");
            assertThat(targetFindings(limited))
                    .containsExactly("WARNING GRANT SET ON PARAMETER session_replication_role TO \"writer\";");
            target.execute("CREATE TRIGGER double BEFORE INSERT ON fired FOR EACH ROW EXECUTE FUNCTION double();"
                    + " GRANT SET ON PARAMETER session_replication_role TO writer; CREATE SCHEMA sluice AUTHORIZATION writer;"
                    + " CREATE TABLE sluice.divergence (another_role_has_compared boolean)");
            assertThat(targetFindings(limited)).isEmpty();
            assertThat(Preflight.findings(limited.config()))
                    .filteredOn(finding -> finding.subject().equals("target role writer"))
                    .extracting(finding -> finding.level() + " " + finding.cure())
                    .containsExactly("WARNING GRANT EXECUTE ON FUNCTION pg_catalog.pg_replication_origin_create(text),"
                            + " pg_catalog.pg_replication_origin_session_setup(text), pg_catalog.pg_replication_origin_xact_reset()"
                            + " TO \"writer\";");

            pipeline.stop(); // Debezium's metrics know one engine of a lane's name in a JVM
            limited.start();
            limited.awaitApplied();
            source.execute("INSERT INTO plain VALUES (1, 'p'); INSERT INTO fired VALUES (1, 'f'), (2, 'g'); INSERT INTO child VALUES (1, 1), (2, 2)");
            source.execute("DELETE FROM fired WHERE id = 1");
            limited.requireEqual();
            limited.stop();

            target.execute("ALTER TABLE fired DROP CONSTRAINT fired_v_key, ADD UNIQUE (v) DEFERRABLE; CREATE TABLE other (id int PRIMARY KEY, fired int REFERENCES fired)");
            assertThat(targetFindings(limited)).hasSize(2).allMatch(finding -> finding.startsWith("ERROR"));
        } finally {
            pipeline.startWhatIsDown();
            target.execute("REVOKE SET ON PARAMETER session_replication_role FROM writer");
        }
    }

    private static List<String> targetFindings(InProcessPipeline of) {
        return Preflight.findings(of.config()).stream()
                .filter(finding -> finding.subject().equals("target public.fired"))
                .map(finding -> finding.level() + " " + finding.cure())
                .toList();
    }

    // ---- no key

    @Test
    void rowsWithoutAKeyDuplicatesIncluded() {
        commit("INSERT INTO keyless.mixed (n, t, j, p, x, f, b, i, ts, c, m, a, ct, toast) SELECT 1.0, 't', '{\"a\": 1,  \"a\": 2}', '(1,-0)', '<a/>', 0.1, '\\x00ff', 1, '2026-01-01 00:00:00.000001+00', 'ab', 1.5, '{1,NULL}', 'Key', repeat('x', 5000) FROM generate_series(1, 4)");
        commit("INSERT INTO keyless.mixed (n, i) VALUES (1.00, NULL), (1.0, NULL), ('NaN', 1), (NULL, NULL), (NULL, NULL); INSERT INTO keyless.mixed (ct) VALUES ('key'), ('KEY')");
        pipeline.requireEqual();

        commit("UPDATE keyless.mixed SET t = 'one of four' WHERE ctid = (SELECT ctid FROM keyless.mixed WHERE t = 't' LIMIT 1)");
        commit("DELETE FROM keyless.mixed WHERE ctid = (SELECT ctid FROM keyless.mixed WHERE t = 't' LIMIT 1)");
        commit("DELETE FROM keyless.mixed WHERE n::text = '1.00'; UPDATE keyless.mixed SET i = 5 WHERE ct::text = 'key'");
        commit("DELETE FROM keyless.mixed WHERE ctid = (SELECT ctid FROM keyless.mixed WHERE num_nonnulls(n, t, i, ct) = 0 LIMIT 1)");
        commit("INSERT INTO keyless.mixed (t) VALUES ('in'), ('in'), ('in'); UPDATE keyless.mixed SET t = 'out' WHERE t = 'in'; DELETE FROM keyless.mixed WHERE t = 'out'; INSERT INTO keyless.mixed (t) VALUES ('out')");
        commit("UPDATE keyless.mixed SET n = 2, j = NULL, p = NULL, x = NULL, toast = toast || 'y' WHERE toast IS NOT NULL");
        commit("UPDATE keyless.mixed SET t = t");
        commit("DELETE FROM keyless.mixed WHERE i = 1");
        pipeline.requireEqual();

        commit("INSERT INTO keyless.mixed (i, t) SELECT n % 7, 'many' FROM generate_series(1, 1200) AS n; UPDATE keyless.mixed SET t = 'few' WHERE i = 3; DELETE FROM keyless.mixed WHERE i = 4");
    }

    @Test
    void aTableWhoseUpdatesTheSourceWouldRefuseIsNotPublished() {
        String tables = "CREATE TABLE computed (id int PRIMARY KEY, v text, w int GENERATED ALWAYS AS (length(v)) STORED);"
                + " ALTER TABLE computed REPLICA IDENTITY FULL; CREATE TABLE bare (v text);";
        TestDatabase source = TestDatabase.create(servers.source(), "refused");
        TestDatabase target = TestDatabase.create(servers.target(), "refused");
        source.execute(tables);
        target.execute(tables);
        List<TableMapping> mappings = Stream.of("computed", "bare")
                .map(name -> TableMapping.identity(new TableId("public", name), ThreeServers.LANE))
                .toList();
        try (InProcessPipeline refused = new InProcessPipeline(
                servers.config("refused", source.config("source"), target.config("target"), mappings), source, target)) {
            pipeline.stop();
            refused.startCapture();
            assertThat(refused.captureFailure())
                    .hasMessageContaining("public.computed: its replica identity is FULL and holds generated columns (w)")
                    .hasMessageContaining("public.bare: has no usable key");
            source.execute("INSERT INTO computed (id, v) VALUES (1, 'a'); UPDATE computed SET v = 'b'; INSERT INTO bare VALUES ('a'); UPDATE bare SET v = 'b'");
        } finally {
            pipeline.startWhatIsDown();
        }
    }

    @Test
    void uniqueIndexesOverNullsAreNoKey() {
        commit("INSERT INTO keyless.nullable VALUES (1, 'a'), (NULL, 'b'), (NULL, 'b'), (NULL, NULL)");
        commit("UPDATE keyless.nullable SET a = 2 WHERE a = 1; UPDATE keyless.nullable SET b = 'c' WHERE ctid = (SELECT ctid FROM keyless.nullable WHERE b = 'b' LIMIT 1)");
        commit("UPDATE keyless.nullable SET a = NULL WHERE a = 2; DELETE FROM keyless.nullable WHERE a IS NULL AND b IS NULL");
    }

    @Test
    void rowsWithoutAKeyThatReferToOthers() {
        commit("INSERT INTO keyless.owner SELECT generate_series(1, 5); INSERT INTO keyless.line SELECT 1 + n % 5, 'v' || n % 3 FROM generate_series(1, 60) AS n");
        commit("DELETE FROM keyless.owner WHERE id = 1");
        commit("UPDATE keyless.line SET owner = 3 WHERE owner = 2; DELETE FROM keyless.owner WHERE id = 2");
        commit("INSERT INTO keyless.owner VALUES (6); INSERT INTO keyless.line VALUES (6, 'a'), (6, 'a'), (NULL, 'a'); DELETE FROM keyless.owner WHERE id = 6");
        commit("TRUNCATE keyless.owner CASCADE; INSERT INTO keyless.line VALUES (NULL, 'after')");
        commit("INSERT INTO keyless.partitioned SELECT n % 20, 'v' FROM generate_series(1, 80) AS n; UPDATE keyless.partitioned SET k = 20 - k; DELETE FROM keyless.partitioned WHERE k % 3 = 0");
        commit("INSERT INTO keyless.numbered (v) VALUES ('a'), ('bb'); UPDATE keyless.numbered SET v = 'ccc' WHERE v = 'a'; UPDATE keyless.numbered SET id = DEFAULT WHERE v = 'bb'");
    }

    @Test
    void ofSeveralUniqueIndexesTheReplicaIdentityIsTheKey() {
        commit("INSERT INTO kinds.identified SELECT n, 100 + n, repeat(n::text, 3000) FROM generate_series(1, 9) AS n");
        commit("UPDATE kinds.identified SET first = 50 + first");
        commit("UPDATE kinds.identified SET first = NULL, second = -second WHERE second > 105; DELETE FROM kinds.identified WHERE second = 101");
        commit("UPDATE kinds.identified SET first = second WHERE first IS NULL");
        pipeline.awaitApplied();
        assertThat(ask("SELECT count(*) FROM kinds.identified WHERE first = second AND length(long) = 3000")).isEqualTo("4");
    }

    @Test
    void tablesWithDeferredChecksAreTruncatedBehindOtherTransactions() {
        pipeline.stopApply(); // then all of it is one batch
        commit("INSERT INTO kinds.deferring VALUES (1, 1, 2), (2, 2, 1); INSERT INTO kinds.deferring_child VALUES (1, 2)");
        commit("UPDATE kinds.deferring SET n = 3 - n; TRUNCATE kinds.deferring_child; INSERT INTO kinds.deferring_child VALUES (2, 2)");
        commit("TRUNCATE kinds.deferring CASCADE; INSERT INTO kinds.deferring VALUES (3, 3, 4), (4, 4, NULL)");
        commit("INSERT INTO kinds.deferring_child VALUES (3, 3); TRUNCATE kinds.deferring_child");
        commit("TRUNCATE kinds.deferring_child, kinds.deferring; INSERT INTO kinds.deferring VALUES (5, 5, 6), (6, 6, 5)");
        pipeline.startWhatIsDown();
        pipeline.awaitApplied();
        assertThat(ask("SELECT string_agg(id::text, ',' ORDER BY id) FROM kinds.deferring")).isEqualTo("5,6");
    }

    // ---- rows that are missing

    @Test
    void aRowThatIsMissingComesFromTheSource() {
        commit("INSERT INTO missing.document SELECT n, 'p', 'title', repeat('secret', 2000) FROM generate_series(1, 6) AS n");
        pipeline.awaitApplied();
        pipeline.target().execute("DELETE FROM missing.document WHERE id <> 3");
        try (LogLines log = LogLines.open()) {
            commit("UPDATE missing.document SET title = 'new' WHERE id IN (1, 3); UPDATE missing.document SET id = 20 WHERE id = 2");
            commit("UPDATE missing.document SET title = 'short-lived' WHERE id = 4; DELETE FROM missing.document WHERE id = 4");
            commit("UPDATE missing.document SET id = 50 WHERE id = 5; UPDATE missing.document SET id = 51, title = 'moved' WHERE id = 50");
            commit("UPDATE missing.document SET title = 'x'; DELETE FROM missing.document WHERE id = 6");
            pipeline.requireEqual();
            assertThat(log.with("WARN", "missing.document", "[id, part]", "taken from the source")).isNotEmpty();
            assertThat(log.with("missing.document", "left out")).isNotEmpty();
            assertThat(log.with("secret")).isEmpty();
        }
    }

    // ---- circles

    @Test
    void keysAndValuesThatChangeHandsInACircleInOneStatement() {
        commit("INSERT INTO circle.seat SELECT n, n, 'v' || n FROM generate_series(1, 300) AS n");
        commit("UPDATE circle.seat SET number = 301 - number");
        commit("UPDATE circle.seat SET id = 301 - id");
        commit("UPDATE circle.seat SET id = CASE id WHEN 1 THEN 2 WHEN 2 THEN 3 ELSE 1 END, v = 'three' WHERE id < 4");
        commit("UPDATE circle.seat SET number = CASE number WHEN 1 THEN 2 ELSE 1 END WHERE number < 3; INSERT INTO circle.seat VALUES (400, 400, 'x')");
    }

    @Test
    void longValuesThatDoNotChangeStayWithTheirRowsInACircle() {
        commit("INSERT INTO circle.paper SELECT n, md5(n::text)::uuid, n, n / 3.0, n, decode(repeat(md5(n::text), 300), 'hex'), repeat(chr(800 + n), 9000), ARRAY[repeat('\"', 9000), NULL, n::text] FROM generate_series(1, 90) AS n");
        commit("INSERT INTO circle.file SELECT n, n, repeat(md5(n::text), 300) FROM generate_series(1, 90) AS n");
        commit("UPDATE circle.paper SET number = 91 - number");
        commit("UPDATE circle.paper SET number = 91 - number, body = CASE id % 2 WHEN 0 THEN body ELSE 'short' END");
        commit("UPDATE circle.file SET number = 91 - number");
        commit("UPDATE circle.file SET id = 91 - id");
        commit("UPDATE circle.file SET id = CASE id WHEN 1 THEN 2 WHEN 2 THEN 3 ELSE 1 END, number = 500 - id WHERE id < 4");
    }

    // ---- sequences

    @Test
    void sequencesThatStayBehindAreNamedWithTheirCure() {
        commit("INSERT INTO counted.\"Row\" (v) SELECT 'v' FROM generate_series(1, 7); INSERT INTO counted.label (v) VALUES ('a'), ('b'), ('c')");
        pipeline.awaitApplied();
        assertThat(sequenceFindings()).containsExactly(
                "target sequence counted.Row_id_seq: SELECT pg_catalog.setval('\"counted\".\"Row_id_seq\"', 7);",
                "target sequence counted.Row_n_seq: SELECT pg_catalog.setval('\"counted\".\"Row_n_seq\"', 7);",
                "target sequence counted.down: SELECT pg_catalog.setval('\"counted\".\"down\"', -14);");

        commit("INSERT INTO counted.\"Row\" (id) VALUES (100)"); // larger than the source's sequence knows
        pipeline.awaitApplied();
        sequenceFindings().forEach(finding -> pipeline.target().execute(finding.substring(finding.indexOf("SELECT"))));
        assertThat(sequenceFindings()).isEmpty();
        assertThat(ask("SELECT nextval('counted.\"Row_id_seq\"') || ' ' || nextval('counted.down')")).isEqualTo("101 -16");
    }

    private static List<String> sequenceFindings() {
        return Preflight.findings(pipeline.config()).stream()
                .filter(finding -> finding.subject().startsWith("target sequence counted"))
                .map(finding -> finding.subject() + ": " + finding.cure().substring(finding.cure().indexOf("SELECT")))
                .toList();
    }

    // ---- kinds of transactions and statements

    @Test
    void preparedTransactionsSavepointsAndCursors() {
        commit("INSERT INTO kinds.item SELECT n, 'v' || n FROM generate_series(1, 20) AS n");
        commit("BEGIN; UPDATE kinds.item SET v = 'prepared' WHERE id = 1; INSERT INTO kinds.item VALUES (100, 'p'); PREPARE TRANSACTION 'kept'");
        commit("BEGIN; DELETE FROM kinds.item WHERE id > 1 AND id < 20; PREPARE TRANSACTION 'dropped'");
        commit("INSERT INTO kinds.item VALUES (101, 'between')");
        pipeline.requireEqual();
        assertThat(ask("SELECT count(*) FROM kinds.item WHERE id = 100")).isEqualTo("0");
        commit("ROLLBACK PREPARED 'dropped'");
        commit("COMMIT PREPARED 'kept'");
        pipeline.requireEqual();
        assertThat(ask("SELECT count(*) FROM kinds.item WHERE id = 100")).isEqualTo("1");

        commit("BEGIN; UPDATE kinds.item SET n = 1; SAVEPOINT a; UPDATE kinds.item SET n = 2; SAVEPOINT b; DELETE FROM kinds.item; ROLLBACK TO b; INSERT INTO kinds.item VALUES (200, 'in b'); RELEASE b; ROLLBACK TO a; INSERT INTO kinds.item VALUES (201, 'after a'); COMMIT");
        commit("DO $$ BEGIN FOR i IN 300..340 LOOP BEGIN INSERT INTO kinds.item VALUES (i, 'loop'); IF i % 3 = 0 THEN RAISE 'no'; END IF; EXCEPTION WHEN raise_exception THEN NULL; END; END LOOP; END $$");
        commit("DO $$ DECLARE c CURSOR FOR SELECT * FROM kinds.item WHERE id >= 300 FOR UPDATE; r record; BEGIN FOR r IN c LOOP IF r.id % 2 = 0 THEN UPDATE kinds.item SET v = 'cursor' WHERE CURRENT OF c; ELSE DELETE FROM kinds.item WHERE CURRENT OF c; END IF; END LOOP; END $$");
    }

    @Test
    void copyMergeAndInsertOnConflict() throws SQLException, IOException {
        try (Connection connection = servers.source().connect("changes")) {
            connection.unwrap(PGConnection.class).getCopyAPI().copyIn(
                    "COPY kinds.item (id, v) FROM STDIN", new StringReader("1000\ta\\tb\n1001\t\\N\n1002\t\n"));
        }
        commit("MERGE INTO kinds.item AS i USING (SELECT n, 'm' || n AS v FROM generate_series(1001, 1010) AS n) AS m ON m.n = i.id"
                + " WHEN MATCHED AND i.v IS NULL THEN DELETE WHEN MATCHED THEN UPDATE SET v = m.v WHEN NOT MATCHED THEN INSERT (id, v) VALUES (m.n, m.v)");
        commit("INSERT INTO kinds.item VALUES (1005, 'c', 1), (1020, 'c', 1) ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v || kinds.item.v, n = kinds.item.n + 1");
        commit("INSERT INTO kinds.item VALUES (1005, 'ignored'), (1021, 'kept') ON CONFLICT DO NOTHING");
        commit("INSERT INTO kinds.computed (id, v) VALUES (1, 'a'), (2, NULL); UPDATE kinds.computed SET v = 'bc' WHERE id = 1; UPDATE kinds.computed SET id = 3 WHERE id = 2");
        pipeline.awaitApplied();
        assertThat(ask("SELECT stored || virtual FROM kinds.computed WHERE id = 1")).isEqualTo("bcbc2");
    }

    @Test
    void truncationsOfSeveralTablesCascadingAndRestarting() {
        commit("INSERT INTO kinds.truncated (v) VALUES ('a'), ('b'); INSERT INTO kinds.truncated_child VALUES (1, 1), (2, 2)");
        commit("TRUNCATE kinds.truncated CASCADE; INSERT INTO kinds.truncated (v) VALUES ('c')");
        commit("INSERT INTO kinds.truncated_child VALUES (3, 3); TRUNCATE kinds.truncated, kinds.truncated_child RESTART IDENTITY; INSERT INTO kinds.truncated (v) VALUES ('first again')");
        commit("INSERT INTO kinds.truncated_child VALUES (4, 1); TRUNCATE ONLY kinds.truncated_child; BEGIN; SAVEPOINT s; TRUNCATE kinds.truncated CASCADE; ROLLBACK TO s; COMMIT");
    }

    // ---- partitions

    @Test
    void partitionsThatComeAndGo() {
        commit("INSERT INTO parted.event SELECT n, date '2025-01-01' + n, 'v' FROM generate_series(1, 50) AS n");
        commit("CREATE TABLE parted.event_2026 PARTITION OF parted.event FOR VALUES FROM ('2026-01-01') TO ('2027-01-01'); INSERT INTO parted.event VALUES (100, '2026-05-05', 'new')");
        commit("CREATE TABLE parted.event_2027 (v text, at date NOT NULL, id int NOT NULL, PRIMARY KEY (id, at))");
        commit("ALTER TABLE parted.event ATTACH PARTITION parted.event_2027 FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')");
        commit("INSERT INTO parted.event VALUES (101, '2027-05-05', 'attached'); UPDATE parted.event SET at = at + 366 WHERE id <= 10; UPDATE parted.event SET id = id + 1000 WHERE id = 101");
        pipeline.requireEqual();

        try (LogLines log = LogLines.open()) {
            commit("CREATE TABLE parted.event_2028 (id int, at date, v text, PRIMARY KEY (id, at)); INSERT INTO parted.event_2028 VALUES (500, '2028-01-01', 'before')");
            commit("ALTER TABLE parted.event ATTACH PARTITION parted.event_2028 FOR VALUES FROM ('2028-01-01') TO ('2029-01-01')");
            pipeline.await("a warning of the partition", () -> !log.with("WARN", "parted.event_2028", "attached").isEmpty());
            commit("ALTER TABLE parted.event DETACH PARTITION parted.event_2028");
            pipeline.await("a warning of its end", () -> !log.with("WARN", "parted.event_2028", "detached").isEmpty());
            assertThat(log.with("parted.event_2026")).isEmpty();
        }
    }
}
