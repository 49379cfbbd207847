package dev.sluice.apply;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;

/**
 * A change record's value with the row after the change, as a person reads and edits it.
 *
 * <p>No message holds a value but the key's.
 */
public final class LetterImage {
    private static final ObjectMapper JSON = new ObjectMapper(JsonFactory.builder()
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxStringLength(Integer.MAX_VALUE)
                            .build())
                    .build())
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .enable(DeserializationFeature.FAIL_ON_READING_DUP_TREE_KEY)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    private final ObjectNode value;
    private final ObjectNode after;

    private LetterImage(ObjectNode value, ObjectNode after) {
        this.value = value;
        this.after = after;
    }

    /** Empty if the record is no change event, or one that leaves no row. */
    public static Optional<LetterImage> read(byte[] value) {
        if (value == null) {
            return Optional.empty();
        }
        try {
            return JSON.readTree(value) instanceof ObjectNode object && object.get("after") instanceof ObjectNode after
                    ? Optional.of(new LetterImage(object, after))
                    : Optional.empty();
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    /** Texts by column; null for NULL. */
    public Map<String, String> values() {
        Map<String, String> values = new LinkedHashMap<>();
        after.properties().forEach(field ->
                values.put(field.getKey(), field.getValue().isNull() ? null : field.getValue().asText()));
        return values;
    }

    /** The row after the change, for an editor. */
    public String text() {
        return after.toPrettyString() + System.lineSeparator();
    }

    /**
     * The record's value with another row after the change; empty if it is the same row.
     *
     * @param keyColumns that must stay as they are
     * @throws Failure.Fatal if the text is no such row: another form, other columns, another key
     */
    public Optional<byte[]> with(String text, List<String> keyColumns) {
        ObjectNode edited = parse(text);
        TreeSet<String> had = names(after);
        TreeSet<String> has = names(edited);
        if (!has.equals(had)) {
            TreeSet<String> missing = new TreeSet<>(had);
            missing.removeAll(has);
            TreeSet<String> unknown = new TreeSet<>(has);
            unknown.removeAll(had);
            throw wrong(
                    (missing.isEmpty() ? "" : "it lacks columns " + missing)
                            + (missing.isEmpty() || unknown.isEmpty() ? "" : ", ")
                            + (unknown.isEmpty() ? "" : "it has columns " + unknown + ", which the change does not have"),
                    "the columns are " + had + ", no more and no less; a column gets NULL by null");
        }
        for (String column : has) {
            JsonNode one = edited.get(column);
            if (!one.isValueNode()) {
                throw wrong(
                        "column '%s' is %s".formatted(column, one.isArray() ? "a list" : "an object"),
                        "write a string, a number, true, false or null: arrays and documents as PostgreSQL prints them, in a string");
            }
            if (keyColumns.contains(column) && !one.asText().equals(after.get(column).asText())) {
                throw wrong(
                        "key column '%s' is '%s', was '%s'".formatted(column, one.asText(), after.get(column).asText()),
                        "leave the key as it is: the letter is about this row; to give up the row, `sluice dlq discard`");
            }
        }
        if (edited.equals(after)) {
            return Optional.empty();
        }
        ObjectNode changed = value.deepCopy();
        ObjectNode inOrder = JSON.createObjectNode();
        after.fieldNames().forEachRemaining(column -> inOrder.set(column, edited.get(column)));
        changed.set("after", inOrder);
        return Optional.of(changed.toString().getBytes(StandardCharsets.UTF_8));
    }

    private static ObjectNode parse(String text) {
        try {
            if (JSON.readTree(text) instanceof ObjectNode object) {
                return object;
            }
        } catch (JsonProcessingException e) {
            throw wrong(
                    "it is no JSON" + (e.getLocation() == null
                            ? ""
                            : ", line %d, column %d".formatted(e.getLocation().getLineNr(), e.getLocation().getColumnNr())),
                    "write one JSON object with the columns of the row");
        }
        throw wrong("it is no JSON object", "write one JSON object with the columns of the row");
    }

    private static TreeSet<String> names(ObjectNode object) {
        TreeSet<String> names = new TreeSet<>();
        object.fieldNames().forEachRemaining(names::add);
        return names;
    }

    private static Failure.Fatal wrong(String what, String remedy) {
        return new Failure.Fatal(Stop.USAGE, "the edited row cannot be taken: " + what + "; nothing was changed", remedy);
    }
}
