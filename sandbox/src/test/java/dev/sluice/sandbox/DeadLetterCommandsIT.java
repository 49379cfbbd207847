package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.sluice.config.KafkaClients;
import dev.sluice.schemas.Stop;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CompletableFuture;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** What operators do with dead letters: look, replay, edit, give up, bring back; and let a stopped lane go on. */
@ExtendWith(ChildLogs.class)
class DeadLetterCommandsIT {
    private static final String CANARY = "canary-3f1d77a0";

    private static final String PERSON =
            "CREATE TABLE person (id int PRIMARY KEY, name text, age int, doc text); ALTER TABLE person ALTER doc SET STORAGE EXTERNAL";
    private static final String STRICT = "ALTER TABLE person ADD CONSTRAINT grown CHECK (age >= 18)";
    private static final String LENIENT = "ALTER TABLE person DROP CONSTRAINT grown";

    private static ThreeServers servers;

    @TempDir
    private Path directory;

    @BeforeAll
    static void takeServers() {
        servers = SharedServers.take();
    }

    @AfterAll
    static void emptyServers() {
        SharedServers.empty();
    }

    // ---- looking and replaying

    @Test
    void lettersAreListedShownAndReplayedOnceTheTargetTakesThem() throws IOException {
        try (Pipeline pipeline = people("letters_told", "")) {
            pipeline.onSource("INSERT INTO person VALUES (1, '%1$s', 40, repeat('%1$s', 300)), (2, '%1$s', 7, NULL), (3, 'x', 8, NULL)"
                    .formatted(CANARY));
            pipeline.onSource("UPDATE person SET age = 5 WHERE id = 1"); // without its long value
            pipeline.onSource("UPDATE person SET name = 'later' WHERE id = 1");
            pipeline.awaitCaughtUp();

            CommandRun list = CommandRun.of(pipeline, "dlq", "list");
            assertThat(list.exitCode()).as(list.all()).isZero();
            assertThat(list.out().lines().map(line -> line.replaceAll(" +", " ").replaceAll(" 20\\S+ 20\\S+$", ""))).containsExactly(
                    "id table kind key class constraint state attempts first failure last failure",
                    "1 public.person upsert {\"id\":\"2\"} check_violation grown open 1",
                    "2 public.person upsert {\"id\":\"3\"} check_violation grown open 1",
                    "3 public.person patch {\"id\":\"1\"} check_violation grown open 1",
                    "4 public.person patch {\"id\":\"1\"} behind behind 3 1");
            CommandRun byClass = CommandRun.of(pipeline, "dlq", "list", "--by", "class", "-o", "json");
            assertThat(byClass.json().get(0).get("class").asText()).as(byClass.all()).isEqualTo("check_violation");
            assertThat(byClass.json().get(0).get("open").asInt()).isEqualTo(3);
            assertThat(CommandRun.of(pipeline, "dlq", "list", "--by", "hour").out()).contains("hour", ":00Z", "3", "1");
            assertThat(CommandRun.of(pipeline, "dlq", "list", "--by", "table").out()).contains("public.person");
            assertThat(CommandRun.of(pipeline, "dlq", "list", "--by", "constraint").out()).contains("grown");
            assertThat(CommandRun.of(pipeline, "dlq", "list", "--constraint", "grown", "--limit", "1").out())
                    .contains("{\"id\":\"2\"}", "2 more; --limit shows more").doesNotContain("{\"id\":\"3\"}");
            assertThat(CommandRun.of(pipeline, "dlq", "list", "--state", "replayed").out()).isEqualTo("no dead letters\n");
            assertThat(CommandRun.of(pipeline, "dlq", "list", "--since", "1h", "-o", "json").json().get("count").asInt()).isEqualTo(4);
            assertThat(CommandRun.of(pipeline, "dlq", "list", "--since", "2099-01-01T00:00:00Z").out()).contains("no dead letters");

            CommandRun show = CommandRun.of(pipeline, "dlq", "show", "3");
            assertThat(show.exitCode()).as(show.all()).isZero();
            assertThat(show.out())
                    .contains("letter 3: patch of public.person {\"id\":\"1\"}", "check_violation (SQLSTATE 23514), constraint grown")
                    .contains("record      letters_told.public.person-0@3", "letter      letters_told.public.person.dlq-0@2")
                    .contains("before it: none; behind it: 4", "source      has the row", "target      has the row")
                    .containsPattern("\\* age +1 character +same +differs \\(2 characters\\)")
                    .containsPattern("  doc +- +4,500 characters +same");
            CommandRun showJson = CommandRun.of(pipeline, "dlq", "show", "4", "-o", "json");
            JsonNode shown = showJson.json();
            assertThat(shown.get("lettersBefore").toString()).isEqualTo("[3]");
            assertThat(shown.get("behind").asInt()).isEqualTo(3);
            CommandRun values = CommandRun.of(pipeline, "dlq", "show", "1", "--values");
            assertThat(values.out()).contains("\"" + CANARY + "\"", "target      has no such row");

            Path withoutSource = Files.writeString(
                    directory.resolve("away.yml"),
                    Files.readString(pipeline.configFile()).replace("port: " + servers.source().port(), "port: 1"));
            CommandRun away = CommandRun.of(withoutSource, "dlq", "show", "3");
            assertThat(away.exitCode()).as(away.all()).isZero();
            assertThat(away.out())
                    .contains("source      not known: 127.0.0.1:1/letters_told_source: Connection to 127.0.0.1:1 refused")
                    .contains("target      has the row").containsPattern("\\* age +1 character +- +differs \\(2 characters\\)");

            CommandRun dry = CommandRun.of(pipeline, "dlq", "replay", "--id", "4", "--id", "2");
            assertThat(dry.exitCode()).as(dry.all()).isZero();
            assertThat(dry.out())
                    .contains("2 letters to replay: 2, 4; the oldest of 20", "taken along, since they come before and are of the same rows: 3\n")
                    .contains("Nothing was changed. --execute replays them.");
            assertThat(pipeline.askTarget("SELECT count(*) FROM sluice.audit")).isEqualTo("0");

            CommandRun refused = CommandRun.of(pipeline, "dlq", "replay", "--class", "check_violation", "--execute");
            assertThat(refused.exitCode()).as(refused.all()).isEqualTo(Stop.DIFFERENT.exitCode());
            assertThat(refused.out()).contains("0 replayed, 0 out of date, 3 refused again");
            assertThat(pipeline.askTarget("SELECT attempts FROM sluice.dead_letter WHERE id = 2")).isEqualTo("2");

            CommandRun one = CommandRun.of(pipeline, "dlq", "replay", "--id", "2", "--execute");
            assertThat(one.exitCode()).as(one.all()).isEqualTo(Stop.DIFFERENT.exitCode());
            assertThat(CommandRun.of(pipeline, "dlq", "replay", "--run", "1").exitCode())
                    .as("letter 2 is part of another replay, and still refused")
                    .isEqualTo(Stop.DIFFERENT.exitCode());

            pipeline.onTarget(LENIENT);
            CommandRun replay = CommandRun.of(pipeline, "dlq", "replay", "--all", "--execute", "-o", "json");
            assertThat(replay.exitCode()).as(replay.all()).isZero();
            assertThat(replay.json().get("replayed").asInt()).as(replay.all()).isEqualTo(4);
            assertThat(replay.json().get("chosen").toString()).isEqualTo("[1,2,3,4]");
            pipeline.awaitCaughtUp();
            pipeline.assertEqual();
            int run = replay.json().get("runs").get(0).get("run").asInt();
            assertThat(CommandRun.of(pipeline, "dlq", "replay", "--run", "" + run).out()).contains("4 replayed");
            CommandRun earlier = CommandRun.of(pipeline, "dlq", "replay", "--run", "1");
            assertThat(earlier.exitCode()).as(earlier.all()).isZero();
            assertThat(earlier.out()).contains("3 letters taken over by later replays (" + run + "), 0 not closed yet");
            CommandRun again = CommandRun.of(pipeline, "dlq", "replay", "--id", "2", "--execute");
            assertThat(again.exitCode()).isZero();
            assertThat(again.out()).contains("letter 2 is closed: replayed at", "nothing to replay");

            CommandRun audit = CommandRun.of(pipeline, "dlq", "audit", "--id", "4");
            assertThat(audit.out()).contains("letters_told.main", "1, 2, 3, 4", "4 replayed, 0 superseded, 0 refused again");
            assertThat(CommandRun.of(pipeline, "dlq", "audit", "-o", "json").json()).hasSize(3);
            for (CommandRun masked : List.of(list, byClass, show, showJson, dry, refused, replay, again, audit)) {
                assertThat(masked.all()).doesNotContain(CANARY);
            }
        }
    }

