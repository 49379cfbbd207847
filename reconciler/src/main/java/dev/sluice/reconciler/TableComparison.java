package dev.sluice.reconciler;

import dev.sluice.schemas.TableId;
import java.util.List;

/**
 * What the comparison of one table found. The counts are exact, the list of differences is capped.
 *
 * @param missing rows of the source that the target does not have
 * @param extra rows of the target that the source does not have
 * @param differing rows that both have under the same key, with other values
 * @param differences the first of them, at most {@link RowComparison#LISTED} of a kind, in the order of their keys
 * @param notCompared columns that stand on one side only, with the reason
 */
public record TableComparison(
        TableId source,
        TableId target,
        long sourceRows,
        long targetRows,
        long missing,
        long extra,
        long differing,
        List<RowDifference> differences,
        List<String> notCompared) {

    public boolean isEqual() {
        return differenceCount() == 0;
    }

    public long differenceCount() {
        return missing + extra + differing;
    }

    String summary() {
        StringBuilder line = new StringBuilder(source.toString());
        if (!target.equals(source)) {
            line.append(" → ").append(target);
        }
        line.append(": ");
        if (isEqual()) {
            line.append("equal, %,d rows".formatted(sourceRows));
        } else {
            line.append("DIFFERENT, %,d rows in the source and %,d in the target: %,d missing, %,d extra, %,d differing"
                    .formatted(sourceRows, targetRows, missing, extra, differing));
        }
        if (!notCompared.isEmpty()) {
            line.append("; not compared: ").append(String.join(", ", notCompared));
        }
        return line.toString();
    }
}
