package dev.sluice.schemas;

import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A byte position in the source's write-ahead log.
 *
 * <p>Unit: bytes from the start of the log, unsigned 64 bits; the text form is two hexadecimal words,
 * {@code 16/B374D848}, as {@code pg_current_wal_lsn()} prints it.
 *
 * <p>Order: grows along the log. Changes of concurrent transactions interleave in the log, so events are ordered by
 * their place in the lane, which follows commits, and not by their own Lsn.
 *
 * <p>Source: PostgreSQL 18 manual, 8.20 "pg_lsn Type".
 */
public record Lsn(long value) implements Comparable<Lsn> {

    /** Before every position of any log. */
    public static final Lsn ZERO = new Lsn(0);

    private static final Pattern TEXT = Pattern.compile("([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})");

    /**
     * Reads the text form.
     *
     * @throws IllegalArgumentException if {@code text} is not two words of 1 to 8 hexadecimal digits: a position
     *     that cannot be read must not turn into the start of the log
     */
    public static Lsn parse(String text) {
        Matcher words = TEXT.matcher(text);
        if (!words.matches()) {
            throw new IllegalArgumentException("not an LSN: '%s'".formatted(text));
        }
        return new Lsn(Long.parseLong(words.group(1), 16) << 32 | Long.parseLong(words.group(2), 16));
    }

    /** The bytes of log from {@code earlier} to this position; negative if {@code earlier} comes later. */
    public long bytesSince(Lsn earlier) {
        return value - earlier.value;
    }

    @Override
    public int compareTo(Lsn other) {
        return Long.compareUnsigned(value, other.value);
    }

    @Override
    public String toString() {
        byte[] text = new byte[17]; // in the path of every change, so by hand
        int place = hex(value & 0xFFFFFFFFL, text, text.length);
        text[--place] = '/';
        place = hex(value >>> 32, text, place);
        return new String(text, place, text.length - place, StandardCharsets.ISO_8859_1);
    }

    private static int hex(long word, byte[] text, int end) {
        int place = end;
        long rest = word;
        do {
            text[--place] = (byte) Character.toUpperCase(Character.forDigit((int) (rest & 0xF), 16));
            rest >>>= 4;
        } while (rest != 0);
        return place;
    }
}
