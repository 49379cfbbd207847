package dev.sluice.apply;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.sluice.apply.RowChange.Key;
import dev.sluice.apply.RowChange.Kind;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Headers;
import dev.sluice.schemas.Stop;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Reads a change record into values, as text, in the places of its table.
 *
 * <p>Threads: one.
 */
final class EventDecoder {
    private final JsonFactory json = new JsonFactory();
    private final List<String> names = new ArrayList<>();
    private final List<String> values = new ArrayList<>();

    /** @throws Failure.Fatal if the record is not what a lane's change record must be */
    RowChange decode(LaneRecord record, TargetTable table) {
        try {
            return read(record, table);
        } catch (IOException | IllegalArgumentException e) {
            throw new Failure.Fatal(
                    Stop.POISON,
                    "record %s@%d (seq %d) is no change event: %s"
                            .formatted(
                                    record.partition(),
                                    record.kafka().offset(),
                                    record.seq(),
                                    e instanceof IOException ? "unreadable JSON" : e.getMessage()),
                    "somebody else writes to this topic, or a newer capture with another format: find out which",
                    e);
        }
    }

    private RowChange read(LaneRecord record, TargetTable table) throws IOException {
        String op = null;
        String[] before = null;
        String[] after = null;
        boolean hasUnchanged = false;
        boolean hasKey = record.kafka().key() != null;
        try (JsonParser parser = json.createParser(record.kafka().value())) {
            require(parser.nextToken() == JsonToken.START_OBJECT, "an object");
            for (String field = parser.nextFieldName(); field != null; field = parser.nextFieldName()) {
                switch (field) {
                    case "op" -> op = parser.nextTextValue();
                    case "before" -> before = hasKey ? skipped(parser) : row(parser, table);
                    case "after" -> after = row(parser, table);
                    case "unchanged" -> {
                        hasUnchanged = true;
                        parser.nextToken();
                        parser.skipChildren();
                    }
                    default -> {
                        parser.nextToken();
                        parser.skipChildren();
                    }
                }
            }
        }
        require(op != null, "an op");
        if (op.equals("t")) {
            return new RowChange(table, Kind.TRUNCATE, null, null, null);
        }
        if (!hasKey) {
            require(op.equals("d") || after != null, "an after-image");
            require(op.equals("c") || before != null, "a key, and a before-image in its place");
            return new RowChange(table, Kind.ROW, null, after, before == null ? null : Key.of(before));
        }
        Key key = key(record.kafka().key(), table);
        if (op.equals("d")) {
            return new RowChange(table, Kind.DELETE, key, null, null);
        }
        require(op.equals("c") || op.equals("u"), "an op of c, u, d or t, was " + op);
        require(after != null, "an after-image");
        for (int i = 0; i < table.keyPlaces().length; i++) {
            after[table.keyPlaces()[i]] = key.values().get(i);
        }
        if (record.has(Headers.OLD_KEY)) {
            return new RowChange(table, Kind.MOVE, key, after, key(record.header(Headers.OLD_KEY), table));
        }
        return new RowChange(table, hasUnchanged ? Kind.PATCH : Kind.UPSERT, key, after, null);
    }

    private static String[] skipped(JsonParser parser) throws IOException {
        parser.nextToken();
        parser.skipChildren();
        return null;
    }

    private String[] row(JsonParser parser, TargetTable table) throws IOException {
        if (parser.nextToken() == JsonToken.VALUE_NULL) {
            return null;
        }
        String[] row = new String[Math.max(table.width(), 8)];
        Arrays.fill(row, RowChange.ABSENT);
        for (String column = parser.nextFieldName(); column != null; column = parser.nextFieldName()) {
            int place = table.place(column);
            if (place >= row.length) {
                int had = row.length;
                row = Arrays.copyOf(row, place + 8);
                Arrays.fill(row, had, row.length, RowChange.ABSENT);
            }
            row[place] = parser.nextToken() == JsonToken.VALUE_NULL ? null : parser.getText();
        }
        return row;
    }

    private Key key(byte[] key, TargetTable table) throws IOException {
        names.clear();
        values.clear();
        try (JsonParser parser = json.createParser(key)) {
            require(parser.nextToken() == JsonToken.START_OBJECT, "a key object");
            for (String column = parser.nextFieldName(); column != null; column = parser.nextFieldName()) {
                names.add(column);
                values.add(parser.nextToken() == JsonToken.VALUE_NULL ? null : parser.getText());
            }
        }
        table.keyIs(names);
        return Key.of(values.toArray(new String[0]));
    }

    private static void require(boolean holds, String what) {
        if (!holds) {
            throw new IllegalArgumentException("it lacks " + what);
        }
    }
}
