package dev.sluice.reconciler;

import dev.sluice.schemas.TableId;
import java.util.ArrayList;
import java.util.List;

/**
 * What the verification of one reference has found. The counts are exact; of a child without a key rows count once that refer to the
 * same.
 *
 * @param child the source's name of the table whose rows refer
 * @param reference for people
 * @param unknown why nothing can be said; empty if something can
 * @param broken rows of the target without the row that they refer to, which is there at the source, though neither is in flight
 * @param explained of these, how many a dead letter holds back, or what they refer to
 * @param preExisting rows without the row that they refer to on both sides
 * @param inFlight rows of which the row or what it refers to was in flight each time they were looked at
 * @param rows the first of the broken ones, by key
 */
public record ReferenceVerification(
        TableId child,
        String reference,
        String unknown,
        long broken,
        long explained,
        long preExisting,
        long inFlight,
        List<String> rows) {

    /** Of all references of a table. */
    static ReferenceVerification unknown(TableId child, String reason) {
        return new ReferenceVerification(child, "references of " + child, reason, 0, 0, 0, 0, List.of());
    }

    public boolean isBroken() {
        return broken > 0;
    }

    /** Every row of the target refers to one that is there, or did not at the source either. */
    public boolean holds() {
        return unknown.isEmpty() && broken == 0 && inFlight == 0;
    }

    String verdict() {
        if (!unknown.isEmpty()) {
            return "UNKNOWN (%s)".formatted(unknown);
        }
        List<String> parts = new ArrayList<>();
        if (isBroken()) {
            parts.add("BROKEN (%,d rows in the target%s)"
                    .formatted(broken, explained == 0 ? "" : ", %,d of them held back by dead letters".formatted(explained)));
        }
        if (inFlight > 0) {
            parts.add("%,d rows in flight".formatted(inFlight));
        }
        if (parts.isEmpty()) {
            parts.add("holds");
        }
        if (preExisting > 0) {
            parts.add("%,d rows refer to nothing at the source either".formatted(preExisting));
        }
        return String.join(", ", parts);
    }

    List<String> lines() {
        List<String> lines = new ArrayList<>();
        lines.add("%s: %s".formatted(reference, verdict()));
        rows.forEach(row -> lines.add("  refers to nothing in the target: " + row));
        if (broken > rows.size()) {
            lines.add("  … and %,d more".formatted(broken - rows.size()));
        }
        return lines;
    }
}
