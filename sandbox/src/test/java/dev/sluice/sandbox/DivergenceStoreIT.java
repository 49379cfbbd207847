package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Databases;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.Secret;
import dev.sluice.config.TableMapping;
import dev.sluice.divergence.Divergence;
import dev.sluice.divergence.Divergence.Kind;
import dev.sluice.divergence.DivergenceStore;
import dev.sluice.reconciler.ReconcilerMain;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What a comparison leaves in the target, and what a later one makes of it. */
class DivergenceStoreIT {
    private static final String OPEN = "SELECT string_agg(source_table || ' ' || key::text, ', ' ORDER BY source_table, key)"
            + " FROM sluice.divergence WHERE closed_at IS NULL";

    private static PostgresServer server;
    private static TestDatabase source;
    private static TestDatabase target;

    private final StringWriter out = new StringWriter();

    @BeforeAll
    static void startServer() {
        server = Servers.postgres();
        source = TestDatabase.create(server, "source");
        target = TestDatabase.create(server, "target");
        target.execute("CREATE ROLE reader LOGIN PASSWORD 'reader'");
    }

    @AfterAll
    static void stopServer() {
        server.close();
    }

    @BeforeEach
    void makeTables() {
        both("DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE TABLE a (id int PRIMARY KEY, v text);"
                + " CREATE TABLE b (id int PRIMARY KEY, v text); CREATE TABLE bag (v text);"
                + " INSERT INTO a SELECT n, 'v' FROM generate_series(1, 3000) AS n; INSERT INTO b SELECT n, 'v' FROM generate_series(1, 9) AS n");
        target.execute("DROP SCHEMA IF EXISTS sluice CASCADE; CREATE SCHEMA sluice; GRANT USAGE ON SCHEMA public TO reader;"
                + " GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader");
    }

    @Test
    void manyKeysAreStoredAndClosed() {
        target.execute("DELETE FROM a WHERE id <= 2500");

        assertThat(compare()).isEqualTo(Stop.DIFFERENT);
        assertThat(out.toString()).contains("2,500 differing keys are stored");
        assertThat(target.ask("SELECT count(*) FROM sluice.divergence WHERE kind = 'missing' AND closed_at IS NULL")).isEqualTo("2500");

        target.execute("INSERT INTO a SELECT n, 'v' FROM generate_series(1, 2500) AS n");
        assertThat(compare()).isEqualTo(Stop.CLEAN);
        assertThat(out.toString()).contains("2,500 keys that differed before are equal now");
        assertThat(target.ask("SELECT count(*) FROM sluice.divergence WHERE closed_at > first_seen")).isEqualTo("2500");

        target.execute("UPDATE sluice.divergence SET closed_at = now() - interval '91 days'");
        compare();
        assertThat(target.ask("SELECT count(*) FROM sluice.divergence")).isEqualTo("0");
    }

    @Test
    void aTableThatWasNotComparedToItsEndClosesNothing() throws SQLException {
        target.execute("DELETE FROM a WHERE id = 1; DELETE FROM b WHERE id = 2");
        assertThat(compare()).isEqualTo(Stop.DIFFERENT);
        assertThat(target.ask(OPEN)).isEqualTo("a {1}, b {2}");

        target.execute("INSERT INTO a VALUES (1, 'v'); INSERT INTO b VALUES (2, 'v')");
        DatabaseConfig to = server.config("target", "target");
        PipelineConfig impatient = config(new DatabaseConfig(
                to.role(), to.host(), to.port(), to.database(), to.user(), to.password(), to.sslMode(),
                Map.of("options", "-c lock_timeout=300")));
        try (Connection other = server.connect("target");
                Statement statement = other.createStatement()) {
            other.setAutoCommit(false);
            statement.execute("LOCK TABLE b");
            assertThatThrownBy(() -> compare(impatient, 100))
                    .isInstanceOf(Failure.Fatal.class)
                    .hasMessageContaining("lock timeout");
        }

        assertThat(target.ask(OPEN)).isEqualTo("b {2}");
    }

