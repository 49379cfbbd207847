package dev.sluice.capture;

import java.io.DataInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * A change that is refused before it is in memory: which table's, and how large its columns are.
 *
 * <p>Source: PostgreSQL 18 manual, 54.5 "Streaming Replication Protocol" (XLogData), 54.9 "Logical Replication Message
 * Formats" (Insert, Update, Delete, Message, TupleData), protocol versions 1 to 4 without streaming.
 */
final class LargeMessage extends IOException {
    private static final long serialVersionUID = 1L;
    /** The letter w, start and end of the WAL, and the server's clock. */
    private static final int XLOG_DATA_BYTES = 1 + 3 * Long.BYTES;

    private static final int LONGEST_KEY = 200;
    private static final long NO_RELATION = 0;

    private final int bytes;
    private long relation = NO_RELATION;
    private String prefix = "";
    private long[] sizes = {};
    /** Short ones only; a key may be among them. */
    private transient String[] values = {};

    private LargeMessage(int bytes) {
        super("a message of %d bytes".formatted(bytes));
        this.bytes = bytes;
    }

    /** Reads past the values, one after the other. */
    static LargeMessage read(DataInputStream message, int bytes) throws IOException {
        LargeMessage large = new LargeMessage(bytes);
        message.skipNBytes(XLOG_DATA_BYTES);
        switch (message.readByte()) {
            case 'I', 'D' -> {
                large.relation = Integer.toUnsignedLong(message.readInt());
                message.readByte();
                large.tuple(message);
            }
            case 'U' -> {
                large.relation = Integer.toUnsignedLong(message.readInt());
                if (message.readByte() != 'N') {
                    large.tuple(message);
                    message.readByte();
                }
                large.tuple(message);
            }
            case 'M' -> {
                message.skipNBytes(1 + Long.BYTES);
                StringBuilder prefix = new StringBuilder();
                for (int c = message.readUnsignedByte(); c != 0 && prefix.length() < LONGEST_KEY; c = message.readUnsignedByte()) {
                    prefix.append((char) c);
                }
                large.prefix = prefix.toString();
            }
            default -> {} // nothing else comes near the limit, and its length is said
        }
        return large;
    }

    private void tuple(DataInputStream message) throws IOException {
        int width = message.readUnsignedShort();
        sizes = Arrays.copyOf(sizes, width);
        values = Arrays.copyOf(values, width);
        for (int i = 0; i < width; i++) {
            byte kind = message.readByte();
            if (kind == 't' || kind == 'b') {
                int length = message.readInt();
                sizes[i] += length;
                if (length <= LONGEST_KEY) {
                    values[i] = new String(message.readNBytes(length), StandardCharsets.UTF_8);
                } else {
                    values[i] = "of %d bytes".formatted(length);
                    message.skipNBytes(length);
                }
            }
        }
    }

    int bytes() {
        return bytes;
    }

    /** Else it is a logical message. */
    boolean isChange() {
        return relation != NO_RELATION;
    }

    /** The table's oid. */
    long relation() {
        return relation;
    }

    /** Of a logical message. */
    String prefix() {
        return prefix;
    }

    int width() {
        return sizes.length;
    }

    long size(int column) {
        return sizes[column];
    }

    /** Null if there is none; a long one's length. */
    String value(int column) {
        return values[column];
    }
}
