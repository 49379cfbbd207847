package dev.sluice.reconciler;

import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.divergence.Divergence;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Looks into the rows of one table that are confirmed to differ, and hands them on with evidence and explanation: the first
 * {@value #MOST_ROWS} of a pass; the others as they are.
 *
 * <p>Threads: one at a time.
 */
final class EvidenceDesk {
    static final int MOST_ROWS = 1_000;

    /** Of evidence that is held until the last events are looked for; then the topic is read once more. */
    private static final long MOST_CHARACTERS = 8_000_000;

    private final PipelineConfig config;
    private final LaneConfig lane;
    private final Divergences divergences;
    private final List<Divergence> found = new ArrayList<>();
    private final List<ConfirmedRow> rows = new ArrayList<>();
    private final Map<String, Divergence> explained = new HashMap<>();
    private int taken;
    private long characters;
    private ComparedTable table;

    EvidenceDesk(PipelineConfig config, LaneConfig lane, Divergences divergences) {
        this.config = config;
        this.lane = lane;
        this.divergences = divergences;
    }

    /** A row is confirmed. */
    void found(Divergence divergence) {
        if (taken < MOST_ROWS) {
            taken++;
            found.add(divergence);
        } else {
            divergences.found(divergence);
        }
    }

    /**
     * Looks at the rows that were found since the last look, in the snapshots in which they were found.
     *
     * @throws SQLException if a connection is lost
     */
    void look(SnapshotPair pair, ComparedTable compared) throws SQLException {
        if (found.isEmpty()) {
            return;
        }
        table = compared;
        for (ConfirmedRow row : new SnapshotEvidence(config, lane, pair, compared).of(found)) {
            rows.add(row);
            characters += row.evidence().toString().length();
        }
        found.clear();
        if (characters > MOST_CHARACTERS) {
            handOn();
        }
    }

    /** Looks for the last events of the rows, and hands them on. */
    void handOn() {
        if (rows.isEmpty()) {
            return;
        }
        Set<List<String>> keys = rows.stream().map(row -> row.divergence().key()).collect(Collectors.toSet());
        KeyEvents events = KeyEvents.read(config, table.mapping().source(), table.key(), keys);
        for (ConfirmedRow row : rows) {
            Divergence divergence = row.explained(events.of(row.divergence().key()), events.looked());
            explained.put(TableMerge.text(table.key(), divergence.key()), divergence);
            divergences.found(divergence);
        }
        rows.clear();
        characters = 0;
    }

    /** With what was found out about them. */
    List<RowDifference> explained(List<RowDifference> differences) {
        return differences.stream().map(this::explained).toList();
    }

    private RowDifference explained(RowDifference difference) {
        Divergence divergence = explained.get(difference.key());
        return divergence == null
                ? difference
                : new RowDifference(
                        difference.kind(), difference.key(), difference.columns(), divergence.explanation(), divergence.evidence());
    }
}
