package dev.sluice.apply;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.apply.RereadStore.Range;
import dev.sluice.apply.RereadStore.State;
import dev.sluice.apply.RereadStore.Throttle;
import dev.sluice.apply.RowChange.Key;
import dev.sluice.catalog.Catalog;
import dev.sluice.sandbox.PostgresServer;
import dev.sluice.sandbox.Servers;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What the target keeps of rereads, where a request, an earlier run or another key comes in between. */
class RereadStoreIT {
    private static final TableId TABLE = new TableId("public", "orders");
    private static final Range RANGE = new Range(null, Key.of("10"));

    private static PostgresServer server;

    private final RereadStore store = new RereadStore("shop.main");

    @BeforeAll
    static void startServer() {
        server = Servers.postgres();
    }

    @AfterAll
    static void stopServer() {
        server.close();
    }

    @BeforeEach
    void aRereadIsUnderWay() throws SQLException {
        try (Connection target = server.connect("postgres");
                Statement statement = target.createStatement()) {
            statement.execute("DROP SCHEMA IF EXISTS sluice CASCADE; DROP TABLE IF EXISTS orders;"
                    + " CREATE TABLE orders (id integer PRIMARY KEY, code text NOT NULL)");
            AppliersTables.create(target);
            store.request(target, TABLE, "backfill", "", Throttle.NONE);
            store.start(target, TABLE, false, 0);
            store.done(target, TABLE, order(target), RANGE, 5, 5, Duration.ZERO);
        }
    }

    private static KeyOrder order(Connection source) throws SQLException {
        return KeyOrder.read(source, Catalog.read(source, List.of(TABLE)).get(TABLE));
    }

    @Test
    void aRequestThatComesBeforeTheEndIsNotTakenForDone() throws SQLException {
        try (Connection target = server.connect("postgres")) {
            store.request(target, TABLE, "resync", "", Throttle.NONE);

            store.finish(target, TABLE, State.DONE, "");

            assertThat(store.read(target).get(TABLE).state()).isEqualTo(State.REQUESTED);
            assertThat(store.read(target).get(TABLE).kind()).isEqualTo("resync");
        }
    }

    @Test
    void rangesThatWereCutByAnotherKeyAreNotTakenForThoseOfThisOne() throws SQLException {
        try (Connection target = server.connect("postgres");
                Statement alter = target.createStatement()) {
            assertThat(store.ranges(target, TABLE, order(target))).containsExactly(RANGE);

            alter.execute("ALTER TABLE orders DROP CONSTRAINT orders_pkey; ALTER TABLE orders ADD PRIMARY KEY (code)");

            KeyOrder other = order(target);
            assertThatThrownBy(() -> store.ranges(target, TABLE, other)).isInstanceOf(KeyChanged.class);
        }
    }

    @Test
    void readersOfTheLanesEarlierRunsAreEndedAndNobodyElsesAre() throws SQLException {
        try (Connection target = server.connect("postgres");
                Connection earlier = named(store.readersName());
                Connection others = named(new RereadStore("shop.side").readersName())) {
            earlier.setAutoCommit(false);
            try (Statement lock = earlier.createStatement()) {
                lock.execute("LOCK TABLE orders");
            }

            store.endReaders(target);

            assertThat(earlier.isValid(5)).isFalse();
            assertThat(others.isValid(5)).isTrue();
        }
    }

    private static Connection named(String application) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", PostgresServer.USER);
        properties.setProperty("password", PostgresServer.PASSWORD);
        properties.setProperty("ApplicationName", application);
        return DriverManager.getConnection("jdbc:postgresql://127.0.0.1:%d/postgres".formatted(server.port()), properties);
    }
}
