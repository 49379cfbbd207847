package dev.sluice.cli;

import dev.sluice.apply.DeadLetters;
import dev.sluice.apply.DeadLetters.Standing;
import dev.sluice.apply.LaneStatus;
import dev.sluice.capture.SlotStatus;
import dev.sluice.config.Databases;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.Stop;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** How far each lane is, and which tables are not in step. Exit codes: 0, or 1 if a person is needed. */
@Command(
        name = "status",
        mixinStandardHelpOptions = true,
        description = "Shows how far each lane is, and which tables are held or being read, and what is parked; changes nothing.",
        exitCodeListHeading = "Exit codes:%n",
        exitCodeList = {
            " 0:nobody is needed",
            " 1:a lane is stopped, a table is held, has failed or has rows that refer to nothing, the slot is gone, or the target was not reached",
            "11:the target does not let its role look",
            "13:the target refused the credentials",
            "78:wrong configuration"
        })
final class StatusCommand implements Callable<Integer> {

    @Spec
    private CommandSpec spec;

    @Mixin
    private PipelineOption pipeline;

    @Mixin
    private OutputOption output;

    @Override
    public Integer call() {
        return pipeline.run(config -> {
            StatusReport report = report(config);
            spec.commandLine().getOut().println(output.isJson() ? report.json() : report.table());
            return report.needsPerson() ? Stop.FAILED.exitCode() : Stop.CLEAN.exitCode();
        });
    }

    /** The target first: were the source asked first, the target could be ahead of it. */
    private static StatusReport report(PipelineConfig config) {
        Map<LaneConfig, LaneStatus> target = new HashMap<>();
        Map<LaneConfig, Standing> letters = new HashMap<>();
        try (TargetSession session = TargetSession.open(config)) {
            session.inTransaction("reading schema sluice", connection -> {
                connection.createStatement().execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY");
                for (LaneConfig lane : config.lanes()) {
                    String name = config.nameInTarget(lane);
                    target.put(lane, LaneStatus.read(connection, name));
                    letters.put(lane, new DeadLetters(List.of(name)).standing(connection));
                }
                return target;
            });
        }
        Map<LaneConfig, SlotStatus> slots = new HashMap<>();
        String noAnswer = "";
        try (Connection source = Databases.connectBriefly(config.source(), "sluice-status")) {
            for (LaneConfig lane : config.lanes()) {
                slots.put(lane, SlotStatus.read(source, lane));
            }
        } catch (SQLException e) {
            noAnswer = "%s: %s".formatted(config.source().address(), Databases.reason(e));
        }
        String said = noAnswer;
        List<LaneReport> lanes = config.lanes().stream()
                .map(lane -> new LaneReport(lane, target.get(lane), letters.get(lane), Optional.ofNullable(slots.get(lane)), said))
                .toList();
        return new StatusReport(config.name(), lanes);
    }
}
