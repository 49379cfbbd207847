package dev.sluice.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.sluice.apply.DeadLetters.Choice;
import dev.sluice.apply.DeadLetters.Letter;
import dev.sluice.apply.LetterReplay.Progress;
import dev.sluice.apply.LetterReturn;
import dev.sluice.apply.LetterReturn.Result;
import dev.sluice.apply.LetterTopic;
import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import java.io.PrintWriter;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Has dead letters written once more, and says what became of them. The work is the lane's. */
@Command(
        name = "replay",
        mixinStandardHelpOptions = true,
        description = {
            "Shows which dead letters would be replayed; with --execute they are written once more.",
            "The running `sluice apply` writes them, between two transactions of the source, and the command says what became of them."
                    + " Letters of the same rows that come before are taken along, so a row always ends as the lane has it.",
            "Ctrl-C ends the following only; --run follows a replay again.",
            "--from-topic brings back letters that the index in the target has lost: their rows are read from the source."
        },
        exitCodeListHeading = "Exit codes:%n",
        exitCodeList = {
            " 0:said; with --execute: all are replayed, or are out of date",
            " 1:nothing has moved for too long (what was asked for stays), or the target or Kafka could not be reached",
            " 2:wrong command line, no such letter, table, run or topic",
            " 3:some were refused again; with --run: or are not closed in a later replay",
            "11:`sluice apply` of this version has never run on the target, or the topic is missing",
            "13:a server refused the credentials",
            "78:wrong configuration"
        })
final class DlqReplayCommand implements Callable<Integer> {
    private static final int MOST_LINES = 100;

    @Spec
    private CommandSpec spec;

    @Mixin
    private PipelineOption pipeline;

    @ArgGroup(exclusive = true, multiplicity = "1")
    private What what;

    /** What is to be replayed. */
    static final class What extends LetterSelection {
        @Option(
                names = "--run",
                paramLabel = "N",
                description = "Follow a replay that was asked for earlier; may be given several times.")
        private List<Long> runs = List.of();

        @Option(names = "--from-topic", paramLabel = "TOPIC", description = "All of this dead-letter topic that the index lacks.")
        private String topic;
    }

    @Option(
            names = "--from-offset",
            paramLabel = "OFFSET",
            description = "With --from-topic: from this offset on (default: from the beginning).")
    private Long fromOffset;

    @Option(names = "--partition", paramLabel = "PARTITION", description = "With --from-topic: of this partition only.")
    private Integer partition;

    @Option(names = "--execute", description = "Replay them.")
    private boolean isExecuted;

    @Option(
            names = "--wait",
            paramLabel = "SECONDS",
            defaultValue = "600",
            description = "Follow no longer when nothing has moved for so long (default: ${DEFAULT-VALUE}).")
    private int waitSeconds;

    @Mixin
    private OutputOption output;

    @Override
    public Integer call() {
        return pipeline.run(this::run);
    }

    private int run(PipelineConfig config) throws InterruptedException {
        if (what.topic == null && (fromOffset != null || partition != null)) {
            throw new ParameterException(spec.commandLine(), "--from-offset and --partition go with --from-topic");
        }
        requireSensible();
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        try (LetterSession session = LetterSession.open(config)) {
            if (!what.runs.isEmpty()) {
                return follow(session, known(session), json);
            }
            return what.topic == null ? replay(session, json) : bringBack(session, json);
        }
    }

    private void requireSensible() {
        if (waitSeconds < 1) {
            throw new ParameterException(spec.commandLine(), "--wait must be 1 or more, was " + waitSeconds);
        }
        if (fromOffset != null && fromOffset < 0) {
            throw new ParameterException(spec.commandLine(), "--from-offset must be 0 or more, was " + fromOffset);
        }
    }

    private Map<Long, String> known(LetterSession session) {
        Map<Long, String> known =
                session.inTransaction("looking for replays", target -> session.replay().lanes(target, what.runs));
        TreeSet<Long> unknown = new TreeSet<>(what.runs);
        unknown.removeAll(known.keySet());
        if (!unknown.isEmpty()) {
            throw new Failure.Fatal(
                    Stop.USAGE,
                    "no replay of pipeline %s has the number %s".formatted(session.pipeline().name(), LetterLines.numbers(unknown)),
                    "`sluice dlq audit` shows the numbers");
        }
        return known;
    }

    private int replay(LetterSession session, ObjectNode json) throws InterruptedException {
        Choice choice = what.choice(session);
        ReplayPreview preview = session.inTransaction(
                "looking at dead letters", target -> ReplayPreview.read(session, target, what, choice));
        preview.json(json.put("isExecuted", isExecuted));
        say(preview.lines());
        if (!isExecuted || preview.isNothing()) {
            return nothingDone(json, preview.isNothing());
        }
        return follow(
                session,
                session.inTransaction("asking for a replay", target -> session.replay().request(target, preview.ids())),
                json);
    }