    @Test
    void aChangeOfKeyAndATableWithoutOneAreShownAndReplayed() {
        try (Pipeline pipeline = Pipeline.on(servers, "moved").carrying("person", "bare")) {
            pipeline.onBoth(PERSON);
            pipeline.onBoth("CREATE TABLE bare (v int); ALTER TABLE bare REPLICA IDENTITY FULL");
            pipeline.onTarget(STRICT);
            pipeline.onTarget("ALTER TABLE bare ADD CONSTRAINT small CHECK (v < 10)");
            run(pipeline);
            pipeline.onSource("INSERT INTO person VALUES (1, 'x', 20, NULL), (3, 'y', 20, NULL); INSERT INTO bare VALUES (1)");
            pipeline.onSource("UPDATE person SET id = 2, age = 5 WHERE id = 1");
            pipeline.onSource("UPDATE person SET name = 'z' WHERE id = 2");
            pipeline.onSource("UPDATE person SET id = 1 WHERE id = 3");
            pipeline.onSource("UPDATE bare SET v = 11");
            pipeline.onSource("UPDATE bare SET v = 12");
            pipeline.awaitCaughtUp();

            CommandRun show = CommandRun.of(pipeline, "dlq", "show", "1");
            assertThat(show.out())
                    .contains("letter 1: move of public.person {\"id\":\"2\"}", "old key     {\"id\":\"1\"}")
                    .contains("before it: none; behind it: 2, 3", "source      has the row", "target      has the row");
            CommandRun bare = CommandRun.of(pipeline, "dlq", "show", "5");
            assertThat(bare.out()).contains("letter 5: row of public.bare -", "source      not known: its key is not known");
            assertThat(CommandRun.of(pipeline, "dlq", "replay", "--id", "3").out())
                    .contains("taken along, since they come before and are of the same rows: 1\n");
            assertThat(CommandRun.of(pipeline, "dlq", "list").out()).containsPattern("(?s)behind 1 .*behind 1 ");

            pipeline.onTarget(LENIENT);
            pipeline.onTarget("ALTER TABLE bare DROP CONSTRAINT small");
            CommandRun replay = CommandRun.of(pipeline, "dlq", "replay", "--all", "--execute");
            assertThat(replay.exitCode()).as(replay.all()).isZero();
            pipeline.awaitCaughtUp();
            pipeline.assertEqual();
        }
    }

