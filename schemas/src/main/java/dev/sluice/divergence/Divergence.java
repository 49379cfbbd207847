package dev.sluice.divergence;

import java.util.List;

/**
 * A row that was not the same on both sides when it was compared.
 *
 * @param key texts in the order of the key's columns at the source, as the side prints them that has the row; the source's if
 *     both have it
 * @param columns source columns whose values differ, or target columns that are constant or computed; empty unless the kind is
 *     {@link Kind#DIFFERENT}
 * @param explanation why it differs, for a person; empty if nobody has looked
 * @param evidence that it differs, a JSON object; empty if nobody has looked
 */
public record Divergence(Kind kind, List<String> key, List<String> columns, String explanation, String evidence) {
    public enum Kind {
        /** The source has it, the target does not. */
        MISSING,
        /** The target has it, the source does not. */
        EXTRA,
        /** Both have it, with other values. */
        DIFFERENT
    }

    /** One that nobody has looked into. */
    public Divergence(Kind kind, List<String> key, List<String> columns) {
        this(kind, key, columns, "", "");
    }

    public Divergence explained(String why, String json) {
        return new Divergence(kind, key, columns, why, json);
    }
}
