package dev.sluice.capture;

import dev.sluice.schemas.ControlRecord;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Headers;
import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import dev.sluice.schemas.TopicNames;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Arrays;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.source.SourceRecord;

/**
 * Gives every record of the lane its number, and the last record of each transaction the transaction's end.
 *
 * <p>pgoutput sends whole transactions, one after another, in commit order. One record is held back until the next
 * arrives or the transaction's END does, because only END knows the end LSN.
 *
 * <p>Determinism: from the same position and with the same set of tables, the same records get the same numbers. What
 * is numbered therefore depends on nothing but the stream and the set: tables outside it, transactions without a
 * record of the lane, and messages that are no markers take no number.
 *
 * <p>Threads: one.
 */
final class LaneSequencer {
    private final TopicNames topics;
    private final String transactionTopic;
    private final String messageTopic;
    private final byte[] lane;
    private final byte[] epoch;
    private final Set<TableId> tables;
    private final Set<TableId> keyless;
    private final ChangeEncoder encoder = new ChangeEncoder();
    private final Map<Schema, Route> routes = new IdentityHashMap<>();
    private final Map<TableId, Route> routesByTable = new HashMap<>();
    private final Consumer<ProducerRecord<byte[], byte[]>> out;

    private long seq;
    private ProducerRecord<byte[], byte[]> held;
    private long xid;
    private long heldCommittedMicros;

    /**
     * @param hasKey else Debezium may take a unique index over columns with nulls for a key, and moves rows between
     *     its values
     */
    private record Route(TableId table, String topic, boolean hasKey) {}

    /** All changes of a table without a key go here, so that whoever reads the topic has them in order. */
    private static final Integer KEYLESS_PARTITION = 0;

    /** A transaction of the lane that is complete: all its records have gone out. */
    record Boundary(long seq, Lsn end) {}

    /**
     * @param seq the last number given before
     * @param keyless those whose replica identity is FULL because they have no key
     * @param out takes the numbered records in order
     */
    LaneSequencer(
            TopicNames topics,
            String debeziumPrefix,
            String lane,
            long epoch,
            long seq,
            Set<TableId> tables,
            Set<TableId> keyless,
            Consumer<ProducerRecord<byte[], byte[]>> out) {
        this.topics = topics;
        this.transactionTopic = debeziumPrefix + ".transaction";
        this.messageTopic = debeziumPrefix + ".message";
        this.lane = Headers.text(lane);
        this.epoch = Headers.number(epoch);
        this.seq = seq;
        this.tables = tables;
        this.keyless = keyless;
        this.out = out;
    }

    /** Takes the next record of the stream; gives the boundary if it ends a transaction of the lane, else null. */
    Boundary stamp(SourceRecord record) {
        if (record.topic().equals(transactionTopic)) {
            return transaction((Struct) record.value());
        }
        if (record.topic().equals(messageTopic)) {
            marker((Struct) record.value());
        } else {
            change(record, (Struct) record.value());
        }
        return null;
    }

    private Boundary transaction(Struct status) {
        String id = status.getString("id");
        int colon = id.indexOf(':');
        long transaction = Long.parseLong(id, 0, colon, 10);
        if (status.getString("status").equals("BEGIN")) {
            if (held != null) {
                throw brokenStream("transaction %d begins before %d has ended".formatted(transaction, xid));
            }
            xid = transaction;
            return null;
        }
        if (held == null) {
            return null;
        }
        if (transaction != xid) {
            throw brokenStream("transaction %d ends while %d is open".formatted(transaction, xid));
        }
        Lsn end = new Lsn(Long.parseLong(id, colon + 1, id.length(), 10));
        held.headers()
                .add(Headers.END, Headers.text(end.toString()))
                .add(Headers.COMMITTED, Headers.number(heldCommittedMicros));
        out.accept(held);
        held = null;
        return new Boundary(seq, end);
    }

