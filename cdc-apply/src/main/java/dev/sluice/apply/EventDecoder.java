package dev.sluice.apply;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import dev.sluice.apply.RowChange.Key;
import dev.sluice.apply.RowChange.Kind;
import dev.sluice.apply.RowChange.Origin;
import dev.sluice.config.TablePolicy.Truncate;
import dev.sluice.schemas.Headers;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Reads a change record into values, as text, in the places of its table.
 *
 * <p>Threads: one.
 */
final class EventDecoder {
    /** Without the parser's own limit, 20 million characters: {@code kafka.maxRecordBytes} is the one that counts. */
    private final JsonFactory json = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxStringLength(Integer.MAX_VALUE)
                    .build())
            .build();
    private final List<String> names = new ArrayList<>();
    private final List<String> values = new ArrayList<>();
    /** Columns of the row that was read last. */
    private int width;

    /**
     * A record that is not what a change record must be gives a change of kind {@link Kind#UNREADABLE}.
     *
     * @throws SchemaChange if it has other columns than the table's rows had before
     */
    RowChange decode(LaneRecord record, TargetTable table) {
        try {
            return read(record, record.origin(), table);
        } catch (IOException | IllegalArgumentException e) {
            return new RowChange(table, Kind.UNREADABLE, readableKey(record, table), null, null, record.origin());
        }
    }

    /** Null if the record has no key, or none that can be read. */
    private Key readableKey(LaneRecord record, TargetTable table) {
        byte[] key = record.kafka().key();
        try {
            Key read = key == null ? null : key(key, table);
            return read == null || read.values().stream().allMatch(EventDecoder::canBeStored) ? read : null;
        } catch (IOException | IllegalArgumentException e) {
            return null;
        }
    }

    private static boolean canBeStored(String value) {
        return value == null || value.indexOf('\0') < 0 && StandardCharsets.UTF_8.newEncoder().canEncode(value);
    }

    private RowChange read(LaneRecord record, Origin origin, TargetTable table) throws IOException {
        String op = null;
        String[] before = null;
        String[] after = null;
        int unchanged = 0;
        boolean hasKey = record.kafka().key() != null;
        require(record.kafka().value() != null, "a value");
        try (JsonParser parser = json.createParser(record.kafka().value())) {
            require(parser.nextToken() == JsonToken.START_OBJECT, "an object");
            for (String field = parser.nextFieldName(); field != null; field = parser.nextFieldName()) {
                switch (field) {
                    case "op" -> op = parser.nextTextValue();
                    case "before" -> before = hasKey ? skipped(parser) : row(parser, table, record);
                    case "after" -> after = row(parser, table, record);
                    case "unchanged" -> unchanged = texts(parser).size();
                    default -> {
                        parser.nextToken();
                        parser.skipChildren();
                    }
                }
            }
        }
        require(op != null, "an op");
        if (after != null) {
            requireSameColumns(table, record, width + unchanged);
        }
        if (op.equals("t")) {
            requireMayTruncate(table);
            return new RowChange(table, Kind.TRUNCATE, null, null, null, origin);
        }
        if (!hasKey) {
            require(op.equals("d") || after != null, "an after-image");
            require(op.equals("c") || before != null, "a key, and a before-image in its place");
            return new RowChange(table, Kind.ROW, null, after, before == null ? null : Key.of(before), origin);
        }
        Key key = key(record.kafka().key(), table);
        if (op.equals("d")) {
            return new RowChange(table, Kind.DELETE, key, null, null, origin);
        }
        require(op.equals("c") || op.equals("u"), "an op of c, u, d or t, was " + op);
        require(after != null, "an after-image");
        for (int i = 0; i < table.keyPlaces().length; i++) {
            after[table.keyPlaces()[i]] = key.values().get(i);
        }
        if (record.has(Headers.OLD_KEY)) {
            return new RowChange(table, Kind.MOVE, key, after, key(record.header(Headers.OLD_KEY), table), origin);
        }
        return new RowChange(table, unchanged > 0 ? Kind.PATCH : Kind.UPSERT, key, after, null, origin);
    }

    private static void requireMayTruncate(TargetTable table) {
        if (table.mapping().policy().truncate() == Truncate.STOP) {
            throw new TableStopped(
                    table.source(),
                    "the source has truncated it, and its mapping says truncate: stop",
                    "to empty the target's table too, set truncate: apply for it and start apply again");
        }
    }

    private static List<String> texts(JsonParser parser) throws IOException {
        List<String> texts = new ArrayList<>();
        require(parser.nextToken() == JsonToken.START_ARRAY, "a list");
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            texts.add(parser.getText());
        }
        return texts;
    }

    private void requireSameColumns(TargetTable table, LaneRecord record, int found) throws IOException {
        if (!table.isLearned()) {
            table.learn(columns(record));
        } else if (found != table.sourceWidth()) {
            throw new SchemaChange(table, columns(record));
        }
        table.requireInputs();
    }

    /** The source columns that a change has, those left unchanged included, in its order. */
    private Set<String> columns(LaneRecord record) throws IOException {
        Set<String> columns = new LinkedHashSet<>();
        try (JsonParser parser = json.createParser(record.kafka().value())) {
            parser.nextToken();
            for (String field = parser.nextFieldName(); field != null; field = parser.nextFieldName()) {
                if (field.equals("unchanged")) {
                    columns.addAll(texts(parser));
                } else if (parser.nextToken() == JsonToken.START_OBJECT && field.equals("after")) {
                    for (String column = parser.nextFieldName(); column != null; column = parser.nextFieldName()) {
                        columns.add(column);
                        parser.nextToken();
                    }
                } else {
                    parser.skipChildren();
                }
            }
        }
        return columns;
    }

    private static String[] skipped(JsonParser parser) throws IOException {
        parser.nextToken();
        parser.skipChildren();
        return null;
    }

    private String[] row(JsonParser parser, TargetTable table, LaneRecord record) throws IOException {
        width = 0;
        if (parser.nextToken() == JsonToken.VALUE_NULL) {
            return null;
        }
        String[] row = new String[Math.max(table.width(), 8)];
        Arrays.fill(row, RowChange.ABSENT);
        for (String column = parser.nextFieldName(); column != null; column = parser.nextFieldName()) {
            if (!table.isExpected(column)) {
                throw new SchemaChange(table, columns(record));
            }
            table.requireNotLost(column);
            width++;
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
                String value = parser.nextToken() == JsonToken.VALUE_NULL ? null : parser.getText();
                require(value == null || value.indexOf('\0') < 0, "a key that PostgreSQL can have");
                values.add(value);
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
