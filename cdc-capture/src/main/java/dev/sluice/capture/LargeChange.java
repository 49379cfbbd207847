package dev.sluice.capture;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.io.JsonStringEncoder;
import dev.sluice.config.KafkaConfig;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
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

    /** The published columns of a table in the order in which the stream has them. */
    private static final String COLUMNS =
            """
            SELECT n.nspname AS schema, c.relname AS table, a.attname AS column, a.atttypid::text AS type,
                   EXISTS (SELECT 1 FROM pg_catalog.pg_index i
                           WHERE i.indrelid = c.oid AND a.attnum = ANY (i.indkey::int2[])
                             AND CASE c.relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary END) AS is_key
            FROM pg_catalog.pg_class c
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_catalog.pg_publication_tables p
              ON p.pubname = ? AND p.schemaname = n.nspname AND p.tablename = c.relname
            JOIN pg_catalog.pg_attribute a
              ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attname = ANY (p.attnames)
            WHERE c.oid = ?
            ORDER BY a.attnum
            """;

    private final Map<String, Long> sizes = new TreeMap<>();
    private String schema = "?";
    private String table = "?";

    private LargeChange() {}

    /** @param maxRecordBytes the limit that it is above */
    static Failure.Fatal refused(ProducerRecord<byte[], byte[]> record, int maxRecordBytes, Throwable cause) {
        LargeChange change = new LargeChange();
        try {
            change.read(record.value());
        } catch (IOException e) {
            cause.addSuppressed(e);
        }
        return change.refused(text(record.key()), record.value().length, maxRecordBytes, record.topic(), cause);
    }

    /**
     * It was not read into memory, since it is above the limit already as the server sends it.
     *
     * @param source where its table and columns have their names
     */
    static Failure.Fatal refused(LargeMessage message, Connection source, PipelineConfig config, LaneConfig lane) throws SQLException {
        int maxRecordBytes = config.kafka().maxRecordBytes();
        if (!message.isChange()) {
            return new Failure.Fatal(
                    Stop.SETUP,
                    "a logical message with the prefix '%s' is larger than kafka.maxRecordBytes=%d: %d bytes"
                            .formatted(message.prefix(), maxRecordBytes, message.bytes()),
                    "raise kafka.maxRecordBytes, with the heap that it needs (docs/runbook.md)",
                    message);
        }
        LargeChange change = new LargeChange();
        List<String> key = new ArrayList<>();
        int column = 0;
        try (PreparedStatement query = source.prepareStatement(COLUMNS)) {
            query.setString(1, lane.publication());
            query.setLong(2, message.relation());
            try (ResultSet row = query.executeQuery()) {
                for (; row.next() && column < message.width(); column++) {
                    change.schema = row.getString("schema");
                    change.table = row.getString("table");
                    change.sizes.merge(row.getString("column"), message.size(column), Long::sum);
                    if (row.getBoolean("is_key")) {
                        key.add(quoted(row.getString("column")) + ":"
                                + (ChangeEncoder.INTEGER_OIDS.contains(row.getString("type"))
                                        ? message.value(column)
                                        : quoted(message.value(column))));
                    }
                }
            }
        }
        String topic = config.topics().change(new TableId(change.schema, change.table));
        String keyText = key.isEmpty() ? "-" : "{" + String.join(",", key) + "}";
        return change.refused(keyText, message.bytes(), maxRecordBytes, topic, message);
    }

    private Failure.Fatal refused(String key, int bytes, int maxRecordBytes, String topic, Throwable cause) {
        return new Failure.Fatal(
                Stop.SETUP,
                "a change of %s.%s, key %s, is larger than kafka.maxRecordBytes=%d: %d bytes, of these %s"
                        .formatted(schema, table, key, maxRecordBytes, bytes, largest()),
                bytes <= KafkaConfig.LARGEST_RECORD_BYTES
                        ? "raise kafka.maxRecordBytes, and max.message.bytes of topic %s with it (docs/runbook.md)".formatted(topic)
                        : "no record may be so large: leave the column out of the publication and the mapping, or shorten what"
                                + " is in it, then begin the lane anew (docs/runbook.md#starting-a-lane-anew)",
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

    private static String quoted(String text) {
        return '"' + String.valueOf(JsonStringEncoder.getInstance().quoteAsString(text)) + '"';
    }

    private String largest() {
        List<String> columns = new ArrayList<>(sizes.keySet());
        columns.sort((one, other) -> Long.compare(sizes.get(other), sizes.get(one)));
        return columns.stream()
                .limit(LISTED)
                .map(column -> "column '%s' %d".formatted(column, sizes.get(column)))
                .collect(Collectors.joining(", "));
    }

    private void read(byte[] value) throws IOException {
        JsonFactory json = JsonFactory.builder()
                .streamReadConstraints(StreamReadConstraints.builder()
                        .maxStringLength(Integer.MAX_VALUE)
                        .build())
                .build();
        try (JsonParser parser = json.createParser(value)) {
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