    private void marker(Struct value) {
        Struct source = value.getStruct("source");
        Struct message = value.getStruct("message");
        if (source.getInt64("txId") == null || !ControlRecord.MARKER_PREFIX.equals(message.getString("prefix"))) {
            return; // not transactional, so it has no place in commit order; or not ours
        }
        byte[] content = message.getBytes("content");
        byte[] body = new ControlRecord.Marker(new String(content, StandardCharsets.UTF_8)).toJson();
        hold(new ProducerRecord<>(topics.control(), null, lane, body), source).headers().add(Headers.LANE, lane);
    }

    private void change(SourceRecord record, Struct value) {
        Struct source = value.getStruct("source");
        Route route = route(value.schema(), source);
        if (route == null) {
            return;
        }
        if (route.hasKey() && record.key() == null && !value.getString("op").equals("t")) {
            throw brokenStream("a change of %s comes without a key".formatted(route.table()));
        }
        byte[] key = record.key() == null || !route.hasKey() ? null : encoder.key((Struct) record.key());
        byte[] body = encoder.change(
                value.getString("op"),
                route.table(),
                route.hasKey(),
                value.getStruct("before"),
                value.getStruct("after"),
                new Lsn(source.getInt64("lsn")),
                source.getInt64("txId"),
                source.getInt64("ts_us"));
        ProducerRecord<byte[], byte[]> change =
                hold(new ProducerRecord<>(route.topic(), route.hasKey() ? null : KEYLESS_PARTITION, key, body), source);
        if (route.hasKey() && !record.headers().isEmpty()) {
            keyHeader(record, change, Headers.NEW_KEY);
            keyHeader(record, change, Headers.OLD_KEY);
        }
    }

    private void keyHeader(SourceRecord record, ProducerRecord<byte[], byte[]> change, String name) {
        Header other = record.headers().lastWithName(name);
        if (other != null) {
            change.headers().add(name, encoder.key((Struct) other.value()));
        }
    }

    private Route route(Schema schema, Struct source) {
        Route known = routes.get(schema);
        if (known == null && !routes.containsKey(schema)) {
            TableId table = new TableId(source.getString("schema"), source.getString("table"));
            known = tables.contains(table)
                    ? routesByTable.computeIfAbsent(table, t -> new Route(t, topics.change(t), !keyless.contains(t)))
                    : null;
            routes.put(schema, known);
        }
        return known;
    }

    private ProducerRecord<byte[], byte[]> hold(ProducerRecord<byte[], byte[]> next, Struct source) {
        if (source.getInt64("txId") != xid) {
            throw brokenStream("a change of transaction %d inside %d".formatted(source.getInt64("txId"), xid));
        }
        if (held != null) {
            out.accept(held);
        }
        seq++;
        heldCommittedMicros = source.getInt64("ts_us");
        next.headers()
                .add(Headers.EPOCH, epoch)
                .add(Headers.SEQ, Headers.number(seq))
                .add(Headers.LSN, Headers.text(new Lsn(source.getInt64("lsn")).toString()))
                .add(Headers.XID, Headers.number(xid));
        held = next;
        return next;
    }

    /** The record that opens an epoch; it is numbered, and it is a transaction of its own. */
    static ProducerRecord<byte[], byte[]> epochStart(
            TopicNames topics, String lane, long seq, ControlRecord.EpochStart start) {
        byte[] name = Headers.text(lane);
        ProducerRecord<byte[], byte[]> record =
                new ProducerRecord<>(topics.control(), null, Arrays.copyOf(name, name.length), start.toJson());
        Instant now = Instant.now();
        record.headers()
                .add(Headers.EPOCH, Headers.number(start.epoch()))
                .add(Headers.SEQ, Headers.number(seq))
                .add(Headers.LSN, Headers.text(start.start().toString()))
                .add(Headers.XID, Headers.number(0))
                .add(Headers.LANE, name)
                .add(Headers.END, Headers.text(start.start().toString()))
                .add(Headers.COMMITTED, Headers.number(now.getEpochSecond() * 1_000_000 + now.getNano() / 1_000));
        return record;
    }

    private static Failure.Fatal brokenStream(String what) {
        return new Failure.Fatal(
                Stop.FAILED,
                "the stream is not in transaction order: " + what,
                "restart capture; if it happens again, report it with the server's and Debezium's versions");
    }
}