    @Test
    void rowsThatReferToOneThatComesLaterAreAskedForOnceMore() {
        try (Pipeline pipeline = Pipeline.on(servers, "rounds")
                .settings("apply: {deadLettersPerMinute: 1000}")
                .carrying("parent", "child")) {
            pipeline.onBoth(
                    """
                    CREATE TABLE parent (id int PRIMARY KEY, n int);
                    CREATE TABLE child (id int PRIMARY KEY, parent int)""");
            pipeline.onTarget("ALTER TABLE parent ADD CONSTRAINT small CHECK (n < 10);"
                    + " ALTER TABLE child ADD FOREIGN KEY (parent) REFERENCES parent");
            run(pipeline);
            pipeline.onSource("INSERT INTO child SELECT g, 1 FROM generate_series(1, 300) g");
            pipeline.onSource("INSERT INTO parent VALUES (1, 10)");
            pipeline.awaitCaughtUp();
            assertThat(pipeline.askTarget("SELECT count(*) FROM sluice.dead_letter WHERE state = 'open'")).isEqualTo("301");

            pipeline.onTarget("ALTER TABLE parent DROP CONSTRAINT small");
            CommandRun replay = CommandRun.of(pipeline, "dlq", "replay", "--all", "--execute");

            assertThat(replay.exitCode()).as(replay.all()).isZero();
            assertThat(replay.out()).contains("301 replayed, 0 out of date, 0 refused again");
            assertThat(pipeline.askTarget("SELECT max(attempts) FROM sluice.dead_letter"))
                    .as("some came before the row that they refer to").isNotEqualTo("1");
            assertThat(pipeline.askTarget("SELECT result FROM sluice.audit")).startsWith("301 replayed");
            pipeline.assertEqual();
        }
    }

    @Test
    void whatWasAskedForStaysAndIsFollowedAgain() {
        try (Pipeline pipeline = Pipeline.on(servers, "followed").carrying("person")) {
            pipeline.onBoth(PERSON);
            pipeline.onTarget(STRICT);
            pipeline.startCapture();
            Child apply = pipeline.startApply();
            pipeline.awaitStreaming();
            pipeline.onSource("INSERT INTO person VALUES (1, 'x', 7, NULL)");
            pipeline.awaitCaughtUp();
            apply.terminate();
            apply.awaitExit(Duration.ofSeconds(20));
            pipeline.onTarget(LENIENT);
            pipeline.onTarget("INSERT INTO sluice.held_table (lane, source_schema, source_table, reason, cure)"
                    + " VALUES ('followed.main', 'public', 'person', 'tried', 'none')");
            CommandRun preview = CommandRun.of(pipeline, "dlq", "replay", "--table", "person");
            assertThat(preview.out()).contains("1 of them are of public.person, which is held");
            pipeline.onTarget("DELETE FROM sluice.held_table");

            CommandRun replay = CommandRun.of(pipeline, "dlq", "replay", "--table", "person", "--execute", "--wait", "7");
            assertThat(replay.exitCode()).as(replay.all()).isEqualTo(Stop.FAILED.exitCode());
            assertThat(replay.err())
                    .contains("no apply is at work on lane main; start `sluice apply`")
                    .contains("what was asked for stays", "`sluice dlq replay --run 1` follows it again");

            pipeline.startApply();
            CommandRun followed = CommandRun.of(pipeline, "dlq", "replay", "--run", "1");
            assertThat(followed.exitCode()).as(followed.all()).isZero();
            assertThat(followed.out()).contains("1 replayed");
            pipeline.awaitCaughtUp();
            pipeline.assertEqual();
        }
    }

