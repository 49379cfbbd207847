package dev.sluice.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/** Keys as a person writes them: the value of a single column, or an object as Sluice prints keys. */
final class RepairKeys {
    private static final ObjectMapper JSON = new ObjectMapper();

    private RepairKeys() {}

    /**
     * The values in key order.
     *
     * @throws Failure.Fatal if it does not name the key's columns, no more and no less
     */
    static List<String> parse(String text, List<String> columns) {
        if (!text.startsWith("{")) {
            if (columns.size() > 1) {
                throw wrong(text, "the key has %d columns".formatted(columns.size()), columns);
            }
            return List.of(text);
        }
        JsonNode object;
        try {
            object = JSON.readTree(text);
        } catch (JsonProcessingException e) {
            throw wrong(text, "it is no JSON object", columns);
        }
        Set<String> given = new TreeSet<>();
        object.fieldNames().forEachRemaining(given::add);
        if (!given.equals(new TreeSet<>(columns))) {
            throw wrong(text, "it names " + given, columns);
        }
        List<String> values = new ArrayList<>();
        for (String column : columns) {
            JsonNode value = object.get(column);
            if (!value.isValueNode() || value.isNull()) {
                throw wrong(text, "%s is neither text nor number nor boolean".formatted(column), columns);
            }
            values.add(value.asText());
        }
        return values;
    }

    private static Failure.Fatal wrong(String text, String why, List<String> columns) {
        List<String> example = columns.stream().map(column -> "\"" + column + "\": \"…\"").toList();
        return new Failure.Fatal(
                Stop.USAGE,
                "--key %s: %s".formatted(text, why),
                "the key's columns are %s; write it as '{%s}'".formatted(columns, String.join(", ", example)));
    }

    /** As {@link #parse} reads it. */
    static String text(List<String> key, List<String> columns) {
        ObjectNode object = JSON.createObjectNode();
        for (int i = 0; i < columns.size(); i++) {
            object.put(columns.get(i), key.get(i));
        }
        return object.toString();
    }
}
