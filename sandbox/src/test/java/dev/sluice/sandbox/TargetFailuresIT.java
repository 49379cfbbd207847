package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.apply.FailureTable;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** What happens after each SQLSTATE of the table, raised by a trigger of a real target; and after some that are not in it. */
class TargetFailuresIT {
    private static final Map<String, List<String>> OF_CLASS = Map.of(
            "08", List.of("08006"),
            "53", List.of("53100", "53300"),
            "22", List.of("22000", "22001", "22003", "22008", "22P02", "22P05"),
            "23", List.of("23000", "23001", "23502", "23503", "23505", "23514", "23P01"));

    private static final List<String> NOT_LISTED =
            List.of("42501", "42P01", "55000", "57P04", "XX000", "XX001", "38000", "40002", "P0002", "0Z000", "ZZ999");

    private static ThreeServers servers;

    @BeforeAll
    static void takeServers() {
        servers = SharedServers.take();
    }

    @AfterAll
    static void emptyServers() {
        SharedServers.empty();
    }

    private static List<String> samples(String next) {
        return FailureTable.states(next).stream()
                .flatMap(state -> OF_CLASS.getOrDefault(state, List.of(state)).stream())
                .toList();
    }

    @Test
    void whatPassesByItselfIsTriedAgainAndNothingIsParked() {
        try (InProcessPipeline pipeline = running("retry")) {
            int id = 0;
            for (String state : samples("retry")) {
                write(pipeline, ++id, state);
                pipeline.await(state + " blocks the lane", () -> pipeline.target()
                        .ask("SELECT reason FROM sluice.blocked_lane")
                        .contains("SQLSTATE " + state));
                assertThat(pipeline.target().ask("SELECT count(*) FROM sluice.dead_letter")).as(state).isEqualTo("0");
                pipeline.target().execute("TRUNCATE raised");
                pipeline.awaitApplied();
                pipeline.await("nothing blocks it", () -> pipeline.target().ask("SELECT count(*) FROM sluice.blocked_lane").equals("0"));
            }
            pipeline.requireEqual();
        }
    }

    @Test
    void aRowThatCanNeverBeWrittenIsParked() {
        try (InProcessPipeline pipeline = running("park")) {
            int id = 0;
            for (String state : samples("park")) {
                write(pipeline, ++id, state);
            }
            pipeline.awaitApplied();

            assertThat(pipeline.target().ask("SELECT string_agg(sqlstate, ' ' ORDER BY id) FROM sluice.dead_letter"))
                    .isEqualTo(String.join(" ", samples("park")));
            assertThat(pipeline.target().ask("SELECT string_agg(DISTINCT error_class, ' ') FROM sluice.dead_letter")).doesNotContain("unknown");
            assertThat(pipeline.target().ask("SELECT count(*) FROM item")).isEqualTo("0");
            assertThat(pipeline.target().ask("SELECT count(*) FROM other")).isEqualTo(Integer.toString(id));
            pipeline.target().execute("TRUNCATE raised");
            Letters.replayAll(pipeline);
            pipeline.requireEqual();
        }
    }

    @Test
    void aTableThatDoesNotFitIsHeldAndTheOthersGoOn() {
        try (InProcessPipeline pipeline = running("hold")) {
            int id = 0;
            for (String state : samples("hold")) {
                write(pipeline, ++id, state);
                pipeline.await(state + " holds the table", () -> pipeline.target()
                        .ask("SELECT reason FROM sluice.held_table")
                        .contains("SQLSTATE " + state));
                pipeline.target().execute("TRUNCATE raised; ALTER TABLE item ADD COLUMN own_%d text".formatted(id));
                pipeline.await("it goes on", () -> pipeline.target().ask("SELECT count(*) FROM sluice.held_table").equals("0"));
            }
            assertThat(pipeline.target().ask("SELECT count(*) FROM sluice.dead_letter")).isEqualTo("0");
            pipeline.requireEqual();
        }
    }

    @Test
    void everythingElseStopsTheLane() {
        try (InProcessPipeline pipeline = running("stop")) {
            assertThat(samples("stop")).isEmpty(); // what is not listed does
            int id = 0;
            for (String state : NOT_LISTED) {
                write(pipeline, ++id, state);
                Failure.Fatal failure = pipeline.applyFailure();
                assertThat(failure.stop()).as(state).isEqualTo(Stop.SETUP);
                assertThat(failure.getMessage()).contains("SQLSTATE " + state);
                assertThat(pipeline.target().ask("SELECT count(*) FROM sluice.dead_letter")).as(state).isEqualTo("0");
                pipeline.target().execute("TRUNCATE raised");
                pipeline.startApply();
                pipeline.awaitApplied();
            }
            pipeline.requireEqual();
        }
    }

    private static InProcessPipeline running(String name) {
        List<TableMapping> tables = Stream.of("item", "other")
                .map(table -> TableMapping.identity(TableId.parse(table), ThreeServers.LANE))
                .toList();
        InProcessPipeline pipeline = servers.pipeline(name, tables);
        for (TestDatabase database : List.of(pipeline.source(), pipeline.target())) {
            database.execute("CREATE TABLE item (id int PRIMARY KEY); CREATE TABLE other (id int PRIMARY KEY)");
        }
        pipeline.target().execute(
                """
                CREATE TABLE raised (id int PRIMARY KEY, state text NOT NULL);
                CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
                DECLARE said text := (SELECT state FROM raised WHERE id = NEW.id);
                BEGIN
                  IF said IS NOT NULL THEN RAISE EXCEPTION 'refused' USING ERRCODE = said; END IF;
                  RETURN NEW;
                END $$;
                CREATE TRIGGER refuse BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION refuse();
                ALTER TABLE item ENABLE ALWAYS TRIGGER refuse""");
        pipeline.start();
        pipeline.awaitApplied();
        return pipeline;
    }

    private static void write(InProcessPipeline pipeline, int id, String state) {
        pipeline.target().execute("INSERT INTO raised VALUES (%d, '%s')".formatted(id, state));
        pipeline.source().execute("INSERT INTO item VALUES (%1$d); INSERT INTO other VALUES (%1$d)".formatted(id));
    }
}