    // ---- editing and giving up

    @Test
    void aRowIsEditedKeepsItsOriginalAndIsWrittenAsEdited() throws IOException {
        try (Pipeline pipeline = people("edited", "")) {
            pipeline.onSource("INSERT INTO person VALUES (1, '%s', 7, NULL), (2, 'x', 8, NULL)".formatted(CANARY));
            pipeline.onSource("INSERT INTO person VALUES (3, 'gone', 20, NULL)");
            pipeline.awaitCaughtUp();
            pipeline.onTarget("CREATE TABLE keeper (person int REFERENCES person); INSERT INTO keeper VALUES (3)");
            pipeline.onSource("DELETE FROM person WHERE id = 3");
            pipeline.awaitCaughtUp();
            String original = pipeline.askTarget("SELECT encode(record_value, 'escape') FROM sluice.dead_letter WHERE id = 1");
            assertThat(original).contains(CANARY);
            String row = "{\"id\": %s, \"name\": \"" + CANARY + "\", \"age\": %s, \"doc\": null%s}";

            requireRefused(edit(pipeline, 1, "{\"id\": 1, \"name\": \"" + CANARY), "it is no JSON, line 1");
            requireRefused(edit(pipeline, 1, "[1]"), "it is no JSON object");
            requireRefused(edit(pipeline, 1, row.formatted("1", "18", ", \"ago\": 1")), "it has columns [ago], which the change does not have");
            requireRefused(edit(pipeline, 1, "{\"id\": 1}"), "it lacks columns [age, doc, name]");
            requireRefused(edit(pipeline, 1, row.formatted("9", "18", "")), "key column 'id' is '9', was '1'");
            requireRefused(edit(pipeline, 1, row.formatted("1", "{\"a\": 1}", "")), "column 'age' is an object");
            requireRefused(edit(pipeline, 3, row.formatted("3", "1", "")), "letter 3 is a change of kind delete and has no row");
            requireRefused(edit(pipeline, 99, "{}"), "no dead letter of pipeline edited has the number 99");
            CommandRun same = edit(pipeline, 1, row.formatted("1", "7", ""));
            assertThat(same.exitCode()).as(same.all()).isZero();
            assertThat(same.out()).contains("the row is as it was, nothing was changed");
            assertThat(pipeline.askTarget("SELECT count(edited_value) FROM sluice.dead_letter")).isEqualTo("0");
            assertThat(CommandRun.of(pipeline, "dlq", "edit", "1").err()).contains("Missing required option: '--reason=TEXT'");
            assertThat(CommandRun.of(pipeline, "dlq", "edit", "1", "--reason", " ").err()).contains("--reason must say why");

            CommandRun edited = edit(pipeline, 1, row.formatted("1", "18", ""));
            assertThat(edited.exitCode()).as(edited.all()).isZero();
            assertThat(edited.all()).doesNotContain(CANARY);
            assertThat(pipeline.askTarget("SELECT encode(record_value, 'escape') FROM sluice.dead_letter WHERE id = 1"))
                    .isEqualTo(original);
            CommandRun show = CommandRun.of(pipeline, "dlq", "show", "1");
            assertThat(show.out()).contains("edited", "tried it", "event (edited)").doesNotContain(CANARY);
            inAnEditor(pipeline);

            CommandRun replay = CommandRun.of(pipeline, "dlq", "replay", "--id", "1", "--id", "2", "--execute");
            assertThat(replay.exitCode()).as(replay.all()).isZero();
            assertThat(pipeline.askTarget("SELECT string_agg(age::text, ' ' ORDER BY id) FROM person WHERE id < 3")).isEqualTo("18 21");
            requireRefused(edit(pipeline, 1, row.formatted("1", "19", "")), "letter 1 is closed: replayed by");

            pipeline.onSource("UPDATE person SET age = CASE id WHEN 1 THEN 18 ELSE 21 END");
            pipeline.onTarget("DROP TABLE keeper");
            assertThat(CommandRun.of(pipeline, "dlq", "replay", "--all", "--execute").exitCode()).isZero();
            pipeline.awaitCaughtUp();
            pipeline.assertEqual();
        }
    }

