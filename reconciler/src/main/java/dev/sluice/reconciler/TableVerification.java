package dev.sluice.reconciler;

import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.TableId;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;

/**
 * What the verification of one table has found. The counts are exact.
 *
 * @param unknown why nothing can be said; empty if something can
 * @param at the source's clock when its snapshot was taken; null if nothing can be said
 * @param position the source's position then; null if nothing can be said
 * @param rows of the source
 * @param compared columns
 * @param notCompared columns, with the reason
 * @param confirmed rows that differ although both sides have exactly the same changes of them
 * @param explained of these, how many are held back by dead letters
 * @param inFlight rows that one side had changes of which the other had not, each time they were looked at
 * @param differences the first of the confirmed ones
 */
public record TableVerification(
        TableId source,
        String unknown,
        Instant at,
        Lsn position,
        long rows,
        int compared,
        List<String> notCompared,
        long confirmed,
        long explained,
        long inFlight,
        List<RowDifference> differences) {

    static TableVerification unknown(TableId source, String reason) {
        return new TableVerification(source, reason, null, null, 0, 0, List.of(), 0, 0, 0, List.of());
    }

    public boolean isUnknown() {
        return !unknown.isEmpty();
    }

    public boolean isDiverged() {
        return confirmed > 0;
    }

    /** In sync, and every row was compared. */
    public boolean isInSync() {
        return !isUnknown() && !isDiverged() && inFlight == 0;
    }

    public String verdict() {
        if (isUnknown()) {
            return "UNKNOWN (%s)".formatted(unknown);
        }
        if (isDiverged()) {
            return "DIVERGED (%,d confirmed%s)"
                    .formatted(confirmed, explained == 0 ? "" : ", %,d of them held back by dead letters".formatted(explained));
        }
        return inFlight == 0 ? "IN SYNC" : "IN SYNC EXCEPT %,d IN FLIGHT".formatted(inFlight);
    }

    /** One line: the verdict with everything that qualifies it. */
    String headline() {
        if (isUnknown()) {
            return "%s: %s".formatted(source, verdict());
        }
        List<String> qualifiers = new ArrayList<>();
        qualifiers.add("%,d rows".formatted(rows));
        qualifiers.add("%d of %d columns compared%s".formatted(
                compared,
                compared + notCompared.size(),
                notCompared.isEmpty() ? "" : " (not: %s)".formatted(String.join(", ", notCompared))));
        if (isDiverged() && inFlight > 0) {
            qualifiers.add("%,d rows in flight".formatted(inFlight));
        }
        return "%s: %s as of %s (source position %s), %s"
                .formatted(source, verdict(), at.truncatedTo(ChronoUnit.MILLIS), position, String.join(", ", qualifiers));
    }
}
