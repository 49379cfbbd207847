package dev.sluice.reconciler;

import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.divergence.Divergence;
import java.sql.SQLException;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiConsumer;
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
    private final BiConsumer<Divergence, OffsetDateTime> next;
    private final List<Divergence> found = new ArrayList<>();
    private final List<Seen> rows = new ArrayList<>();
    private final Map<String, Divergence> explained = new HashMap<>();
    private int taken;
    private long characters;
    private ComparedTable table;

    /** A row, and the target's clock before the snapshot in which it differed. */
    private record Seen(ConfirmedRow row, OffsetDateTime at) {}

    /** @param next gets each row, and the target's clock before the snapshot in which it differed */
    EvidenceDesk(PipelineConfig config, LaneConfig lane, BiConsumer<Divergence, OffsetDateTime> next) {
        this.config = config;
        this.lane = lane;
        this.next = next;
    }

    /**
     * A row is confirmed.
     *
     * @param seen the target's clock before the snapshot in which it differs
     */
    void found(Divergence divergence, OffsetDateTime seen) {
        if (taken < MOST_ROWS) {
            taken++;
            found.add(divergence);
        } else {
            next.accept(divergence, seen);
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
            rows.add(new Seen(row, pair.targetAt()));
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
        Set<List<String>> keys = rows.stream().map(seen -> seen.row().divergence().key()).collect(Collectors.toSet());
        KeyEvents events = KeyEvents.read(config, table.mapping().source(), table.key(), keys);
        for (Seen seen : rows) {
            List<KeyEvent> last = events.of(seen.row().divergence().key());
            Divergence divergence = seen.row().explained(last, events.looked());
            explained.put(TableMerge.text(table.key(), divergence.key()), divergence);
            next.accept(divergence, seen.at());
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
