package dev.sluice.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.sluice.apply.DeadLetters;
import dev.sluice.apply.DeadLetters.Choice;
import dev.sluice.apply.DeadLetters.Letter;
import dev.sluice.apply.LetterActs;
import dev.sluice.apply.LetterChains.Along;
import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import java.io.PrintWriter;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Gives dead letters up. */
@Command(
        name = "discard",
        mixinStandardHelpOptions = true,
        description = {
            "Shows which dead letters would be given up; with --execute they are.",
            "Those of the same rows that wait behind them are given up with them. They are never written, and hold nothing back any more.",
            "The target's rows then stay as they are until the source changes them as a whole; `sluice repair` makes them equal."
        },
        exitCodeListHeading = "Exit codes:%n",
        exitCodeList = {
            " 0:said, or with --execute done",
            " 1:the target could not be reached, or a lane had the index in hand for too long",
            " 2:wrong command line, no such letter or table, a letter that is closed",
            "11:`sluice apply` of this version has never run on the target",
            "13:the target refused the credentials",
            "78:wrong configuration"
        })
final class DlqDiscardCommand implements Callable<Integer> {

    /** So many are listed, and no more. */
    private static final int MOST_LINES = 100;

    @Spec
    private CommandSpec spec;

    @Mixin
    private PipelineOption pipeline;

    @ArgGroup(exclusive = true, multiplicity = "1")
    private LetterSelection selection;

    @Option(names = "--reason", paramLabel = "TEXT", required = true, description = "Why; stays in the audit.")
    private String reason;

    @Option(names = "--execute", description = "Give them up.")
    private boolean isExecuted;

    @Mixin
    private OutputOption output;

    private record Found(List<Long> chosen, List<Long> behind, List<Letter> letters, String whyNothing) {
        List<Long> ids() {
            List<Long> ids = new ArrayList<>(chosen);
            ids.addAll(behind);
            ids.sort(null);
            return ids;
        }
    }

    @Override
    public Integer call() {
        return pipeline.run(this::run);
    }

    private int run(PipelineConfig config) {
        if (reason.isBlank()) {
            throw new ParameterException(spec.commandLine(), "--reason must say why");
        }
        try (LetterSession session = LetterSession.open(config)) {
            Choice choice = selection.choice(session);
            Found found = session.inTransaction("discarding dead letters", target -> {
                LetterActs acts = session.acts();
                if (isExecuted) {
                    acts.holdLanesOff(target);
                }
                Found now = find(session, target, choice);
                if (isExecuted && !now.chosen().isEmpty()) {
                    acts.discard(target, now.ids(), reason);
                }
                return now;
            });
            print(found);
            return Stop.CLEAN.exitCode();
        }
    }

    private Found find(LetterSession session, Connection target, Choice choice) throws SQLException {
        List<Letter> closed = selection.closed(session, target);
        if (!closed.isEmpty()) {
            Letter first = closed.get(0);
            throw new Failure.Fatal(
                    Stop.USAGE,
                    "letter %d is closed: %s by %s; nothing was changed".formatted(first.id(), first.state(), first.closedBy()),
                    "leave out " + LetterLines.numbers(closed.stream().map(Letter::id).toList()));
        }
        DeadLetters letters = session.letters();
        List<Long> chosen = letters.holding(target, choice);
        List<Long> behind = session.chains().along(target, chosen, Along.BEHIND);
        if (chosen.isEmpty()) {
            return new Found(chosen, behind, List.of(), selection.whyNothing(session, target));
        }
        Found found = new Found(chosen, behind, List.of(), "");
        return new Found(chosen, behind, letters.letters(target, Choice.ofIds(found.ids()), MOST_LINES), "");
    }

    private void print(Found found) {
        PrintWriter out = spec.commandLine().getOut();
        if (output.isJson()) {
            ObjectNode json = JsonNodeFactory.instance.objectNode().put("isExecuted", isExecuted);
            LetterLines.numbers(json.putArray("chosen"), found.chosen());
            LetterLines.numbers(json.putArray("takenAlong"), found.behind());
            ArrayNode list = json.putArray("letters");
            found.letters().forEach(letter -> list.add(LetterLines.json(letter)));
            out.println(json.toPrettyString());
        } else if (found.chosen().isEmpty()) {
            out.println("nothing to discard" + found.whyNothing());
        } else {
            LetterLines.table(found.letters()).forEach(out::println);
            if (found.ids().size() > found.letters().size()) {
                out.println("and %s more".formatted(Amounts.count(found.ids().size() - found.letters().size())));
            }
            if (!found.behind().isEmpty()) {
                out.println("given up with them, since they wait behind them: " + LetterLines.numbers(found.behind()));
            }
            out.println(isExecuted
                    ? "discarded: " + Amounts.count(found.ids().size(), "letter")
                    : "Nothing was changed. --execute discards %s.".formatted(Amounts.count(found.ids().size(), "letter")));
        }
        out.flush();
    }
}