    @Test
    void beyondTheBoundTheFirstKeysAreStoredAndNothingIsClosed() {
        target.execute("UPDATE b SET v = 'x' WHERE id > 4");
        assertThat(compare(config(server.config("target", "target")), 5)).isEqualTo(Stop.DIFFERENT);
        assertThat(target.ask(OPEN)).isEqualTo("b {5}, b {6}, b {7}, b {8}, b {9}");

        target.execute("UPDATE b SET v = 'x'");
        assertThat(compare(config(server.config("target", "target")), 5)).isEqualTo(Stop.DIFFERENT);

        assertThat(out.toString()).contains("public.b: the first 5 of 9 keys are stored; `sluice resync --table public.b` makes the whole table equal");
        assertThat(target.ask(OPEN)).isEqualTo("b {1}, b {2}, b {3}, b {4}, b {5}");
        assertThat(target.ask("SELECT count(*) FROM sluice.divergence WHERE closed_at IS NOT NULL")).isEqualTo("0");
    }

    @Test
    void rowsWithoutAKeyAreNotStored() {
        target.execute("INSERT INTO bag VALUES ('secret')");

        assertThat(compare()).isEqualTo(Stop.DIFFERENT);

        assertThat(out.toString()).contains("public.bag has no key, its rows are not stored; `sluice resync --table public.bag` makes it equal")
                .doesNotContain("differing keys are stored");
    }

    @Test
    void aRoleThatMayNotWriteComparesAndSaysThatNothingIsStored() {
        DatabaseConfig to = server.config("target", "target");
        PipelineConfig limited = config(new DatabaseConfig(
                to.role(), to.host(), to.port(), to.database(), "reader", new Secret("reader"), to.sslMode(), to.properties()));
        target.execute("DELETE FROM a WHERE id = 1");

        assertThat(compare(limited, 100)).isEqualTo(Stop.DIFFERENT);
        assertThat(out.toString())
                .contains("missing in the target: id=1", "NOT STORED in sluice.divergence of the target", "permission denied for schema sluice")
                .contains("GRANT USAGE, CREATE ON SCHEMA sluice TO \"reader\";");

        target.execute("GRANT USAGE ON SCHEMA sluice TO reader");
        assertThat(compare(limited, 100)).isEqualTo(Stop.DIFFERENT);
        assertThat(out.toString()).contains("NOT STORED", "permission denied for schema sluice");

        compare();
        target.execute("INSERT INTO a VALUES (1, 'v')");
        assertThat(compare(limited, 100)).isEqualTo(Stop.CLEAN);
        assertThat(out.toString()).contains("EQUAL", "NOT STORED", "permission denied for table divergence");
        assertThat(target.ask(OPEN)).as("it closes nothing").isEqualTo("a {1}");

        target.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON sluice.divergence TO reader");
        assertThat(compare(limited, 100)).isEqualTo(Stop.CLEAN);
        assertThat(out.toString()).doesNotContain("NOT STORED");
        assertThat(target.ask(OPEN)).isEmpty();

        target.execute("DROP TABLE sluice.divergence; GRANT CREATE ON SCHEMA sluice TO reader; DELETE FROM b WHERE id = 1");
        assertThat(compare(limited, 100)).isEqualTo(Stop.DIFFERENT);
        assertThat(target.ask(OPEN)).isEqualTo("b {1}");
    }

    @Test
    void whatAnEarlierPassSaysBehindALaterOneChangesNothing() throws SQLException {
        DivergenceStore store = new DivergenceStore("lane");
        TableMapping mapping = TableMapping.identity(new TableId("public", "a"), "main");
        Divergence one = new Divergence(Kind.MISSING, List.of("1"), List.of());
        Divergence two = new Divergence(Kind.EXTRA, List.of("2", "x"), List.of());
        try (Connection connection = Databases.connect(server.config("target", "target"), "test")) {
            DivergenceStore.createTable(connection);
            OffsetDateTime first = clock(connection);
            store.seen(connection, mapping, List.of(one), first);
            OffsetDateTime earlier = clock(connection);
            OffsetDateTime later = clock(connection);

            store.seen(connection, mapping, List.of(two), later);
            assertThat(store.closeUnseen(connection, mapping.source(), later, 10)).isEqualTo(1);
            store.seen(connection, mapping, List.of(one), earlier);
            assertThat(store.closeUnseen(connection, mapping.source(), earlier, 10)).isZero();

            assertThat(store.open(connection, mapping.source())).containsExactly(two);
            assertThat(store.open(connection)).containsExactlyEntriesOf(Map.of(mapping.source(), 1L));
        }
    }

