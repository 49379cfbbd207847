package dev.sluice.reconciler;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.sluice.schemas.Headers;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Comparator;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Header;

/**
 * One event of a key, without its values.
 *
 * @param lsn text form
 * @param xid of the source's transaction, 32 bits
 * @param committedMicros source commit time, microseconds since 1970 UTC; 0 if the record does not say
 */
record KeyEvent(long epoch, long seq, String lsn, long xid, String operation, long committedMicros) {
    static final Comparator<KeyEvent> IN_LANE_ORDER = Comparator.comparingLong(KeyEvent::epoch).thenComparingLong(KeyEvent::seq);

    private static final JsonFactory JSON = new JsonFactory();

    /** @throws IllegalArgumentException if the record is no change event */
    static KeyEvent of(ConsumerRecord<byte[], byte[]> record) {
        String operation = "";
        long micros = 0;
        try (JsonParser value = JSON.createParser(record.value())) {
            value.nextToken();
            while (value.nextToken() == JsonToken.FIELD_NAME) {
                String field = value.currentName();
                value.nextToken();
                if (field.equals("op")) {
                    operation = operation(value.getText());
                } else if (field.equals("source")) {
                    micros = micros(value);
                } else {
                    value.skipChildren();
                }
            }
        } catch (IOException e) {
            throw new IllegalArgumentException("a record is no JSON", e);
        }
        return new KeyEvent(
                number(record, Headers.EPOCH),
                number(record, Headers.SEQ),
                new String(header(record, Headers.LSN), StandardCharsets.UTF_8),
                number(record, Headers.XID),
                operation,
                micros);
    }

    private static String operation(String letter) {
        return switch (letter) {
            case "c" -> "insert";
            case "u" -> "update";
            case "d" -> "delete";
            case "t" -> "truncate";
            default -> letter;
        };
    }

    private static long micros(JsonParser source) throws IOException {
        long micros = 0;
        while (source.nextToken() == JsonToken.FIELD_NAME) {
            boolean isTime = source.currentName().equals("ts_us");
            source.nextToken();
            if (isTime) {
                micros = source.getLongValue();
            } else {
                source.skipChildren();
            }
        }
        return micros;
    }

    private static long number(ConsumerRecord<byte[], byte[]> record, String name) {
        return Headers.number(header(record, name));
    }

    private static byte[] header(ConsumerRecord<byte[], byte[]> record, String name) {
        Header header = record.headers().lastHeader(name);
        if (header == null) {
            throw new IllegalArgumentException("a record without " + name);
        }
        return header.value();
    }

    ObjectNode json() {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("epoch", epoch).put("seq", seq).put("lsn", lsn).put("xid", xid).put("operation", operation);
        if (committedMicros != 0) {
            json.put("committedAt", Instant.EPOCH.plus(committedMicros, ChronoUnit.MICROS).toString());
        }
        return json;
    }
}
