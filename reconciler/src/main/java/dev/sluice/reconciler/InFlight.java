package dev.sluice.reconciler;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.sluice.schemas.TableId;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The rows of which one snapshot of a pair has changes that the other has not: they say nothing. Every other row must be the same
 * on both sides, whatever goes on in both databases.
 */
final class InFlight {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Map<TableId, Set<String>> keys = new HashMap<>();
    private final Set<TableId> whole = new HashSet<>();

    void add(Touch touch) {
        if (touch.key().isEmpty()) {
            whole.add(touch.table());
        }
        keys.computeIfAbsent(touch.table(), t -> new HashSet<>()).addAll(touch.keys());
    }

    /** A row of the table is in flight, and nobody knows which: it was truncated, or has no key. */
    boolean isWhole(TableId table) {
        return whole.contains(table);
    }

    /** Keys of the table, as the stream has them. */
    Set<String> keys(TableId table) {
        return keys.getOrDefault(table, Set.of());
    }

    /**
     * The texts of a key, in the order of its columns.
     *
     * @param json as the stream has it: an object
     * @return empty if the key has other columns
     */
    static Optional<List<String>> texts(String json, List<String> columns) {
        try {
            JsonNode node = JSON.readTree(json);
            if (node.size() != columns.size()) {
                return Optional.empty();
            }
            List<String> texts = new ArrayList<>();
            for (String column : columns) {
                JsonNode value = node.get(column);
                if (value == null || value.isNull()) {
                    return Optional.empty();
                }
                texts.add(value.asText());
            }
            return Optional.of(texts);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("a key is no JSON", e);
        }
    }
}
