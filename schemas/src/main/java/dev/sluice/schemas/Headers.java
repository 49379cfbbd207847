package dev.sluice.schemas;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * The headers of every record of a lane. Values are ASCII text, so that console tools show them.
 *
 * <p>{@link #EPOCH}, {@link #SEQ}, {@link #LSN} and {@link #XID} are on every record, {@link #END} and
 * {@link #COMMITTED} on the last record of each source transaction, {@link #LANE} on control records, the key headers
 * on the two records of a primary-key change.
 */
public final class Headers {
    /** The lane's numbering; grows when numbering starts anew. */
    public static final String EPOCH = "sluice.epoch";
    /** Number of the record in its lane and epoch, without gaps. */
    public static final String SEQ = "sluice.seq";
    /** The change's own WAL position. */
    public static final String LSN = "sluice.lsn";
    /** The source transaction, 32 bits, unsigned. */
    public static final String XID = "sluice.xid";
    /** End LSN of the transaction whose last record this is. */
    public static final String END = "sluice.end";
    /** Commit time of that transaction at the source, microseconds since 1970 UTC. */
    public static final String COMMITTED = "sluice.committed";
    /** The lane of a control record. */
    public static final String LANE = "sluice.lane";
    /** On the delete half of a primary-key change: the new key, JSON. Debezium's name. */
    public static final String NEW_KEY = "__debezium.newkey";
    /** On the insert half of a primary-key change: the old key, JSON. Debezium's name. */
    public static final String OLD_KEY = "__debezium.oldkey";

    private Headers() {}

    public static byte[] text(String value) {
        return value.getBytes(StandardCharsets.UTF_8);
    }

    /** Digits of an unsigned number. */
    public static byte[] number(long value) {
        if (value < 0) {
            return Long.toUnsignedString(value).getBytes(StandardCharsets.ISO_8859_1);
        }
        int digits = 1;
        for (long rest = value; rest >= 10; rest /= 10) {
            digits++;
        }
        byte[] text = new byte[digits];
        long rest = value;
        for (int i = digits - 1; i >= 0; i--) {
            text[i] = (byte) ('0' + rest % 10);
            rest /= 10;
        }
        return text;
    }

    /**
     * Reads what {@link #number} wrote.
     *
     * @throws IllegalArgumentException if the bytes are not 1 to 20 digits
     */
    public static long number(byte[] text) {
        if (text == null || text.length == 0 || text.length > 20) {
            throw notANumber(text);
        }
        if (text.length > 18) {
            return Long.parseUnsignedLong(new String(text, StandardCharsets.ISO_8859_1));
        }
        long value = 0;
        for (byte b : text) {
            if (b < '0' || b > '9') {
                throw notANumber(text);
            }
            value = value * 10 + (b - '0');
        }
        return value;
    }

    private static IllegalArgumentException notANumber(byte[] text) {
        return new IllegalArgumentException("not a number: '%s'"
                .formatted(text == null ? "(missing)" : StandardCharsets.UTF_8.decode(ByteBuffer.wrap(text))));
    }
}