    private static OffsetDateTime clock(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet now = statement.executeQuery("SELECT clock_timestamp()")) {
            now.next();
            return now.getObject(1, OffsetDateTime.class);
        }
    }

    @Test
    void anExplanationStaysWhileARowDiffersAndNobodyLooksAgain() throws SQLException {
        String why = "SELECT coalesce(explanation || ' ' || evidence::text, 'none') FROM sluice.divergence";
        DivergenceStore store = new DivergenceStore("lane");
        TableMapping mapping = TableMapping.identity(new TableId("public", "a"), "main");
        Divergence plain = new Divergence(Kind.MISSING, List.of("1"), List.of());
        try (Connection connection = Databases.connect(server.config("target", "target"), "test")) {
            DivergenceStore.createTable(connection);
            store.seen(connection, mapping, List.of(plain), clock(connection));
            assertThat(target.ask(why)).isEqualTo("none");
            store.seen(connection, mapping, List.of(plain.explained("first", "{\"n\": 1}")), clock(connection));
            store.seen(connection, mapping, List.of(plain), clock(connection));
            assertThat(target.ask(why)).isEqualTo("first {\"n\": 1}");
            store.seen(connection, mapping, List.of(plain.explained("second", "{}")), clock(connection));
            assertThat(target.ask(why)).isEqualTo("second {}");

            assertThat(store.closeUnseen(connection, mapping.source(), clock(connection), 10)).isEqualTo(1);
            assertThat(target.ask(why)).as("closed").isEqualTo("second {}");
            store.seen(connection, mapping, List.of(plain), clock(connection));
            assertThat(target.ask(why)).as("differs again, for another reason perhaps").isEqualTo("none");
        }
    }

    @Test
    void aTableOfAnEarlierVersionIsCompletedByItsOwner() {
        target.execute("DELETE FROM a WHERE id = 1");
        compare();
        target.execute("ALTER TABLE sluice.divergence DROP COLUMN explanation, DROP COLUMN evidence;"
                + " GRANT USAGE ON SCHEMA sluice TO reader; GRANT SELECT, INSERT, UPDATE, DELETE ON sluice.divergence TO reader;"
                + " DELETE FROM b WHERE id = 2");
        DatabaseConfig to = server.config("target", "target");
        PipelineConfig limited = config(new DatabaseConfig(
                to.role(), to.host(), to.port(), to.database(), "reader", new Secret("reader"), to.sslMode(), to.properties()));
        assertThat(compare(limited, 100)).isEqualTo(Stop.DIFFERENT);
        assertThat(out.toString())
                .contains("2 differing keys are stored", "explanations are not stored", "ALTER TABLE sluice.divergence ADD");
        assertThat(target.ask(OPEN)).isEqualTo("a {1}, b {2}");

        assertThat(compare()).isEqualTo(Stop.DIFFERENT);
        assertThat(out.toString()).doesNotContain("not stored");
        assertThat(target.ask("SELECT count(*) FROM sluice.divergence WHERE explanation IS NULL AND first_seen < last_seen"))
                .isEqualTo("2");
    }

    private Stop compare() {
        return compare(config(server.config("target", "target")), 100_000);
    }

    private Stop compare(PipelineConfig config, int mostKeys) {
        out.getBuffer().setLength(0);
        return ReconcilerMain.compare(config, mostKeys, new PrintWriter(out));
    }

    private static PipelineConfig config(DatabaseConfig to) {
        return Shop.config(server.config("source", "source"), to, "127.0.0.1:1", Stream.of("a", "b", "bag").map(TableId::parse));
    }

    private static void both(String sql) {
        source.execute(sql);
        target.execute(sql);
    }
}
