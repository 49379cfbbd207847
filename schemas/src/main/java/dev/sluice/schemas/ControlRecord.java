package dev.sluice.schemas;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** What the control topic carries; numbered in its lane like any other record. */
public sealed interface ControlRecord {

    /** The prefix of a marker in {@code pg_logical_emit_message}. */
    String MARKER_PREFIX = "sluice";

    /** A message that somebody wrote into the source's WAL under the prefix {@link #MARKER_PREFIX}. */
    record Marker(String content) implements ControlRecord {}

    /**
     * The first record of an epoch: the lane's records are numbered anew from here on, from the first source
     * transaction that ends after {@code start}.
     */
    record EpochStart(long epoch, Lsn start, List<TableId> tables) implements ControlRecord {
        public EpochStart {
            tables = List.copyOf(tables);
        }
    }

    ObjectMapper JSON = new ObjectMapper();

    default byte[] toJson() {
        ObjectNode json = JSON.createObjectNode();
        if (this instanceof EpochStart start) {
            json.put("type", "epoch").put("epoch", start.epoch()).put("start", start.start().toString());
            ArrayNode names = json.putArray("tables");
            start.tables().forEach(table -> names.add(table.toString()));
        } else if (this instanceof Marker marker) {
            json.put("type", "marker").put("content", marker.content());
        }
        return json.toString().getBytes(StandardCharsets.UTF_8);
    }

    /** @throws IllegalArgumentException if the bytes are no control record */
    static ControlRecord fromJson(byte[] bytes) {
        try {
            JsonNode json = JSON.readTree(new String(bytes, StandardCharsets.UTF_8));
            String type = json.required("type").textValue();
            switch (type) {
                case "marker":
                    return new Marker(json.required("content").textValue());
                case "epoch":
                    List<TableId> tables = new ArrayList<>();
                    json.required("tables").forEach(name -> tables.add(TableId.parse(name.textValue())));
                    return new EpochStart(
                            json.required("epoch").longValue(),
                            Lsn.parse(json.required("start").textValue()),
                            tables);
                default:
                    throw new IllegalArgumentException("a control record of unknown type '%s'".formatted(type));
            }
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("not a control record: " + e.getOriginalMessage(), e);
        }
    }
}