    /** As a program of its own, since the editor is one of the environment's; its files are gone afterwards. */
    private void inAnEditor(Pipeline pipeline) throws IOException {
        Path temporary = Files.createDirectory(directory.resolve("tmp"));
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(Pipeline.QUICK_JVM);
        command.addAll(List.of("-Djava.io.tmpdir=" + temporary, "-cp", Pipeline.classPath(), "dev.sluice.cli.SluiceMain"));
        command.addAll(List.of("dlq", "edit", "2", "--reason", "in an editor", "-c", pipeline.configFile().toString()));
        String editor = "stat -c mode=%a \"$1\"; sed -i.bak 's/\"age\" : 8/\"age\" : 21/'";

        Child child = Child.start("edit", command, Map.of("EDITOR", editor, "VISUAL", ""), pipeline.configFile().resolveSibling("edit.log"));

        assertThat(child.awaitExit(Duration.ofSeconds(30))).as(child.log()).isZero();
        assertThat(child.log()).contains("letter 2 is edited", "mode=600");
        assertThat(temporary).isEmptyDirectory();
        assertThat(pipeline.askTarget("SELECT edited_reason FROM sluice.dead_letter WHERE id = 2")).isEqualTo("in an editor");
    }

    private CommandRun edit(Pipeline pipeline, long id, String row) throws IOException {
        Path file = Files.writeString(directory.resolve("row.json"), row);
        return CommandRun.of(pipeline, "dlq", "edit", "" + id, "--reason", "tried it", "--file", file.toString());
    }

    private static void requireRefused(CommandRun run, String why) {
        assertThat(run.exitCode()).as(run.all()).isEqualTo(Stop.USAGE.exitCode());
        assertThat(run.err()).contains(why).contains("remedy: ").doesNotContain(CANARY);
    }

    @Test
    void aLetterIsGivenUpWithThoseBehindItAndHoldsNothingBackAnyMore() {
        try (Pipeline pipeline = people("discarded", "")) {
            pipeline.onSource("INSERT INTO person VALUES (1, '%1$s', 40, repeat('%1$s', 300)), (2, 'x', 8, NULL)".formatted(CANARY));
            pipeline.onSource("UPDATE person SET age = 5 WHERE id = 1");
            pipeline.onSource("UPDATE person SET name = 'later' WHERE id = 1");
            pipeline.awaitCaughtUp();

            CommandRun dry = CommandRun.of(pipeline, "dlq", "discard", "--id", "2", "--reason", "test data");
            assertThat(dry.exitCode()).as(dry.all()).isZero();
            assertThat(dry.out())
                    .contains("given up with them, since they wait behind them: 3")
                    .contains("Nothing was changed. --execute discards 2 letters.").doesNotContain(CANARY);
            assertThat(pipeline.askTarget("SELECT count(*) FROM sluice.dead_letter WHERE state = 'discarded'")).isEqualTo("0");
            CommandRun done = CommandRun.of(pipeline, "dlq", "discard", "--id", "2", "--reason", "test data", "--execute", "-o", "json");
            assertThat(done.exitCode()).as(done.all()).isZero();
            assertThat(done.json().get("takenAlong").toString()).isEqualTo("[3]");
            assertThat(pipeline.askTarget("SELECT string_agg(id || state, ' ' ORDER BY id) FROM sluice.dead_letter"))
                    .isEqualTo("1open 2discarded 3discarded");
            assertThat(CommandRun.of(pipeline, "dlq", "audit").out()).contains("discard", "2, 3", "test data");
            CommandRun closed = CommandRun.of(pipeline, "dlq", "discard", "--id", "3", "--reason", "again", "--execute");
            assertThat(closed.exitCode()).isEqualTo(Stop.USAGE.exitCode());
            assertThat(closed.err()).contains("letter 3 is closed: discarded by", "test data");

            pipeline.onSource("UPDATE person SET name = 'last', age = 41 WHERE id = 1");
            pipeline.onTarget(LENIENT);
            assertThat(CommandRun.of(pipeline, "dlq", "replay", "--table", "public.person", "--execute").exitCode()).isZero();
            pipeline.awaitCaughtUp();
            pipeline.assertEqual();
        }
    }

