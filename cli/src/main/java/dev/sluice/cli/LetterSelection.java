package dev.sluice.cli;

import dev.sluice.apply.DeadLetters.By;
import dev.sluice.apply.DeadLetters.Choice;
import dev.sluice.apply.DeadLetters.Group;
import dev.sluice.apply.DeadLetters.Letter;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import picocli.CommandLine.Option;

/** Letters that something is to be done with; one way of naming them excludes the others. */
class LetterSelection {

    @Option(names = "--id", paramLabel = "ID", description = "The letter of this number; may be given several times.")
    private List<Long> ids = List.of();

    @Option(names = "--table", paramLabel = "TABLE", description = "All of this source table.")
    private String table;

    @Option(names = "--class", paramLabel = "CLASS", description = "All that are refused for this reason, as check_violation.")
    private String errorClass;

    @Option(names = "--all", description = "All.")
    private boolean isAll;

    /** Why nothing is chosen, as far as a wrong name may be the reason; empty if none was given. */
    String whyNothing(LetterSession session, Connection target) throws SQLException {
        if (errorClass == null) {
            return "";
        }
        Choice holding = new Choice(
                List.of(), Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty(), Choice.HOLDING);
        String others = session.letters().groups(target, holding, Optional.of(By.CLASS)).stream()
                .map(Group::name)
                .collect(Collectors.joining(", "));
        return ": none that is not closed is of class %s%s"
                .formatted(errorClass, others.isEmpty() ? "" : ", there are " + others);
    }

    /** Of whatever state. */
    Choice choice(LetterSession session) {
        return new Choice(
                ids, session.table(table), Optional.ofNullable(errorClass), Optional.empty(), Optional.empty(), Set.of());
    }

    /**
     * Those that are named by number and closed.
     *
     * @throws dev.sluice.schemas.Failure.Fatal if a number is nobody's
     */
    List<Letter> closed(LetterSession session, Connection target) throws SQLException {
        if (ids.isEmpty()) {
            return List.of();
        }
        session.requireKnown(target, ids);
        return session.letters().letters(target, Choice.ofIds(ids), ids.size()).stream()
                .filter(letter -> !letter.isHolding())
                .toList();
    }
}
