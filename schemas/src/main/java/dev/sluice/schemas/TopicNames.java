package dev.sluice.schemas;

import java.util.Locale;

/**
 * The names of a pipeline's topics.
 *
 * <p>Kafka allows letters, digits, {@code . _ -} in a name, at most 249 of them, so any other character of a table's
 * name is written as {@code _uXXXX} per UTF-16 unit (Kafka's {@code org.apache.kafka.common.internals.Topic}).
 */
public record TopicNames(String prefix) {

    /** The change topic of one source table: {@code <prefix>.<schema>.<table>}. */
    public String change(TableId table) {
        return prefix + "." + safe(table.schema()) + "." + safe(table.table());
    }

    /** What the target can never take of the changes of one source table: {@code <change topic>.dlq}. */
    public String deadLetter(TableId table) {
        return deadLetter(change(table));
    }

    /** @param topic a change topic */
    public static String deadLetter(String topic) {
        return topic + ".dlq";
    }

    /** Markers and the starts of epochs, of all lanes. */
    public String control() {
        return prefix + ".control";
    }

    /** The last checkpoint per lane, compacted. */
    public String checkpoint() {
        return prefix + ".checkpoint";
    }

    private static String safe(String name) {
        StringBuilder safe = new StringBuilder();
        for (int i = 0; i < name.length(); i++) {
            char c = name.charAt(i);
            boolean plain = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-';
            if (plain) {
                safe.append(c);
            } else {
                safe.append(String.format(Locale.ROOT, "_u%04x", (int) c));
            }
        }
        return safe.toString();
    }
}
