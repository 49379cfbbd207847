package dev.sluice.schemas;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * How far capture has brought a lane: the brokers have acknowledged every record up to {@code seq}, which is the last
 * one of the source transaction that ends at {@code position}.
 *
 * @param state {@link State#STARTING} while an epoch is being started: nothing of that epoch may be relied on
 * @param epoch grows with every new numbering
 * @param seq last acknowledged number
 * @param position end LSN of the transaction that {@code seq} ends; the slot is advanced to it at every start
 * @param systemIdentifier of the source cluster; empty while the very first start is being made
 * @param timeline of the source cluster
 * @param tables the captured tables in order; another set means another numbering
 * @param topicIds Kafka's ids by topic name
 * @param publicationIds the source's ids of the publication and of each table in it, by name: what was made anew, or
 *     taken out and put back, has another one
 */
public record Checkpoint(
        State state,
        long epoch,
        long seq,
        Lsn position,
        String systemIdentifier,
        int timeline,
        List<TableId> tables,
        Map<String, String> topicIds,
        Map<String, String> publicationIds) {

    /** Whether the epoch's first record has been acknowledged. */
    public enum State {
        STARTING,
        RUNNING
    }

    private static final ObjectMapper JSON = new ObjectMapper();

    public Checkpoint {
        tables = List.copyOf(tables);
        topicIds = Map.copyOf(topicIds);
        publicationIds = Map.copyOf(publicationIds);
    }

    /** The same lane, further on. */
    public Checkpoint at(long newSeq, Lsn newPosition) {
        return new Checkpoint(
                state, epoch, newSeq, newPosition, systemIdentifier, timeline, tables, topicIds, publicationIds);
    }

    public byte[] toJson() {
        ObjectNode json = JSON.createObjectNode()
                .put("state", state.name())
                .put("epoch", epoch)
                .put("seq", seq)
                .put("position", position.toString())
                .put("systemIdentifier", systemIdentifier)
                .put("timeline", timeline);
        ArrayNode names = json.putArray("tables");
        tables.forEach(table -> names.add(table.toString()));
        putIds(json, "topicIds", topicIds);
        putIds(json, "publicationIds", publicationIds);
        return json.toString().getBytes(StandardCharsets.UTF_8);
    }

    private static void putIds(ObjectNode json, String name, Map<String, String> ids) {
        ObjectNode object = json.putObject(name);
        new TreeMap<>(ids).forEach(object::put);
    }

    /** @throws IllegalArgumentException if the bytes are not a checkpoint: guessing a position would lose rows */
    public static Checkpoint fromJson(byte[] bytes) {
        try {
            JsonNode json = JSON.readTree(new String(bytes, StandardCharsets.UTF_8));
            List<TableId> tables = new ArrayList<>();
            json.required("tables").forEach(name -> tables.add(TableId.parse(name.textValue())));
            return new Checkpoint(
                    State.valueOf(json.required("state").textValue()),
                    json.required("epoch").longValue(),
                    json.required("seq").longValue(),
                    Lsn.parse(json.required("position").textValue()),
                    json.required("systemIdentifier").textValue(),
                    json.required("timeline").intValue(),
                    tables,
                    ids(json.required("topicIds")),
                    ids(json.required("publicationIds")));
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("not a checkpoint: " + e.getOriginalMessage(), e);
        }
    }

    private static Map<String, String> ids(JsonNode json) {
        Map<String, String> ids = new TreeMap<>();
        json.properties().forEach(id -> ids.put(id.getKey(), id.getValue().textValue()));
        return ids;
    }
}