    @Test
    void aRowWhoseInsertWasGivenUpComesWithItsNextChangeAndAnEditedPartOfARowIsWritten() throws IOException {
        try (Pipeline pipeline = people("next", "")) {
            pipeline.onSource("INSERT INTO person VALUES (1, 'x', 7, repeat('long', 2000)), (2, 'y', 20, repeat('long', 2000))");
            pipeline.onSource("UPDATE person SET age = 8 WHERE id = 2");
            pipeline.awaitCaughtUp();
            assertThat(CommandRun.of(pipeline, "dlq", "discard", "--id", "1", "--reason", "not wanted", "--execute").exitCode()).isZero();

            assertThat(edit(pipeline, 2, "{\"id\": 2, \"name\": \"y\", \"age\": 19}").exitCode()).isZero();
            assertThat(CommandRun.of(pipeline, "dlq", "replay", "--id", "2", "--execute").exitCode()).isZero();
            assertThat(pipeline.askTarget("SELECT age || ' ' || length(doc) FROM person WHERE id = 2")).isEqualTo("19 8000");

            pipeline.onSource("UPDATE person SET age = 19"); // without the long values
            pipeline.awaitCaughtUp();
            pipeline.assertEqual();
        }
    }

    @Test
    void lettersOfSeveralLanesAreReplayedByTheirLanes() {
        try (Pipeline pipeline = Pipeline.on(servers, "lanes")
                .settings("lanes: [{name: main}, {name: side}]")
                .carrying("person", "{source: bare, lane: side}")) {
            pipeline.onBoth(PERSON);
            pipeline.onBoth("CREATE TABLE bare (v int PRIMARY KEY)");
            pipeline.onTarget(STRICT);
            pipeline.onTarget("ALTER TABLE bare ADD CONSTRAINT small CHECK (v < 10)");
            run(pipeline);
            Await.until("both lanes stream", Duration.ofSeconds(30), () -> pipeline.askSource(
                            "SELECT count(*) FROM pg_replication_slots WHERE active AND slot_name LIKE 'sluice_lanes_%'")
                    .equals("2"));
            pipeline.onSource("INSERT INTO person VALUES (1, 'x', 7, NULL)");
            pipeline.onSource("INSERT INTO bare VALUES (11)");
            Await.until("both are parked", Duration.ofSeconds(30), () -> pipeline.askTarget("SELECT count(*) FROM sluice.dead_letter")
                    .equals("2"));
            pipeline.onTarget(LENIENT);
            pipeline.onTarget("ALTER TABLE bare DROP CONSTRAINT small");

            CommandRun replay = CommandRun.of(pipeline, "dlq", "replay", "--all", "--execute", "-o", "json");

            assertThat(replay.exitCode()).as(replay.all()).isZero();
            assertThat(replay.json().get("runs").findValuesAsText("lane")).containsExactlyInAnyOrder("lanes.main", "lanes.side");
            assertThat(replay.json().get("replayed").asInt()).isEqualTo(2);
            pipeline.assertEqual();
        }
    }

    @Test
    void whatTheLaneHasInHandIsWaitedFor() throws SQLException {
        try (Pipeline pipeline = people("in_hand", "");
                Connection lane = pipeline.connectTarget()) {
            pipeline.onSource("INSERT INTO person VALUES (1, 'x', 7, NULL)");
            pipeline.awaitCaughtUp();
            lane.setAutoCommit(false);
            try (Statement statement = lane.createStatement()) {
                statement.execute("SELECT record_value FROM sluice.dead_letter"); // as a lane that is about to write it
                CompletableFuture<CommandRun> discard = CompletableFuture.supplyAsync(
                        () -> CommandRun.of(pipeline, "dlq", "discard", "--all", "--reason", "late", "--execute"));
                Await.until("it waits", Duration.ofSeconds(10), () -> pipeline
                        .askTarget("SELECT count(*) FROM pg_locks WHERE relation = 'sluice.dead_letter'::regclass AND NOT granted")
                        .equals("1"));
                statement.execute("UPDATE sluice.dead_letter SET state = 'replayed', closed_by = 'the lane'");
                lane.commit();

                assertThat(discard.join().out()).isEqualTo("nothing to discard\n");
            }
            assertThat(pipeline.askTarget("SELECT state FROM sluice.dead_letter")).isEqualTo("replayed");
        }
    }

