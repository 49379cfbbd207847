package dev.sluice.reconciler;

import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.preflight.SequenceComparison;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * Whether the sequences of the target stand where those of the source do, or further, and beyond the values that rows have.
 * They are no rows: one that is behind is a finding of its own, with the statement that moves it.
 */
final class SequencesAtRest {
    static final SequencesAtRest NONE = new SequencesAtRest(List.of());

    private final List<SequenceComparison> lanes;

    private SequencesAtRest(List<SequenceComparison> lanes) {
        this.lanes = lanes;
    }

    /**
     * @throws Failure.Fatal if something may not be read
     * @throws Failure.Retryable if a database cannot be reached or the connection is lost
     */
    static SequencesAtRest compare(PipelineConfig config) {
        try (Connection source = Snapshots.open(config.source());
                Connection target = Snapshots.open(config.target())) {
            return compare(source, target, config.lanes());
        } catch (SQLException e) {
            throw Snapshots.translate(e);
        }
    }

    static SequencesAtRest compare(Connection source, Connection target, List<LaneConfig> lanes) throws SQLException {
        List<SequenceComparison> compared = new ArrayList<>();
        for (LaneConfig lane : lanes) {
            compared.add(SequenceComparison.of(source, target, lane));
        }
        return new SequencesAtRest(compared);
    }

    int compared() {
        return lanes.stream().mapToInt(SequenceComparison::compared).sum();
    }

    List<SequenceComparison.Behind> behind() {
        return lanes.stream().flatMap(lane -> lane.behind().stream()).toList();
    }

    /** On either side. */
    List<TableId> unreadable() {
        return lanes.stream()
                .flatMap(lane -> Stream.concat(lane.unreadableAtSource().stream(), lane.unreadableInTarget().stream()))
                .distinct()
                .toList();
    }

    boolean areBehind() {
        return lanes.stream().anyMatch(lane -> !lane.behind().isEmpty());
    }

    /** A line for each sequence that is behind or cannot be read, at last the verdict; nothing if there are none. */
    List<String> lines() {
        List<String> lines = new ArrayList<>();
        int compared = 0;
        int behind = 0;
        for (SequenceComparison lane : lanes) {
            unreadable("source", lane.unreadableAtSource(), lines);
            unreadable("target", lane.unreadableInTarget(), lines);
            lane.behind().forEach(sequence -> lines.add("sequence %s: BEHIND the values of %s.%s; at the cutover: %s"
                    .formatted(sequence.sequence(), sequence.table(), sequence.column(), sequence.cure())));
            compared += lane.compared();
            behind += lane.behind().size();
        }
        if (compared > 0) {
            lines.add(behind == 0
                    ? "SEQUENCES: %d, none is behind".formatted(compared)
                    : "BEHIND: %d of %d sequences; the stream moves none".formatted(behind, compared));
        }
        return lines;
    }

    private static void unreadable(String side, List<TableId> sequences, List<String> lines) {
        sequences.forEach(sequence ->
                lines.add("sequence %s: not compared, the role may not read it in the %s".formatted(sequence, side)));
    }
}
