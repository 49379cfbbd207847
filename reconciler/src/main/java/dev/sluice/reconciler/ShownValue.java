package dev.sluice.reconciler;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.sluice.config.VerifyConfig.Evidence;
import dev.sluice.schemas.TableId;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * A value as evidence shows it, made in its server: under {@link Evidence#HASHES} it never leaves it.
 *
 * <p>The hash is of the key and the value together, so that equal values of two rows do not show as equal; it is the same on both
 * sides if the value is.
 */
final class ShownValue {
    /** Longer ones are cut; characters. */
    static final int LONGEST = 1_000;

    private static final int HASH_DIGITS = 16;

    /** What Debezium puts in place of a long value that it was not sent: as text, bytes, array and JSON. */
    private static final String PLACEHOLDERS = List.of(
                    "__debezium_unavailable_value",
                    "\\x5f5f646562657a69756d5f756e617661696c61626c655f76616c7565",
                    "{__debezium_unavailable_value}",
                    "\"__debezium_unavailable_value\"")
            .stream()
            .map(RowCondition::literal)
            .collect(Collectors.joining(", "));

    /** Bytes of a send function, which nobody reads. */
    private static final Pattern SENT =
            Pattern.compile("\\Aencode\\((?:float4send|float8send|timestamp_send|timestamptz_send)\\((.*)\\), 'hex'\\)\\z", Pattern.DOTALL);

    private ShownValue() {}

    /**
     * SQL that {@link #json} reads.
     *
     * @param value SQL of a text
     * @param key columns of the same side
     */
    static String sql(Evidence evidence, String value, List<String> key) {
        String shown;
        String text = "(" + value + ")";
        if (evidence == Evidence.HASHES) {
            String keyTexts = key.stream().map(column -> TableId.quote(column) + "::text, ").collect(Collectors.joining());
            shown = "left(encode(sha256(convert_to(ROW(" + keyTexts + text + ")::text, 'UTF8')), 'hex'), " + HASH_DIGITS + ")";
        } else {
            text = "(" + SENT.matcher(value).replaceFirst("($1)::text") + ")";
            shown = "left(" + text + ", " + LONGEST + ")";
        }
        return "CASE WHEN " + text + " IN (" + PLACEHOLDERS + ") THEN '!' ELSE '=' END || length(" + text + ") || ' ' || " + shown;
    }

    /** @param text null for NULL */
    static boolean isPlaceholder(String text) {
        return text != null && text.startsWith("!");
    }

    /** @param text null for NULL */
    static JsonNode json(Evidence evidence, String text) {
        if (text == null) {
            return JsonNodeFactory.instance.nullNode();
        }
        int space = text.indexOf(' ');
        int length = Integer.parseInt(text.substring(1, space));
        String shown = text.substring(space + 1);
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put(evidence == Evidence.HASHES ? "sha256" : "text", shown).put("length", length);
        if (evidence == Evidence.VALUES && length > LONGEST) {
            json.put("cutAt", LONGEST);
        }
        return json;
    }
}
