package dev.sluice.reconciler;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.Failure;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * What would go wrong in the target although every row is the same, once it is written by others than apply: sequences that are behind,
 * and unique keys that it lacks. No divergence: the stream carries neither.
 *
 * @param unknown why nothing can be said; empty if something can
 */
record CutOverHazards(SequencesAtRest sequences, List<UniqueKeys> uniqueKeys, String unknown) {
    /** @param lanes with the tables that are asked for */
    static CutOverHazards read(PipelineConfig config, List<LaneConfig> lanes) {
        try (Connection source = Snapshots.open(config.source());
                Connection target = Snapshots.open(config.target())) {
            List<UniqueKeys> keys = new ArrayList<>();
            for (LaneConfig lane : lanes) {
                keys.add(UniqueKeys.compare(source, target, lane));
            }
            return new CutOverHazards(SequencesAtRest.compare(source, target, lanes), keys, "");
        } catch (SQLException e) {
            return new CutOverHazards(SequencesAtRest.NONE, List.of(), Snapshots.translate(e).getMessage());
        } catch (Failure e) {
            return new CutOverHazards(SequencesAtRest.NONE, List.of(), e.getMessage());
        }
    }

    /** A line for each, and one about all of them; nothing if there is nothing to look at. */
    List<String> lines() {
        if (!unknown.isEmpty()) {
            return List.of("CUT-OVER: of sequences and unique keys it could not be told: " + unknown);
        }
        List<String> lines = new ArrayList<>();
        sequences.unreadable().forEach(sequence ->
                lines.add("cut-over: of sequence %s it cannot be told, the role may not read it".formatted(sequence)));
        sequences.behind().forEach(sequence -> lines.add(
                "cut-over: sequence %s is behind the values of %s.%s; when nobody writes to the source any more: %s"
                        .formatted(sequence.sequence(), sequence.table(), sequence.column(), sequence.cure())));
        findings().forEach(finding -> lines.add("cut-over: " + finding));
        int compared = uniqueKeys.stream().mapToInt(UniqueKeys::compared).sum();
        int behind = sequences.behind().size();
        long missing = findings().count();
        if (behind + missing > 0) {
            lines.add("CUT-OVER: %d of %d sequences behind, %d unique keys missing or not valid: no matter until others write to the target"
                    .formatted(behind, sequences.compared(), missing));
        } else if (sequences.compared() + compared > 0) {
            lines.add("CUT-OVER: no sequence of %d is behind, no unique key of %d is missing".formatted(sequences.compared(), compared));
        }
        return lines;
    }

    private Stream<UniqueKeys.Finding> findings() {
        return uniqueKeys.stream().flatMap(keys -> keys.findings().stream());
    }

    void addTo(ObjectNode json) {
        ArrayNode list = json.putArray("sequences");
        sequences.behind().forEach(sequence -> list.addObject()
                .put("sequence", sequence.sequence().toString())
                .put("state", "behind")
                .put("table", sequence.table().toString())
                .put("column", sequence.column())
                .put("wanted", sequence.wanted())
                .put("cure", sequence.cure()));
        sequences.unreadable().forEach(
                sequence -> list.addObject().put("sequence", sequence.toString()).put("state", "not readable"));
        ArrayNode keys = json.putArray("uniqueKeys");
        findings().forEach(finding -> keys.addObject()
                .put("table", finding.table().toString())
                .put("key", finding.key())
                .put("problem", finding.problem())
                .put("cure", finding.cure()));
        if (!unknown.isEmpty()) {
            json.put("cutOverUnknown", unknown);
        }
    }
}
