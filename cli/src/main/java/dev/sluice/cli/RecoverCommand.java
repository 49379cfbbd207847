package dev.sluice.cli;

import dev.sluice.apply.ProgressRestart;
import dev.sluice.apply.RereadStore.Throttle;
import dev.sluice.capture.LaneRestart;
import dev.sluice.capture.LaneRestart.Beginning;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
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

/**
 * Starts a lane anew after a hole: another slot, another epoch, every table read again. Says what it would do unless
 * {@code --execute}.
 */
@Command(
        name = "recover",
        mixinStandardHelpOptions = true,
        description = {
            "Starts a lane anew after a hole (slot lost, topic deleted, source failed over): makes another slot, begins another"
                    + " epoch, and has every table of the lane read again. The target's tables are not emptied.",
            "Without --execute it only says what it would do. Capture and apply of the lane must be stopped first, and started"
                    + " afterwards: they do the work."
        },
        exitCodeListHeading = "Exit codes:%n",
        exitCodeList = {
            " 0:said, or with --execute done",
            " 1:a database or Kafka could not be reached; do it again",
            " 2:wrong command line",
            "11:capture or apply still runs, or apply has never run on the target",
            "13:a server refused the credentials",
            "78:wrong configuration"
        })
final class RecoverCommand implements Callable<Integer> {

    @Spec
    private CommandSpec spec;

    @Mixin
    private PipelineOption pipeline;

    @Option(names = "--lane", paramLabel = "LANE", description = "The lane; needed if the pipeline has several.")
    private String laneName;

    @Option(names = "--execute", description = "Do it.")
    private boolean isToExecute;

    @Mixin
    private ThrottleOptions throttle;

    @Override
    public Integer call() {
        return pipeline.run(config -> {
            recover(config, lane(config), spec.commandLine().getOut(), throttle.throttle());
            return Stop.CLEAN.exitCode();
        });
    }

    private LaneConfig lane(PipelineConfig config) {
        List<LaneConfig> named = config.lanes().stream()
                .filter(lane -> laneName == null || lane.name().equals(laneName))
                .toList();
        if (named.size() == 1) {
            return named.get(0);
        }
        String lanes = config.lanes().stream().map(LaneConfig::name).collect(Collectors.joining(", "));
        throw new Failure.Fatal(
                Stop.USAGE,
                laneName == null ? "the pipeline has several lanes" : "--lane %s: no lane of the pipeline".formatted(laneName),
                "name one with --lane: " + lanes);
    }

    /** Both sides are held from before the first step to behind the last one. */
    private void recover(PipelineConfig config, LaneConfig lane, PrintWriter out, Throttle limits) {
        ProgressRestart target = new ProgressRestart(config, lane);
        try (LaneRestart source = LaneRestart.open(config, lane);
                TargetSession session = TargetSession.open(config)) {
            session.requireRereads(config);
            long applied = session.inTransaction("taking the lane", connection -> {
                target.take(connection);
                return target.epoch(connection);
            });
            if (!isToExecute) {
                steps(lane, source).forEach(out::println);
                return;
            }
            Beginning beginning = source.begin(applied);
            out.println("slot %s was made and begins at %s, the checkpoint is that of a first start"
                    .formatted(lane.slot(), beginning.start()));
            session.inTransaction("starting lane %s anew".formatted(lane.name()), connection -> {
                target.begin(connection, beginning.before(), beginning.start(), limits);
                return connection;
            });
            out.println("the target's progress stands at %s, before epoch %d; %d tables are to be read again"
                    .formatted(beginning.start(), beginning.before() + 1, lane.tables().size()));
            out.println("start capture and apply of lane %s; `sluice backfill` follows the reading".formatted(lane.name()));
        }
    }

    private static List<String> steps(LaneConfig lane, LaneRestart source) {
        String tables = lane.tables().stream().map(TableMapping::source).map(Object::toString).collect(Collectors.joining(", "));
        return List.of(
                "Nothing was changed. With --execute, lane %s:".formatted(lane.name()),
                "1. source: drops replication slot %s, which %s".formatted(lane.slot(), source.slot()),
                "2. kafka: notes a checkpoint like that of a first start; topics and their records stay",
                "3. source: makes the slot anew; this waits for the transactions that are open there",
                "4. target: sets sluice.progress to where the slot begins, forgets offsets and held tables",
                "5. target: asks for every table to be read again: " + tables,
                "Then start capture, which begins another epoch, and apply, which reads the tables while the stream runs. Rows"
                        + " that readers of the target see meanwhile are those of before, table by table set right.");
    }
}
