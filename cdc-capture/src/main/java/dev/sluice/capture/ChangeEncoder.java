package dev.sluice.capture;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.SerializableString;
import com.fasterxml.jackson.core.io.SerializedString;
import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.TableId;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Struct;

/**
 * Writes keys and changes as JSON, once.
 *
 * <p>Integers and booleans become JSON numbers and booleans, everything else the server's own text. A column that the
 * change left untouched and the server therefore did not send is missing in {@code after} and named in
 * {@code unchanged}. {@code before} holds what the replica identity gives: the key, or with FULL the old row, without
 * its nulls unless the table has no key.
 *
 * <p>Threads: one; the generator and its buffers are reused.
 */
final class ChangeEncoder {
    /** Types whose text is a JSON number already: int2, int4, int8, oid. */
    static final Set<String> INTEGER_OIDS = Set.of("21", "23", "20", "26");

    private static final String BOOLEAN_OID = "16";
    private static final int LARGEST_ARRAY = Integer.MAX_VALUE - 8;

    private static final SerializableString BEFORE = new SerializedString("before");
    private static final SerializableString AFTER = new SerializedString("after");
    private static final SerializableString UNCHANGED = new SerializedString("unchanged");
    private static final SerializableString OP = new SerializedString("op");
    private static final SerializableString SOURCE = new SerializedString("source");

    private final Bytes bytes = new Bytes();
    private final JsonGenerator json;
    private final Map<Schema, Column[]> columns = new IdentityHashMap<>();
    private final List<SerializableString> unchanged = new ArrayList<>();

    private enum Kind {
        TEXT,
        INTEGER,
        BOOLEAN
    }

    private record Column(String name, SerializableString jsonName, Kind kind) {}

    /** What was written, which can be a large change: no more than twice in memory, and not kept. */
    private static final class Bytes extends OutputStream {
        private static final int USUAL = 64 << 10;

        private byte[] buffer = new byte[USUAL];
        private int count;

        /** Makes room at once for what would otherwise be copied from one buffer to the next. */
        void expect(long more) {
            if (more > buffer.length - count) {
                buffer = Arrays.copyOf(buffer, (int) Math.min(LARGEST_ARRAY, count + more));
            }
        }

        @Override
        public void write(int b) {
            expect(1);
            buffer[count++] = (byte) b;
        }

        @Override
        public void write(byte[] from, int offset, int length) {
            if (length > buffer.length - count) {
                expect(Math.max(length, buffer.length / 4L));
            }
            System.arraycopy(from, offset, buffer, count, length);
            count += length;
        }

        byte[] taken() {
            byte[] taken = Arrays.copyOf(buffer, count);
            count = 0;
            if (buffer.length > USUAL) {
                buffer = new byte[USUAL];
            }
            return taken;
        }
    }

    ChangeEncoder() {
        try {
            json = new JsonFactory().createGenerator(bytes);
            json.setRootValueSeparator(null);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A key as one JSON object, columns in key order. */
    byte[] key(Struct key) {
        try {
            json.writeStartObject();
            for (Column column : columnsOf(key.schema())) {
                json.writeFieldName(column.jsonName());
                write(column, (String) key.getWithoutDefault(column.name()));
            }
            json.writeEndObject();
            return taken();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * @param op c, u, d or t
     * @param hasKey without a key the old row, whole with its nulls, says which one is meant
     * @param before null if the server sent no old row
     * @param after null for d and t
     * @param committedMicros of the transaction, since 1970 UTC
     */
    byte[] change(
            String op,
            TableId table,
            boolean hasKey,
            Struct before,
            Struct after,
            Lsn lsn,
            long xid,
            long committedMicros) {
        try {
            unchanged.clear();
            bytes.expect(length(before) + length(after));
            json.writeStartObject();
            json.writeFieldName(BEFORE);
            row(before, !hasKey);
            json.writeFieldName(AFTER);
            row(after, true);
            if (!unchanged.isEmpty()) {
                json.writeFieldName(UNCHANGED);
                json.writeStartArray();
                for (SerializableString name : unchanged) {
                    json.writeString(name);
                }
                json.writeEndArray();
            }
            json.writeFieldName(OP);
            json.writeString(op);
            json.writeFieldName(SOURCE);
            json.writeStartObject();
            json.writeStringField("schema", table.schema());
            json.writeStringField("table", table.table());
            json.writeStringField("lsn", lsn.toString());
            json.writeNumberField("xid", xid);
            json.writeNumberField("ts_us", committedMicros);
            json.writeEndObject();
            json.writeEndObject();
            return taken();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Of its values, in characters; escapes come on top. */
    private long length(Struct row) {
        long length = 0;
        if (row != null) {
            for (Column column : columnsOf(row.schema())) {
                String value = (String) row.getWithoutDefault(column.name());
                length += value == null ? 0 : value.length();
            }
        }
        return length;
    }

    private void row(Struct row, boolean withNulls) throws IOException {
        if (row == null) {
            json.writeNull();
            return;
        }
        json.writeStartObject();
        for (Column column : columnsOf(row.schema())) {
            String value = (String) row.getWithoutDefault(column.name());
            if (isUnchanged(value)) {
                unchanged.add(column.jsonName());
            } else if (value != null || withNulls) {
                json.writeFieldName(column.jsonName());
                write(column, value);
            }
        }
        json.writeEndObject();
    }

    @SuppressWarnings("StringEquality")
    private static boolean isUnchanged(String value) {
        return value == TextConverter.UNCHANGED;
    }

    private void write(Column column, String value) throws IOException {
        if (value == null) {
            json.writeNull();
        } else if (column.kind() == Kind.INTEGER) {
            json.writeNumber(value);
        } else if (column.kind() == Kind.BOOLEAN) {
            json.writeBoolean(value.charAt(0) == 't');
        } else {
            json.writeString(value);
        }
    }

    private byte[] taken() throws IOException {
        json.flush();
        return bytes.taken();
    }

    private Column[] columnsOf(Schema schema) {
        Column[] known = columns.get(schema);
        if (known == null) {
            known = schema.fields().stream().map(ChangeEncoder::column).toArray(Column[]::new);
            columns.put(schema, known);
        }
        return known;
    }

    private static Column column(Field field) {
        Map<String, String> parameters = field.schema().parameters();
        String oid = parameters == null ? "" : parameters.getOrDefault(TextConverter.TYPE_OID, "");
        Kind kind = INTEGER_OIDS.contains(oid) ? Kind.INTEGER : oid.equals(BOOLEAN_OID) ? Kind.BOOLEAN : Kind.TEXT;
        return new Column(field.name(), new SerializedString(field.name()), kind);
    }
}
