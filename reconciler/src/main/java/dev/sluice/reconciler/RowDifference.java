package dev.sluice.reconciler;

import java.util.List;

/**
 * One row that is not the same on both sides.
 *
 * @param key {@code id=17}, {@code order_id=3, line_no=1}; of a table without a key, a digest of the row
 * @param columns source columns whose values differ; empty unless the kind is {@link Kind#DIFFERING}
 * @param explanation why it differs; empty if nobody has looked
 * @param evidence that it differs, a JSON object; empty if nobody has looked
 */
public record RowDifference(Kind kind, String key, List<String> columns, String explanation, String evidence) {
    /** One that nobody has looked into. */
    public RowDifference(Kind kind, String key, List<String> columns) {
        this(kind, key, columns, "", "");
    }

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
