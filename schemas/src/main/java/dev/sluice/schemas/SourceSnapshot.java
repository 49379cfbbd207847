package dev.sluice.schemas;

import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * Which transactions of the source a read has seen.
 *
 * <p>Source: PostgreSQL 18 manual, 9.28.3 "Transaction ID and Snapshot Information Functions" ({@code pg_snapshot}).
 *
 * @param xmin the first transaction that had not ended, 64 bits
 * @param xmax the first transaction that had not begun, 64 bits
 * @param running those below it that had not ended
 */
public record SourceSnapshot(long xmin, long xmax, Set<Long> running) {
    private static final long EPOCH = 1L << 32;

    /**
     * Reads the text form, {@code xmin:xmax:xip,xip,…}.
     *
     * @throws IllegalArgumentException if it is none
     */
    public static SourceSnapshot parse(String text) {
        String[] parts = text.split(":", -1);
        if (parts.length != 3) {
            throw new IllegalArgumentException("not a snapshot: '%s'".formatted(text));
        }
        Set<Long> running = new TreeSet<>();
        for (String xid : parts[2].split(",")) {
            if (!xid.isEmpty()) {
                running.add(Long.parseUnsignedLong(xid));
            }
        }
        return new SourceSnapshot(Long.parseUnsignedLong(parts[0]), Long.parseUnsignedLong(parts[1]), running);
    }

    /**
     * Whether the transaction had ended when the snapshot was taken.
     *
     * @param xid of a committed transaction, 32 bits, as the stream has it; not two thousand million transactions away
     */
    public boolean sees(long xid) {
        long full = full(xid);
        return full < xmax && !running.contains(full);
    }

    /**
     * Whether the transaction and all before it had ended. A standby's snapshot does not name those that were running (they stand
     * among the subtransactions, which {@code pg_current_snapshot} leaves out), so this is all that it tells for certain.
     *
     * @param xid as for {@link #sees}
     */
    public boolean isBehind(long xid) {
        return full(xid) < xmin;
    }

    /** Those that were running, 32 bits. */
    public Set<Long> runningInStream() {
        return running.stream().map(xid -> xid % EPOCH).collect(Collectors.toSet());
    }

    /** The stream leaves out how often the counter has gone round. */
    private long full(long xid) {
        long full = xmax / EPOCH * EPOCH + xid;
        if (full > xmax + EPOCH / 2) {
            return full - EPOCH;
        }
        return full < xmax - EPOCH / 2 ? full + EPOCH : full;
    }
}
