package dev.sluice.apply;

import dev.sluice.apply.RowChange.Origin;
import dev.sluice.schemas.ControlRecord;
import dev.sluice.schemas.Headers;
import dev.sluice.schemas.Lsn;
import java.nio.charset.StandardCharsets;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;

/**
 * A record of a lane with its place in the lane.
 *
 * @param kafka null on a {@link #bare} one
 * @param end end LSN of the source transaction if this is its last record, else null
 * @param committedMicros commit time of that transaction, microseconds since 1970 UTC; 0 if this is not its last record
 */
record LaneRecord(
        ConsumerRecord<byte[], byte[]> kafka,
        TopicPartition partition,
        long epoch,
        long seq,
        Lsn end,
        long committedMicros) {

    /** @throws IllegalArgumentException if a header that every record of a lane has is missing or unreadable */
    static LaneRecord of(ConsumerRecord<byte[], byte[]> kafka, TopicPartition partition) {
        requireLsn(value(kafka, Headers.LSN));
        Headers.number(value(kafka, Headers.XID));
        Header end = kafka.headers().lastHeader(Headers.END);
        return new LaneRecord(
                kafka,
                partition,
                Headers.number(value(kafka, Headers.EPOCH)),
                Headers.number(value(kafka, Headers.SEQ)),
                end == null ? null : Lsn.parse(new String(end.value(), StandardCharsets.US_ASCII)),
                end == null ? 0 : Headers.number(value(kafka, Headers.COMMITTED)));
    }

    /** Two numbers in hex with a slash between them; {@link Lsn#parse} would be slow for every record. */
    private static void requireLsn(byte[] text) {
        int slash = -1;
        boolean isLsn = text != null;
        for (int i = 0; isLsn && i < text.length; i++) {
            if (text[i] == '/' && slash < 0) {
                slash = i;
            } else {
                isLsn = Character.digit(text[i], 16) >= 0;
            }
        }
        if (!isLsn || slash < 1 || slash > 8 || text.length - slash < 2 || text.length - slash > 9) {
            throw new IllegalArgumentException("it has no LSN");
        }
    }

    private static byte[] value(ConsumerRecord<byte[], byte[]> kafka, String header) {
        Header found = kafka.headers().lastHeader(header);
        return found == null ? null : found.value();
    }

    /** A record that has no place in any lane. */
    static LaneRecord stray(ConsumerRecord<byte[], byte[]> kafka) {
        return new LaneRecord(kafka, new TopicPartition(kafka.topic(), kafka.partition()), 0, 0, null, 0);
    }

    /** It has no number. */
    boolean isStray() {
        return epoch == 0;
    }

    /** Its place without its content, which may be large. */
    LaneRecord bare() {
        return new LaneRecord(null, partition, epoch, seq, end, committedMicros);
    }

    boolean endsTransaction() {
        return end != null;
    }

    Origin origin() {
        return new Origin(partition, kafka.offset(), 0);
    }

    /** The change's own WAL position. */
    Lsn lsn() {
        return Lsn.parse(new String(header(Headers.LSN), StandardCharsets.US_ASCII));
    }

    /** The source's transaction id, 32 bits. */
    long xid() {
        return Headers.number(header(Headers.XID));
    }

    boolean has(String header) {
        return kafka.headers().lastHeader(header) != null;
    }

    byte[] header(String name) {
        return kafka.headers().lastHeader(name).value();
    }

    int bytes() {
        return Math.max(0, kafka.serializedKeySize()) + Math.max(0, kafka.serializedValueSize()) + 200;
    }

    ControlRecord control() {
        return ControlRecord.fromJson(kafka.value());
    }
}
