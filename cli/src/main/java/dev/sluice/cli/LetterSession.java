package dev.sluice.cli;

import dev.sluice.apply.DeadLetters;
import dev.sluice.apply.DeadLetters.Choice;
import dev.sluice.apply.DeadLetters.Letter;
import dev.sluice.apply.LetterActs;
import dev.sluice.apply.LetterChains;
import dev.sluice.apply.LetterReplay;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * A command's way to the dead letters of all lanes of a pipeline.
 *
 * <p>Threads: one.
 */
final class LetterSession implements AutoCloseable {
    private final PipelineConfig pipeline;
    private final TargetSession target;
    private final DeadLetters letters;
    private final String who;

    private LetterSession(PipelineConfig pipeline, TargetSession target) {
        this.pipeline = pipeline;
        this.target = target;
        this.letters = new DeadLetters(lanes());
        this.who = System.getProperty("user.name") + ", " + pipeline.target().user();
    }

    /** @throws Failure.Fatal if no applier has made the tables */
    static LetterSession open(PipelineConfig pipeline) {
        TargetSession session = TargetSession.open(pipeline);
        try {
            if (!session.inTransaction("looking for sluice.audit", DeadLetters::isThere)) {
                throw new Failure.Fatal(
                        Stop.SETUP,
                        "target %s has no table sluice.audit: no `sluice apply` of this version has been at work there"
                                .formatted(pipeline.target().address()),
                        "start `sluice apply`: it makes the tables, and it does the replaying; if they were there before, see"
                                + " \"Schema sluice is lost\" in docs/runbook.md");
            }
            return new LetterSession(pipeline, session);
        } catch (Failure e) {
            session.close();
            throw e;
        }
    }

    PipelineConfig pipeline() {
        return pipeline;
    }

    DeadLetters letters() {
        return letters;
    }

    LetterChains chains() {
        return new LetterChains(lanes());
    }

    LetterActs acts() {
        return new LetterActs(lanes(), who);
    }

    LetterReplay replay() {
        return new LetterReplay(lanes(), who);
    }

    String who() {
        return who;
    }

    /** By their names in the target. */
    private List<String> lanes() {
        return pipeline.lanes().stream().map(pipeline::nameInTarget).toList();
    }

    /** The lane's name in the configuration. */
    String laneName(String nameInTarget) {
        return pipeline.lanes().stream()
                .filter(lane -> pipeline.nameInTarget(lane).equals(nameInTarget))
                .map(LaneConfig::name)
                .findFirst()
                .orElse(nameInTarget);
    }

    /** As {@link TargetSession#inTransaction}. */
    <T> T inTransaction(String doing, TargetSession.Work<T> work) {
        return target.inTransaction(doing, work);
    }

    /** @throws Failure.Fatal if there is none of this number */
    Letter letter(Connection connection, long id) throws SQLException {
        return letters.letter(connection, id).orElseThrow(() -> unknown(List.of(id)));
    }

    /** @throws Failure.Fatal if one of the numbers is nobody's */
    void requireKnown(Connection connection, List<Long> ids) throws SQLException {
        TreeSet<Long> unknown = new TreeSet<>(ids);
        if (!ids.isEmpty()) {
            letters.letters(connection, Choice.ofIds(ids), ids.size()).forEach(letter -> unknown.remove(letter.id()));
        }
        if (!unknown.isEmpty()) {
            throw unknown(List.copyOf(unknown));
        }
    }

    private Failure.Fatal unknown(List<Long> ids) {
        return new Failure.Fatal(
                Stop.USAGE,
                "no dead letter of pipeline %s has the number %s"
                        .formatted(pipeline.name(), ids.stream().map(String::valueOf).collect(Collectors.joining(", "))),
                "`sluice dlq list` shows the numbers");
    }

    /**
     * A table that is mapped, or that has letters although it is not mapped any more.
     *
     * @throws Failure.Fatal if it is neither, or no name of a table
     */
    Optional<TableId> table(String name) {
        if (name == null) {
            return Optional.empty();
        }
        try {
            TableId table = TableId.parse(name);
            Choice all = new Choice(
                    List.of(), Optional.of(table), Optional.empty(), Optional.empty(), Optional.empty(), Set.of());
            if (!inTransaction("looking for letters", connection -> letters.letters(connection, all, 1)).isEmpty()) {
                return Optional.of(table);
            }
        } catch (IllegalArgumentException e) {
            throw new Failure.Fatal(Stop.USAGE, "--table: " + e.getMessage(), "name a source table as in the configuration", e);
        }
        return Optional.of(LaneTables.select(pipeline, List.of(name)).values().iterator().next().get(0));
    }

    @Override
    public void close() {
        target.close();
    }
}
