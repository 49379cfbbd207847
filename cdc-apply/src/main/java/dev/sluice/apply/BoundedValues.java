package dev.sluice.apply;

import java.nio.ByteBuffer;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.utils.Utils;

/**
 * Record values up to so many bytes a poll: a fetch is small where large records compress well, and the consumer would unpack
 * all of them at once.
 *
 * <p>It also takes the headers out of what was unpacked, all of which they would keep in memory behind the record.
 *
 * <p>Source: Kafka 4.x clients, {@code CompletedFetch.fetchRecords}, {@code RecordHeader}; deserializers run in the thread that
 * polls.
 *
 * <p>Threads: the consumer's.
 */
final class BoundedValues implements Deserializer<byte[]> {
    /** Stands for a value that was left out. Compared by identity. */
    private static final byte[] LEFT_OUT = new byte[0];

    private final long limit;
    private long taken;

    /** @param limit in bytes; one value may be larger */
    BoundedValues(long limit) {
        this.limit = limit;
    }

    /** Before each poll. */
    void begin() {
        taken = 0;
    }

    static boolean isLeftOut(byte[] value) {
        return value == LEFT_OUT;
    }

    @Override
    public byte[] deserialize(String topic, Headers headers, ByteBuffer value) {
        for (Header header : headers) {
            header.key();
            header.value();
        }
        if (value == null) {
            return null;
        }
        if (taken > 0 && taken + value.remaining() > limit) {
            taken = limit; // nothing behind it comes either
            return LEFT_OUT;
        }
        taken += value.remaining();
        return Utils.toArray(value);
    }

    @Override
    public byte[] deserialize(String topic, byte[] value) {
        return value;
    }
}
