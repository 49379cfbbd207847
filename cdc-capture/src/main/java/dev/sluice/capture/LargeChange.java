package dev.sluice.capture;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Says which change does not fit into a record, and because of which columns; values stay out of it. */
final class LargeChange {
    private static final int LISTED = 3;
    private static final int LONGEST_KEY = 200;

    private final ProducerRecord<byte[], byte[]> record;
    private final Map<String, Long> sizes = new TreeMap<>();
    private String schema = "?";
    private String table = "?";

    private LargeChange(ProducerRecord<byte[], byte[]> record) {
        this.record = record;
    }

    /** @param maxRecordBytes the limit that it is above */
    static Failure.Fatal refused(ProducerRecord<byte[], byte[]> record, int maxRecordBytes, Throwable cause) {
        LargeChange change = new LargeChange(record);
        try {
            change.read();
        } catch (IOException e) {
            cause.addSuppressed(e);
        }
        return new Failure.Fatal(
                Stop.SETUP,
                "a change of %s.%s, key %s, is larger than kafka.maxRecordBytes=%d: %d bytes, of these %s"
                        .formatted(change.schema, change.table, text(record.key()), maxRecordBytes, record.value().length, change.largest()),
                "raise kafka.maxRecordBytes, and max.message.bytes of topic %s with it (docs/runbook.md)".formatted(record.topic()),
                cause);
    }

    /**
     * The producer lets it pass and the broker does not: somebody has lowered the topic's limit.
     *
     * @param topic the table's, which has its name
     * @param bytes before compression; the broker measures what is left of it
     */
    static Failure.Fatal refusedByBroker(String topic, byte[] key, int bytes, Throwable cause) {
        return new Failure.Fatal(
                Stop.SETUP,
                "a change on topic %s, key %s, is larger than its max.message.bytes: %d bytes before compression; it says: %s"
                        .formatted(topic, text(key), bytes, cause.getMessage()),
                "raise max.message.bytes of topic %s, to kafka.maxRecordBytes or more (docs/runbook.md)".formatted(topic),
                cause);
    }

    private static String text(byte[] key) {
        if (key == null) {
            return "-";
        }
        return key.length <= LONGEST_KEY ? new String(key, StandardCharsets.UTF_8) : "of %d bytes".formatted(key.length);
    }

    private String largest() {
        List<String> columns = new ArrayList<>(sizes.keySet());
        columns.sort((one, other) -> Long.compare(sizes.get(other), sizes.get(one)));
        return columns.stream()
                .limit(LISTED)
                .map(column -> "column '%s' %d".formatted(column, sizes.get(column)))
                .collect(Collectors.joining(", "));
    }

    private void read() throws IOException {
        JsonFactory json = JsonFactory.builder()
                .streamReadConstraints(StreamReadConstraints.builder()
                        .maxStringLength(Integer.MAX_VALUE)
                        .build())
                .build();
        try (JsonParser parser = json.createParser(record.value())) {
            parser.nextToken();
            for (String field = parser.nextFieldName(); field != null; field = parser.nextFieldName()) {
                boolean isObject = parser.nextToken() == JsonToken.START_OBJECT;
                if (isObject && (field.equals("before") || field.equals("after"))) {
                    columns(parser);
                } else if (isObject && field.equals("source")) {
                    source(parser);
                } else {
                    parser.skipChildren();
                }
            }
        }
    }

    private void columns(JsonParser parser) throws IOException {
        for (String column = parser.nextFieldName(); column != null; column = parser.nextFieldName()) {
            parser.nextToken();
            sizes.merge(column, (long) parser.getTextLength(), Long::sum);
        }
    }

    private void source(JsonParser parser) throws IOException {
        for (String field = parser.nextFieldName(); field != null; field = parser.nextFieldName()) {
            parser.nextToken();
            if (field.equals("schema")) {
                schema = parser.getText();
            } else if (field.equals("table")) {
                table = parser.getText();
            }
        }
    }
}
