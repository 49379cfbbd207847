package dev.sluice.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.sluice.apply.LetterActs.Act;
import dev.sluice.schemas.Stop;
import java.io.PrintWriter;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Who has done what with dead letters. */
@Command(
        name = "audit",
        mixinStandardHelpOptions = true,
        description = "Lists who has replayed, edited, discarded or resumed what, and when; the newest first.",
        exitCodeListHeading = "Exit codes:%n",
        exitCodeList = {
            " 0:listed, none too",
            " 1:the target could not be reached",
            " 2:wrong command line, no such letter",
            "11:`sluice apply` of this version has never run on the target",
            "13:the target refused the credentials",
            "78:wrong configuration"
        })
final class DlqAuditCommand implements Callable<Integer> {

    @Spec
    private CommandSpec spec;

    @Mixin
    private PipelineOption pipeline;

    @Option(names = "--id", paramLabel = "ID", description = "Only what was done with this letter.")
    private Long id;

    @Option(
            names = "--limit",
            paramLabel = "N",
            defaultValue = "100",
            description = "Most acts to list (default: ${DEFAULT-VALUE}).")
    private int limit;

    @Mixin
    private OutputOption output;

    @Override
    public Integer call() {
        return pipeline.run(config -> {
            try (LetterSession session = LetterSession.open(config)) {
                List<Act> acts = session.inTransaction("reading sluice.audit", target -> {
                    session.requireKnown(target, id == null ? List.of() : List.of(id));
                    return session.acts().acts(target, Optional.ofNullable(id), limit);
                });
                print(acts);
            }
            return Stop.CLEAN.exitCode();
        });
    }

    private void print(List<Act> acts) {
        PrintWriter out = spec.commandLine().getOut();
        if (output.isJson()) {
            ArrayNode json = JsonNodeFactory.instance.arrayNode();
            acts.forEach(act -> json.add(json(act)));
            out.println(json.toPrettyString());
            return;
        }
        if (acts.isEmpty()) {
            out.println("nothing was done");
        } else {
            lines(acts).forEach(out::println);
        }
        out.flush();
    }

    static List<String> lines(List<Act> acts) {
        return LetterLines.table(
                List.of("id", "at", "who", "lane", "action", "letters", "result", "reason"),
                acts.stream()
                        .map(act -> List.of(
                                Long.toString(act.id()),
                                LetterLines.time(act.at()),
                                act.who(),
                                act.lane(),
                                act.action(),
                                LetterLines.numbers(act.letters()),
                                act.finished().isPresent() ? act.result() : "under way",
                                act.reason()))
                        .toList());
    }

    static ObjectNode json(Act act) {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("id", act.id())
                .put("at", act.at().toString())
                .put("who", act.who())
                .put("lane", act.lane())
                .put("action", act.action());
        LetterLines.numbers(json.putArray("letters"), act.letters());
        return json.put("reason", act.reason())
                .put("result", act.result())
                .put("finishedAt", act.finished().map(Instant::toString).orElse(null));
    }
}
