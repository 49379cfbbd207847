package dev.sluice.apply;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.apply.Progress.Position;
import dev.sluice.catalog.OriginRights;
import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Secret;
import dev.sluice.process.StopSignal;
import dev.sluice.sandbox.PostgresServer;
import dev.sluice.sandbox.Servers;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Lsn;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a lane writes is known to be its own, on the oldest and the newest server that the tests have. */
class LaneOriginIT {
    private static final String LANE = "shop.main";
    private static final String SINCE = "SELECT coalesce((SELECT origin || ' ' || marked_since FROM sluice.lane_origin), 'unmarked')";
    private static final String WRITERS =
            """
            SELECT string_agg(id || ' ' || coalesce(roname, 'none'), ', ' ORDER BY id)
            FROM item LEFT JOIN pg_replication_origin ON roident = (pg_xact_commit_timestamp_origin(item.xmin)).roident""";

    private PostgresServer server;
    private Connection admin;

    private void start(String version) throws SQLException {
        server = Servers.postgres(version);
        server.createDatabase("orders");
        admin = server.connect("orders");
        execute(admin, "CREATE TABLE item (id int PRIMARY KEY); CREATE ROLE writer LOGIN PASSWORD 'writer';"
                + " GRANT CREATE ON DATABASE orders TO writer; GRANT ALL ON item TO writer");
    }

    @AfterEach
    void stop() throws SQLException {
        admin.close();
        server.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"15", "18"})
    void whatASessionWritesBearsItsOriginAndItsOwnTime(String version) throws Exception {
        start(version);
        DatabaseConfig role = writer();
        try (LaneLock lock = lock(role)) {
            assertThat(lock.isMarked()).as("without a right").isFalse();
            assertThat(ask(SINCE)).isEqualTo("unmarked");
        }
        assertThatThrownBy(() -> execute(server.connect("orders"), "SET ROLE writer; SELECT pg_replication_origin_create('x')"))
                .hasMessageContaining("permission denied");
        grant("GRANT EXECUTE ON FUNCTION %s TO writer");

        try (LaneLock lock = lock(role)) {
            assertThat(lock.isMarked()).isTrue();
            assertThat(ask(SINCE)).startsWith("sluice.orders.shop.main ");
            String since = ask(SINCE);
            Progress progress = new Progress(LANE, lock::isMarked);
            Position first = new Position(1, 1, Lsn.parse("0/1"), true);
            execute(lock.connection(), "INSERT INTO item VALUES (1)");
            progress.advance(lock.connection(), Position.NONE, first, 0);
            lock.connection().commit();
            execute(admin, "INSERT INTO item VALUES (2)");
            execute(lock.connection(), "INSERT INTO item VALUES (3)");
            progress.advance(lock.connection(), first, new Position(1, 2, Lsn.parse("0/2"), true), 0);
            lock.connection().commit();
            execute(admin, "INSERT INTO item VALUES (4)");
            execute(lock.connection(), "SAVEPOINT before_it; INSERT INTO item VALUES (5)");
            lock.ownCommitTime();
            lock.connection().commit();

            assertThat(ask(WRITERS)).isEqualTo(
                    "1 sluice.orders.shop.main, 2 none, 3 sluice.orders.shop.main, 4 none, 5 sluice.orders.shop.main");
            assertThat(ask("SELECT array_agg(id ORDER BY pg_xact_commit_timestamp(xmin)) FROM item"))
                    .as("in the order of their commit times").isEqualTo("{1,2,3,4,5}");
            assertThatThrownBy(() -> progress.advance(lock.connection(), first, first, 0)).isInstanceOf(Progress.Lost.class);
            lock.connection().rollback();
            assertThat(ask(SINCE)).isEqualTo(since);
        }

        String since = ask(SINCE);
        lock(role).close();
        assertThat(ask(SINCE)).as("one session after the other").isEqualTo(since);
        awaitFree();
        execute(admin, "SELECT pg_replication_origin_drop('sluice.orders.shop.main')");
        lock(role).close();
        assertThat(ask(SINCE)).as("its number may have been another's").isGreaterThan(since);
        grant("REVOKE EXECUTE ON FUNCTION %s FROM writer");
        try (LaneLock lock = lock(role)) {
            assertThat(lock.isMarked()).isFalse();
            assertThat(ask(SINCE)).isEqualTo("unmarked");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = "18")
    void aLaneDoesNotWriteWhileAnotherSessionHasItsOrigin(String version) throws Exception {
        start(version);
        DatabaseConfig superuser = server.config("target", "orders");
        try (Connection other = server.connect("orders")) {
            execute(other, "SELECT pg_replication_origin_create('sluice.orders.shop.main');"
                    + " SELECT pg_replication_origin_session_setup('sluice.orders.shop.main')");
            assertThatThrownBy(() -> lock(superuser))
                    .isInstanceOf(Failure.Retryable.class)
                    .hasMessageContaining("replication origin sluice.orders.shop.main");
            CompletableFuture<Void> end = CompletableFuture.runAsync(
                    () -> {
                        try {
                            other.close();
                        } catch (SQLException e) {
                            throw new IllegalStateException(e);
                        }
                    },
                    CompletableFuture.delayedExecutor(500, TimeUnit.MILLISECONDS));
            try (LaneLock lock = lock(superuser)) {
                assertThat(lock.isMarked()).isTrue();
            }
            end.join();
        }
    }

    /** Of a session that has ended. */
    private void awaitFree() throws SQLException, InterruptedException {
        while (!ask("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'sluice-apply%'").equals("0")) {
            TimeUnit.MILLISECONDS.sleep(20);
        }
    }

    private DatabaseConfig writer() {
        DatabaseConfig to = server.config("target", "orders");
        return new DatabaseConfig(
                to.role(), to.host(), to.port(), to.database(), "writer", new Secret("writer"), to.sslMode(), to.properties());
    }

    /** As apply takes it, with the tables that are needed here. */
    private static LaneLock lock(DatabaseConfig role) throws Exception {
        LaneLock lock = LaneLock.take(role, LANE, new StopSignal());
        try {
            Progress.createTables(lock.connection());
            LaneOrigin.createTable(lock.connection());
            lock.connection().commit();
            LaneOrigin.take(lock, LANE);
            return lock;
        } catch (SQLException | RuntimeException e) {
            lock.close();
            throw e;
        }
    }

    /** What `sluice check` prints is what is needed. */
    private void grant(String statement) throws SQLException {
        try (Connection role = server.connect("orders")) {
            execute(role, "SET ROLE writer");
            List<String> lacking = OriginRights.lacking(role);
            execute(admin, statement.formatted(lacking.isEmpty() ? "pg_replication_origin_xact_reset()" : String.join(", ", lacking)));
        }
    }

    private String ask(String sql) throws SQLException {
        try (Statement statement = admin.createStatement();
                ResultSet row = statement.executeQuery(sql)) {
            row.next();
            return row.getString(1);
        }
    }

    private static void execute(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }
}
