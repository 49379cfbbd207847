package dev.sluice.cli;

import dev.sluice.apply.DeadLetters.Choice;
import dev.sluice.config.Units;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Which letters are to be listed. */
final class LetterFilter {

    enum State {
        open,
        behind,
        superseded,
        replayed,
        discarded,
        all
    }

    @Spec(Spec.Target.MIXEE)
    private CommandSpec command;

    @Option(names = "--table", paramLabel = "TABLE", description = "Of this source table only.")
    private String table;

    @Option(names = "--class", paramLabel = "CLASS", description = "Refused for this reason only, as check_violation.")
    private String errorClass;

    @Option(names = "--constraint", paramLabel = "NAME", description = "Refused by this constraint of the target only.")
    private String constraint;

    @Option(
            names = "--state",
            paramLabel = "STATE",
            description = "One of ${COMPLETION-CANDIDATES}; may be given several times. Without it: open and behind.")
    private List<State> states = List.of();

    @Option(
            names = "--since",
            paramLabel = "TIME",
            description = "First refused since then: 2026-11-25T10:00:00Z, or how long ago, as 30m, 2h, 7d.")
    private String since;

    Choice choice(LetterSession session) {
        return new Choice(
                List.of(),
                session.table(table),
                Optional.ofNullable(errorClass),
                Optional.ofNullable(constraint),
                Optional.ofNullable(since).map(this::moment),
                states());
    }

    private Set<String> states() {
        if (states.isEmpty()) {
            return Choice.HOLDING;
        }
        Set<String> names = new LinkedHashSet<>();
        states.forEach(state -> names.add(state.name()));
        return states.contains(State.all) ? Set.of() : names;
    }

    private Instant moment(String text) {
        try {
            return Instant.parse(text);
        } catch (DateTimeParseException noMoment) {
            try {
                return Instant.now().minus(Units.duration(text));
            } catch (IllegalArgumentException e) {
                throw new ParameterException(
                        command.commandLine(),
                        "--since %s is neither a moment, as 2026-11-25T10:00:00Z, nor a duration, as 30m, 2h or 7d".formatted(text),
                        e);
            }
        }
    }
}
