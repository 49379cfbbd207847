package dev.sluice.cli;

import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.process.Signals;
import dev.sluice.process.StopSignal;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.io.PrintWriter;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** What can be asked for when tables are to be read, and the asking. */
final class RequestOptions {

    @Spec(Spec.Target.MIXEE)
    private CommandSpec command;

    @Option(
            names = "--where",
            paramLabel = "SQL",
            defaultValue = "",
            description = "Read only rows that fulfil this condition over the source's columns; needs --table.")
    private String where;

    @Option(names = "--no-wait", description = "Only ask for it; `sluice status` shows what becomes of it.")
    private boolean isNoWait;

    @Mixin
    private ThrottleOptions throttle;

    ThrottleOptions throttle() {
        return throttle;
    }

    boolean hasWhere() {
        return !where.isEmpty();
    }

    boolean isNoWait() {
        return isNoWait;
    }

    /** Asks, and follows unless {@code --no-wait}; gives the exit code. */
    int request(PipelineConfig pipeline, String kind, List<String> names, boolean isAgain) throws InterruptedException {
        if (hasWhere() && names.isEmpty()) {
            throw new ParameterException(command.commandLine(), "--where is about the columns of a table: name it with --table");
        }
        PrintWriter out = command.commandLine().getOut();
        Map<LaneConfig, List<TableId>> tables = LaneTables.select(pipeline, names);
        RereadRequest request =
                new RereadRequest(kind, where.strip(), throttle.throttle(), isAgain, !names.isEmpty());
        try (TargetSession session = TargetSession.open(pipeline)) {
            session.requireRereads(pipeline);
            session.inTransaction("requesting a " + kind, target -> request.write(target, pipeline, tables))
                    .forEach(out::println);
            out.flush();
        }
        if (isNoWait) {
            return Stop.CLEAN.exitCode();
        }
        StopSignal stop = new StopSignal();
        Signals.onEach(() -> {
            if (stop.isRequested()) {
                Runtime.getRuntime().halt(RereadFollower.STOPPED);
            }
            stop.request();
        });
        return new RereadFollower(pipeline, tables, out).follow(stop);
    }
}
