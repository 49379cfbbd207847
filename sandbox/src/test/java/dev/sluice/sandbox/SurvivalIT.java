package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.TableId;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * What passes by itself is survived under load without a person: nothing is lost, nothing is applied twice, and the log
 * says what it was.
 */
class SurvivalIT {
    private static final long SEED = 11;
    private static final String CANARY = "canary-5d41402a";
    private static final TableId ENTRIES = TableId.parse("entries");

    /** Counts in the target how often each entry was applied. */
    private static final String AUDIT =
            """
            CREATE TABLE audit (id bigint PRIMARY KEY, times integer NOT NULL);
            CREATE FUNCTION count_entry() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
              INSERT INTO public.audit VALUES (NEW.id, 1)
              ON CONFLICT (id) DO UPDATE SET times = public.audit.times + 1;
              RETURN NULL;
            END $$;
            CREATE TRIGGER counted AFTER INSERT OR UPDATE ON entries FOR EACH ROW EXECUTE FUNCTION count_entry();
            ALTER TABLE entries ENABLE ALWAYS TRIGGER counted;""";

    private static ThreeServers servers;

    @RegisterExtension
    final LogWithout log = new LogWithout(CANARY);

    @BeforeAll
    static void startServers() {
        servers = ThreeServers.start();
    }

    @AfterAll
    static void stopServers() {
        servers.close();
    }

    @Test
    void aKilledWalsender() {
        survives(
                "walsender",
                pipeline -> pipeline.source()
                        .execute("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active"),
                "WARN", "source 127.0.0.1", "trying again");
        assertThat(log.with("INFO", "streaming again")).isNotEmpty();
    }

    @Test
    void everyConnectionToTheSourceKilled() {
        survives(
                "source_connections",
                pipeline -> pipeline.source()
                        .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND"
                                + " datname = current_database()"),
                "WARN", "source 127.0.0.1", "trying again");
    }

    @Test
    void aRestartOfTheSource() {
        survives(
                "source_restart",
                pipeline -> {
                    servers.source().stop();
                    servers.source().start();
                },
                "WARN", "source 127.0.0.1", "trying again");
    }

    @Test
    void aCrashOfTheSource() {
        survives(
                "source_crash",
                pipeline -> {
                    servers.source().stopImmediately();
                    servers.source().start();
                },
                "WARN", "source 127.0.0.1", "trying again");
    }

    @Test
    void aRestartOfTheTarget() {
        survives(
                "target_restart",
                pipeline -> {
                    servers.target().stop();
                    servers.target().start();
                },
                "WARN", "target", "trying again");
    }

    @Test
    void aCrashOfTheTarget() {
        survives(
                "target_crash",
                pipeline -> {
                    servers.target().stopImmediately();
                    servers.target().start();
                },
                "WARN", "target", "trying again");
    }

    @Test
    void theAppliersConnectionKilled() {
        survives(
                "applier",
                pipeline -> pipeline.target()
                        .execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE"
                                + " 'sluice-apply %' AND datname = current_database()"),
                "WARN", "target", "trying again");
        assertThat(log.with("INFO", "applying again")).isNotEmpty();
    }

    @Test
    void aTargetWithoutAFreeConnection() {
        servers.target().createDatabase("connections");
        TestDatabase target = new TestDatabase(servers.target(), "connections");
        target.execute("CREATE ROLE limited LOGIN PASSWORD 'limited'; GRANT ALL ON DATABASE connections TO limited");
        survives(
                "connections",
                config -> Loopback.database("target", config.port(), config.database(), "limited", "limited"),
                pipeline -> {
                    target.execute("ALTER ROLE limited CONNECTION LIMIT 0");
                    target.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'limited'");
                    pipeline.await("refused", () -> !log.with("WARN", "too many connections", "trying again").isEmpty());
                    target.execute("ALTER ROLE limited CONNECTION LIMIT -1");
                },
                "WARN", "target", "trying again");
    }

    @Test
    void aRestartOfTheBroker() {
        survives(
                "broker",
                pipeline -> {
                    servers.kafka().stop();
                    pipeline.await("the broker is missed", () -> !log.with("WARN", "kafka: ", "waiting").isEmpty());
                    servers.kafka().start();
                },
                "WARN", "kafka: ", "waiting");
    }

    @ParameterizedTest
    @EnumSource
    void aConnectionCutDuringCommit(TcpProxy.Cut cut) {
        try (TcpProxy proxy = new TcpProxy(servers.target().port())) {
            survives(
                    "commit_" + cut.ordinal(),
                    config -> Loopback.database("target", proxy.port(), config.database(), config.user(), PostgresServer.PASSWORD),
                    pipeline -> {
                        proxy.cutNextCommit(cut);
                        pipeline.await("the COMMIT was cut", proxy::hasCut);
                    },
                    "WARN", "target", "trying again");
        }
    }

    private void survives(String name, Consumer<InProcessPipeline> fault, String... said) {
        survives(name, Function.identity(), fault, said);
    }

    /** @param said words of the line that names the fault */
    private void survives(
            String name, Function<DatabaseConfig, DatabaseConfig> way, Consumer<InProcessPipeline> fault, String... said) {
        try (InProcessPipeline pipeline = shop(name, way)) {
            pipeline.start();
            pipeline.awaitApplied();
            try (ShopWorkload shop =
                            ShopWorkload.start(pipeline.source().config("source"), new ShopWorkload.Plan(SEED, 2, 300, 0));
                    Inserts entries = new Inserts(pipeline.source(), "entries", CANARY)) {
                entries.awaitMoreApplied(pipeline);

                fault.accept(pipeline);

                pipeline.await("a line with " + List.of(said), () -> !log.with(said).isEmpty());
                entries.awaitMoreApplied(pipeline);
            }
            pipeline.requireEqual();
            assertThat(pipeline.target().ask("SELECT count(*) FROM audit"))
                    .isEqualTo(pipeline.source().ask("SELECT count(*) FROM entries"));
            assertThat(pipeline.target().ask("SELECT count(*) FROM audit WHERE times <> 1")).isEqualTo("0");
        }
    }

    /** @param way how apply gets to the target */
    private static InProcessPipeline shop(String name, Function<DatabaseConfig, DatabaseConfig> way) {
        TestDatabase source = TestDatabase.create(servers.source(), name);
        TestDatabase target = TestDatabase.create(servers.target(), name);
        for (TestDatabase database : List.of(source, target)) {
            Shop.create(database.config("either"));
            database.execute("CREATE TABLE entries (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, note text)");
        }
        target.execute(AUDIT);
        List<TableMapping> tables = new ArrayList<>();
        Shop.tables().forEach(table -> tables.add(TableMapping.identity(table, ThreeServers.LANE)));
        tables.add(TableMapping.identity(ENTRIES, ThreeServers.LANE));
        DatabaseConfig applyTo = way.apply(target.config("target"));
        if (!applyTo.user().equals(PostgresServer.USER)) {
            target.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO " + applyTo.user());
        }
        return new InProcessPipeline(servers.config(name, source.config("source"), applyTo, tables), source, target);
    }
}
