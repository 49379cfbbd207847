package dev.sluice.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.sluice.apply.DeadLetters.Breaker;
import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Lets lanes go on that have stopped, since the target refused too many rows. */
@Command(
        name = "resume",
        mixinStandardHelpOptions = true,
        description = {
            "Lets lanes go on that have stopped because they would have parked more than apply.deadLettersPerMinute rows within a minute."
                    + " Mend the cause first: the lane takes up the transaction before which it has stopped, and counts anew."
        },
        exitCodeListHeading = "Exit codes:%n",
        exitCodeList = {
            " 0:they go on, or none had stopped",
            " 1:the target could not be reached",
            " 2:wrong command line, no such lane",
            "11:`sluice apply` of this version has never run on the target",
            "13:the target refused the credentials",
            "78:wrong configuration"
        })
final class ResumeCommand implements Callable<Integer> {

    @Spec
    private CommandSpec spec;

    @Mixin
    private PipelineOption pipeline;

    @Option(names = "--lane", paramLabel = "LANE", description = "This lane only.")
    private String laneName;

    @Mixin
    private OutputOption output;

    @Override
    public Integer call() {
        return pipeline.run(config -> {
            requireLane(config);
            try (LetterSession session = LetterSession.open(config)) {
                List<Breaker> resumed = session.inTransaction("resuming", target -> {
                    List<Breaker> stopped = session.letters().breakers(target).stream()
                            .filter(breaker -> laneName == null || session.laneName(breaker.lane()).equals(laneName))
                            .toList();
                    session.acts().resume(target, stopped);
                    return stopped;
                });
                print(session, resumed);
            }
            return Stop.CLEAN.exitCode();
        });
    }

    private void requireLane(PipelineConfig config) {
        if (laneName != null && config.lanes().stream().noneMatch(lane -> lane.name().equals(laneName))) {
            throw new Failure.Fatal(
                    Stop.USAGE,
                    "--lane %s: no lane of the pipeline".formatted(laneName),
                    "name one of " + config.lanes().stream().map(lane -> lane.name()).collect(Collectors.joining(", ")));
        }
    }

    private void print(LetterSession session, List<Breaker> resumed) {
        PrintWriter out = spec.commandLine().getOut();
        if (output.isJson()) {
            ArrayNode json = JsonNodeFactory.instance.arrayNode();
            resumed.forEach(breaker -> json.addObject()
                    .put("lane", session.laneName(breaker.lane()))
                    .put("reason", breaker.reason())
                    .put("stoppedAt", breaker.opened().toString()));
            out.println(json.toPrettyString());
        } else if (resumed.isEmpty()) {
            out.println("no lane was stopped");
        } else {
            resumed.forEach(breaker -> out.println("lane %s goes on; it had stopped at %s: %s"
                    .formatted(session.laneName(breaker.lane()), LetterLines.time(breaker.opened()), breaker.reason())));
        }
        out.flush();
    }
}