    private int bringBack(LetterSession session, ObjectNode json) throws InterruptedException {
        OptionalInt only = partition == null ? OptionalInt.empty() : OptionalInt.of(partition);
        Result result;
        try (LetterTopic topic = LetterTopic.open(session.pipeline(), what.topic, only, fromOffset == null ? 0 : fromOffset)) {
            say(List.of("%s, lane %s, partitions and offsets %s"
                    .formatted(what.topic, session.laneName(topic.lane()), topic.range())));
            result = session.inTransaction(
                    "bringing letters back", target -> new LetterReturn(topic, session.who()).read(target, isExecuted));
            say(List.of("%s that the index lacks, %s that it has, %s of something else"
                    .formatted(Amounts.count(result.fresh(), "letter"), Amounts.count(result.known()), Amounts.count(result.others(), "record"))));
            json.put("isExecuted", isExecuted)
                    .put("topic", what.topic)
                    .put("fresh", result.fresh())
                    .put("known", result.known())
                    .put("others", result.others());
            if (result.fresh() == 0 && result.known() > 0) {
                say(List.of("nothing to bring back; what the index has and is not closed is replayed by `sluice dlq replay --all`"));
            }
            if (result.run().isEmpty()) {
                return nothingDone(json, result.fresh() == 0);
            }
            return follow(session, Map.of(result.run().getAsLong(), topic.lane()), json);
        }
    }

    private int nothingDone(ObjectNode json, boolean isNothing) {
        if (!isNothing) {
            say(List.of("Nothing was changed. --execute replays them."));
        }
        print(json);
        return Stop.CLEAN.exitCode();
    }

    private int follow(LetterSession session, Map<Long, String> runs, ObjectNode json) throws InterruptedException {
        PrintWriter err = spec.commandLine().getErr();
        if (runs.isEmpty()) {
            say(List.of("all of them were closed meanwhile"));
            print(json);
            return Stop.CLEAN.exitCode();
        }
        ReplayFollower follower = new ReplayFollower(session, runs, TimeUnit.SECONDS.toNanos(waitSeconds), err);
        err.println("asked for; Ctrl-C ends the following only, `sluice dlq replay %s` follows again".formatted(follower.options()));
        err.flush();
        Progress end = follower.follow();
        List<Letter> refused = session.inTransaction(
                "looking at what was refused", target -> session.replay().refused(target, runs.keySet(), MOST_LINES));
        say(List.of("%s replayed, %s out of date, %s refused again"
                .formatted(Amounts.count(end.replayed()), Amounts.count(end.superseded()), Amounts.count(end.refused()))));
        if (!refused.isEmpty()) {
            say(LetterLines.table(refused));
        }
        if (end.refused() > refused.size()) {
            say(List.of("%s more; `sluice dlq list` shows them".formatted(Amounts.count(end.refused() - refused.size()))));
        }
        List<Letter> takenOver = session.inTransaction(
                "looking at later replays", target -> session.letters().takenOver(target, runs.keySet()));
        sayTakenOver(takenOver);
        ArrayNode numbers = json.putArray("runs");
        runs.forEach((run, lane) -> numbers.addObject().put("run", run).put("lane", lane));
        json.put("replayed", end.replayed()).put("superseded", end.superseded()).put("refused", end.refused());
        ArrayNode letters = json.putArray("refusedLetters");
        refused.forEach(letter -> letters.add(LetterLines.json(letter)));
        ArrayNode later = json.putArray("takenOver");
        takenOver.forEach(letter -> later.add(LetterLines.json(letter)));
        print(json);
        boolean isAllClosed = end.refused() == 0 && takenOver.stream().noneMatch(Letter::isHolding);
        return (isAllClosed ? Stop.CLEAN : Stop.DIFFERENT).exitCode();
    }

    /** A letter is part of the last replay that it was asked for: an earlier one does not count it any more. */
    private void sayTakenOver(List<Letter> letters) {
        if (!letters.isEmpty()) {
            TreeSet<Long> later = new TreeSet<>();
            letters.forEach(letter -> letter.run().ifPresent(later::add));
            long holding = letters.stream().filter(Letter::isHolding).count();
            say(List.of("%s taken over by later replays (%s), %s not closed yet; `sluice dlq audit` has how each replay ended"
                    .formatted(Amounts.count(letters.size(), "letter"), LetterLines.numbers(later), Amounts.count(holding))));
        }
    }

    private void say(List<String> lines) {
        if (!output.isJson()) {
            PrintWriter out = spec.commandLine().getOut();
            lines.forEach(out::println);
            out.flush();
        }
    }

    private void print(ObjectNode json) {
        if (output.isJson()) {
            PrintWriter out = spec.commandLine().getOut();
            out.println(json.toPrettyString());
            out.flush();
        }
    }
}