    @Test
    void aWrongCommandLineIsNamedAndChangesNothing() {
        try (Pipeline pipeline = Pipeline.on(servers, "wrong").carrying("person")) {
            pipeline.onBoth(PERSON);
            CommandRun never = CommandRun.of(pipeline, "dlq", "list");
            assertThat(never.exitCode()).isEqualTo(Stop.SETUP.exitCode());
            assertThat(never.err()).contains("has no table sluice.audit", "remedy: start `sluice apply`");
            assertThat(CommandRun.of(pipeline, "resume").exitCode()).isEqualTo(Stop.SETUP.exitCode());
            assertThat(CommandRun.of(pipeline, "status").exitCode()).isZero();
            run(pipeline);
            pipeline.awaitCaughtUp();

            requireUsage(CommandRun.of(pipeline, "dlq", "replay"), "Missing required argument");
            requireUsage(CommandRun.of(pipeline, "dlq", "discard", "--reason", "x"), "Missing required argument");
            requireUsage(CommandRun.of(pipeline, "dlq", "discard", "--all"), "Missing required option: '--reason=TEXT'");
            requireUsage(CommandRun.of(pipeline, "dlq", "replay", "--all", "--table", "person"), "mutually exclusive");
            requireUsage(CommandRun.of(pipeline, "dlq", "replay", "--id", "1", "--id", "2"), "has the number 1, 2");
            requireUsage(CommandRun.of(pipeline, "dlq", "replay", "--run", "5"), "no replay of pipeline wrong has the number 5");
            requireUsage(CommandRun.of(pipeline, "dlq", "replay", "--all", "--from-offset", "1"), "go with --from-topic");
            requireUsage(CommandRun.of(pipeline, "dlq", "replay", "--table", "persom"), "did you mean public.person?");
            requireUsage(CommandRun.of(pipeline, "dlq", "replay", "--from-topic", "wrong.public.person"), "is no dead-letter topic of pipeline");
            requireUsage(CommandRun.of(pipeline, "dlq", "show", "x"), "Invalid value");
            requireUsage(CommandRun.of(pipeline, "dlq", "show", "7"), "has the number 7");
            requireUsage(CommandRun.of(pipeline, "dlq", "audit", "--id", "7"), "has the number 7");
            requireUsage(CommandRun.of(pipeline, "dlq", "list", "--since", "monday"), "--since monday is neither");
            requireUsage(CommandRun.of(pipeline, "dlq", "list", "--by", "colour"), "expected one of table, class, constraint, hour");
            requireUsage(CommandRun.of(pipeline, "dlq", "list", "--state", "lost"), "Invalid value for option '--state'");
            requireUsage(CommandRun.of(pipeline, "dlq", "list", "--limit", "0"), "--limit must be 1 or more");
            requireUsage(CommandRun.of(pipeline, "resume", "--lane", "side"), "--lane side: no lane of the pipeline");
            assertThat(CommandRun.of(pipeline, "resume").out()).isEqualTo("no lane was stopped\n");
            assertThat(CommandRun.of(pipeline, "dlq", "replay", "--all", "--execute").out()).contains("nothing to replay");
            assertThat(CommandRun.of(pipeline, "dlq", "audit").out()).isEqualTo("nothing was done\n");
            pipeline.assertEqual();
        }
    }

    private static void requireUsage(CommandRun run, String why) {
        assertThat(run.exitCode()).as(run.all()).isEqualTo(Stop.USAGE.exitCode());
        assertThat(run.err()).contains(why);
    }

    // ---- the breaker

    @Test
    void aLaneThatHasStoppedIsShownAndGoesOnWhenSomebodySaysSo() {
        try (Pipeline pipeline = people("stopped", "apply: {deadLettersPerMinute: 2}")) {
            pipeline.onSource("INSERT INTO person SELECT g, '%s', 7, NULL FROM generate_series(1, 3) g".formatted(CANARY));
            Await.until("the lane is stopped", Duration.ofSeconds(30), () -> pipeline
                    .askTarget("SELECT count(*) FROM sluice.breaker WHERE resumed_at IS NULL").equals("1"));

            pipeline.onTarget("INSERT INTO sluice.blocked_lane (lane, reason) VALUES ('stopped.main', 'disk full')"
                    + " ON CONFLICT (lane) DO UPDATE SET reason = EXCLUDED.reason");
            CommandRun status = CommandRun.of(pipeline, "status");
            assertThat(status.exitCode()).as(status.all()).isEqualTo(Stop.FAILED.exitCode());
            assertThat(status.out())
                    .contains("stopped     ", "more than 2 dead letters within a minute", "check_violation, constraint grown")
                    .containsPattern("waits +for .*: disk full")
                    .contains("then `sluice resume`", "stopped: a person is needed").doesNotContain(CANARY);
            JsonNode breaker = CommandRun.of(pipeline, "status", "-o", "json").json().get("lanes").get(0).get("deadLetters").get("breaker");
            assertThat(breaker.get("cure").asText()).isEqualTo("sluice resume");

            pipeline.onTarget(LENIENT);
            CommandRun resume = CommandRun.of(pipeline, "resume", "--lane", "main");
            assertThat(resume.exitCode()).as(resume.all()).isZero();
            assertThat(resume.out()).contains("lane main goes on; it had stopped at 20", "more than 2 dead letters");
            pipeline.awaitCaughtUp();
            assertThat(CommandRun.of(pipeline, "status").exitCode()).isZero();
            assertThat(CommandRun.of(pipeline, "dlq", "audit").out()).contains("resume", "resumed");
            pipeline.assertEqual();
        }
    }

