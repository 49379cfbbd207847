package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.config.TableMapping;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.postgresql.PGConnection;

/**
 * Schemas as applications have them, with random transactions over them that nobody has thought out: after them both sides
 * print the same. The statements follow from the catalog alone, so any schema can be added to {@link #SCHEMAS}.
 *
 * <p>{@code -Dsluice.seed=…} makes the same again; where both sides differ, the statements are in {@code target/foreign-….sql}.
 */
class ForeignSchemaIT {
    private static final List<String> SCHEMAS = List.of("tracker", "erp", "archive");
    private static final int TRANSACTIONS = Integer.getInteger("sluice.transactions", 300);

    @Test
    void randomTransactionsOverForeignSchemasArriveAsTheyWere() throws SQLException, IOException {
        long seed = Seed.of(ForeignSchemaIT.class);
        try (ThreeServers servers = ThreeServers.start()) {
            TestDatabase source = TestDatabase.create(servers.source(), "foreign");
            TestDatabase target = TestDatabase.create(servers.target(), "foreign");
            String schemas = "CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree;"
                    + SCHEMAS.stream().map(name -> SqlScript.text("foreign/" + name + ".sql")).collect(Collectors.joining());
            source.execute(schemas + "CREATE FUNCTION public.long_text(words int) RETURNS text LANGUAGE sql AS"
                    + " 'SELECT string_agg(md5(random()::text), '''') FROM generate_series(1, words)'");
            target.execute(schemas + SqlScript.text("foreign/target.sql"));
            SplittableRandom random = new SplittableRandom(seed);
            boolean isLate = random.nextBoolean();
            try (RandomSessions sessions = new RandomSessions(source, random)) {
                List<TableMapping> tables = sessions.tables().stream()
                        .map(table -> TableMapping.identity(table.id(), ThreeServers.LANE)).toList();
                try (InProcessPipeline pipeline = new InProcessPipeline(
                        servers.config("foreign", source.config("source"), target.config("target"), tables), source, target)) {
                    pipeline.start();
                    pipeline.awaitApplied();
                    if (isLate) { // then it has all at once, and folds more of it
                        pipeline.stopApply();
                    }

                    sessions.fill();
                    sessions.run(TRANSACTIONS);

                    System.out.printf("done %s, refused %s%n", sessions.done(), sessions.refused());
                    pipeline.startWhatIsDown();
                    requireSame(pipeline, sessions, seed);
                    pipeline.stop();
                }
                assertThat(sessions.done()).as("changes of nearly every kind, the rarest may all have been refused")
                        .hasSizeGreaterThanOrEqualTo(RandomChanges.Kind.values().length - 2);
            }
        }
    }

    private static void requireSame(InProcessPipeline pipeline, RandomSessions sessions, long seed)
            throws SQLException, IOException {
        try {
            pipeline.awaitApplied();
            for (ForeignTable table : sessions.tables()) {
                assertThat(dump(pipeline.target(), table)).as("rows of " + table.id()).isEqualTo(dump(pipeline.source(), table));
            }
            pipeline.requireEqual();
        } catch (AssertionError e) {
            Files.write(Path.of("target", "foreign-" + seed + ".sql"), sessions.log());
            throw e;
        }
    }

    /** All rows as text, in an order that does not depend on collations. */
    private static List<String> dump(TestDatabase side, ForeignTable table) throws SQLException, IOException {
        ByteArrayOutputStream rows = new ByteArrayOutputStream();
        try (Connection connection = side.server().connect(side.name());
                Statement statement = connection.createStatement()) {
            statement.execute("SET extra_float_digits = 3; SET TimeZone = 'UTC'; SET IntervalStyle = postgres");
            connection.unwrap(PGConnection.class).getCopyAPI().copyOut(
                    "COPY (SELECT t::text COLLATE \"C\" FROM %s AS t ORDER BY 1) TO STDOUT".formatted(table.id().quoted()), rows);
        }
        return rows.toString(StandardCharsets.UTF_8).lines().toList();
    }
}
