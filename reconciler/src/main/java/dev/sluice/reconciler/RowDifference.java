package dev.sluice.reconciler;

import java.util.List;

/**
 * One row that is not the same on both sides.
 *
 * @param key {@code id=17}, {@code order_id=3, line_no=1}; of a table without a key, a digest of the row
 * @param columns source columns whose values differ; empty unless the kind is {@link Kind#DIFFERING}
 */
public record RowDifference(Kind kind, String key, List<String> columns) {
    public enum Kind {
        /** The source has it, the target does not. */
        MISSING,
        /** The target has it, the source does not. */
        EXTRA,
        /** Both have it, with other values. */
        DIFFERING
    }

    @Override
    public String toString() {
        return switch (kind) {
            case MISSING -> "missing in the target: " + key;
            case EXTRA -> "extra in the target: " + key;
            case DIFFERING -> "differs: " + key + " in " + String.join(", ", columns);
        };
    }
}