    // ---- the topic

    @Test
    void lettersThatTheIndexHasLostComeBackFromTheirTopicAndTheirRowsFromTheSource() throws Exception {
        try (Pipeline pipeline = people("lost", "")) {
            pipeline.onSource("INSERT INTO person VALUES (1, '%1$s', 40, repeat('%1$s', 300)), (2, 'x', 8, NULL), (3, 'y', 9, NULL)"
                    .formatted(CANARY));
            pipeline.onSource("UPDATE person SET age = 5 WHERE id = 1");
            pipeline.awaitCaughtUp();
            pipeline.onTarget("DELETE FROM sluice.dead_letter WHERE id <> 1");
            pipeline.onSource("DELETE FROM person WHERE id = 3"); // nobody knows any more that it was parked
            pipeline.onTarget(LENIENT);
            pipeline.awaitCaughtUp();

            Properties settings = KafkaClients.base(pipeline.config().kafka(), "test");
            try (KafkaProducer<String, String> others = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
                others.send(new ProducerRecord<>("lost.public.person.dlq", "key", CANARY));
            }

            CommandRun dry = CommandRun.of(pipeline, "dlq", "replay", "--from-topic", "lost.public.person.dlq");
            assertThat(dry.exitCode()).as(dry.all()).isZero();
            assertThat(dry.out())
                    .contains("lane main, partitions and offsets 0@0 to 4")
                    .contains("2 letters that the index lacks, 1 that it has, 1 record of something else")
                    .contains("Nothing was changed");
            assertThat(pipeline.askTarget("SELECT count(*) FROM sluice.dead_letter")).isEqualTo("1");
            assertThat(CommandRun.of(pipeline, "dlq", "replay", "--from-topic", "lost.public.person.dlq", "--from-offset", "2").out())
                    .contains("1 letter that the index lacks, 0 that it has");
            assertThat(CommandRun.of(pipeline, "dlq", "replay", "--from-topic", "lost.public.person.dlq", "--partition", "5").err())
                    .contains("has no partition 5");

            CommandRun back = CommandRun.of(pipeline, "dlq", "replay", "--from-topic", "lost.public.person.dlq", "--execute");
            assertThat(back.exitCode()).as(back.all()).isZero();
            assertThat(back.all()).contains("2 replayed, 0 out of date, 0 refused again").doesNotContain(CANARY);
            assertThat(pipeline.askTarget("SELECT string_agg(kind || ' ' || state || ' ' || key[1], ', ' ORDER BY id)"
                            + " FROM sluice.dead_letter WHERE is_from_topic"))
                    .isEqualTo("upsert replayed 3, patch replayed 1");
            assertThat(CommandRun.of(pipeline, "dlq", "replay", "--from-topic", "lost.public.person.dlq", "--execute").out())
                    .contains("0 letters that the index lacks, 3 that it has");
            assertThat(CommandRun.of(pipeline, "dlq", "replay", "--all", "--execute").exitCode()).isZero();
            pipeline.awaitCaughtUp();
            pipeline.assertEqual();

            try (Admin admin = Admin.create(settings)) {
                admin.deleteTopics(List.of("lost.public.person.dlq")).all().get();
                Await.until("the topic is gone", Duration.ofSeconds(10), () -> !admin.listTopics().names().get()
                        .contains("lost.public.person.dlq"));
            }
            CommandRun gone = CommandRun.of(pipeline, "dlq", "replay", "--from-topic", "lost.public.person.dlq");
            assertThat(gone.exitCode()).as(gone.all()).isEqualTo(Stop.SETUP.exitCode());
            assertThat(gone.err()).contains("dead-letter topic 'lost.public.person.dlq' does not exist", "remedy: ");
        }
    }

    // ---- set-up

    /** People as the source has them, and a target that takes only grown ones. */
    private static Pipeline people(String name, String settings) {
        Pipeline pipeline = Pipeline.on(servers, name).settings(settings).carrying("person");
        pipeline.onBoth(PERSON);
        pipeline.onTarget(STRICT);
        run(pipeline);
        return pipeline;
    }

    private static void run(Pipeline pipeline) {
        pipeline.startCapture();
        pipeline.startApply();
        pipeline.awaitStreaming();
    }
}
