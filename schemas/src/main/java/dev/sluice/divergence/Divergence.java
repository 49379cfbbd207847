package dev.sluice.divergence;

import java.util.List;

/**
 * A row that was not the same on both sides when it was compared.
 *
 * @param key texts in the order of the key's columns at the source, as the side prints them that has the row; the source's if
 *     both have it
 * @param columns source columns whose values differ, or target columns that are constant or computed; empty unless the kind is
 *     {@link Kind#DIFFERENT}
 */
public record Divergence(Kind kind, List<String> key, List<String> columns) {
    public enum Kind {
        /** The source has it, the target does not. */
        MISSING,
        /** The target has it, the source does not. */
        EXTRA,
        /** Both have it, with other values. */
        DIFFERENT
    }
}
