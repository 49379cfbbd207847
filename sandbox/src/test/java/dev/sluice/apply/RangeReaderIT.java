package dev.sluice.apply;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.apply.RangeReader.GivenUp;
import dev.sluice.apply.RangeReader.Prepared;
import dev.sluice.apply.RangeReader.Rows;
import dev.sluice.apply.RereadStore.Range;
import dev.sluice.apply.RereadStore.Throttle;
import dev.sluice.config.ApplyConfig;
import dev.sluice.config.CaptureConfig;
import dev.sluice.config.KafkaConfig;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.sandbox.PostgresServer;
import dev.sluice.sandbox.Servers;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** A reader that is not wanted any more ends, whatever it is at, and leaves nothing behind. */
class RangeReaderIT {
    private static final TableId TABLE = new TableId("public", "orders");
    private static final String SESSIONS =
            "SELECT count(*) FROM pg_stat_activity WHERE application_name ~ '^sluice-(apply )?reread'";

    private static PostgresServer server;

    private PipelineConfig config;
    private Connection source;
    private Connection target;
    private RereadStore store;
    private RereadStore.Table request;
    private TargetTable table;
    private RangeReader reader;

    @BeforeAll
    static void startServer() throws SQLException {
        server = Servers.postgres();
        for (String database : List.of("source", "target")) {
            server.createDatabase(database);
            try (Connection connection = server.connect(database)) {
                execute(connection, "CREATE TABLE orders (id integer PRIMARY KEY)");
            }
        }
        try (Connection connection = server.connect("target")) {
            AppliersTables.create(connection);
        }
    }

    @AfterAll
    static void stopServer() {
        server.close();
    }

    @BeforeEach
    void makeAReader() throws SQLException {
        TableMapping mapping = TableMapping.identity(TABLE, "main");
        LaneConfig lane = new LaneConfig("main", "slot", "publication", true, List.of(mapping));
        config = new PipelineConfig(
                "shop",
                server.config("source", "source"),
                server.config("target", "target"),
                new KafkaConfig("127.0.0.1:1", "shop", 1, -1, Duration.ofDays(7), 16 << 20, Map.of()),
                List.of(lane),
                new CaptureConfig(Duration.ofMillis(100), Duration.ofMillis(200), Duration.ofMillis(5)),
                new ApplyConfig(500, 8 << 20, Duration.ofMillis(2), Duration.ofMinutes(5), 100));
        source = server.connect("source");
        target = server.connect("target");
        store = new RereadStore("shop.main");
        store.request(target, TABLE, "backfill", "", Throttle.NONE);
        request = store.read(target).get(TABLE);
        TargetTables tables = TargetTables.read(target, lane, config.source(), Set.of());
        table = tables.of(mapping, Optional.empty());
        reader = new RangeReader(config, store, "main", store.beginRun(target), tables, 0);
    }

    @AfterEach
    void closeAll() throws SQLException {
        reader.close();
        source.close();
        target.close();
    }

    /** A transaction is open that the reads must wait for. */
    @Test
    void aReadThatIsGivenUpBeforeItBeginsDoesNotBegin() throws Exception {
        Prepared prepared = reader.prepare(request, table).get(20, TimeUnit.SECONDS);
        TableReread reread = new TableReread(TABLE, table, false);
        reread.prepared(prepared.scope(), true, List.of());
        source.setAutoCommit(false);
        Set<Long> open = Set.of(Long.parseLong(ask(source, "SELECT pg_current_xact_id()::text")) % (1L << 32));

        Future<Rows> first = reader.read(request, reread, Range.ALL, open);
        reader.giveUp();
        Future<Rows> second = reader.read(request, reread, Range.ALL, open);
        reader.giveUp();

        assertThatThrownBy(() -> first.get(20, TimeUnit.SECONDS)).hasCauseInstanceOf(GivenUp.class);
        assertThatThrownBy(() -> second.get(20, TimeUnit.SECONDS)).hasCauseInstanceOf(GivenUp.class);
        source.rollback();
        assertThat(reader.read(request, reread, Range.ALL, open).get(20, TimeUnit.SECONDS).rows()).isZero();
    }

    @Test
    void aConnectionThatComesAfterTheEndIsClosed() throws Exception {
        execute(target, "ALTER SYSTEM SET post_auth_delay = '1s'");
        execute(target, "SELECT pg_reload_conf()");
        try {
            Future<Prepared> preparing = reader.prepare(request, table);
            reader.close();

            assertThatThrownBy(() -> preparing.get(20, TimeUnit.SECONDS)).isInstanceOf(Exception.class);
        } finally {
            execute(target, "ALTER SYSTEM RESET post_auth_delay");
            execute(target, "SELECT pg_reload_conf()");
        }

        long until = System.nanoTime() + Duration.ofSeconds(10).toNanos();
        while (!ask(target, SESSIONS).equals("0") && System.nanoTime() < until) {
            TimeUnit.MILLISECONDS.sleep(20);
        }
        assertThat(ask(target, SESSIONS)).isEqualTo("0");
    }

    private static void execute(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    private static String ask(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery(sql)) {
            row.next();
            return row.getString(1);
        }
    }
}
