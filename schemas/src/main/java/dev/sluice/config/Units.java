package dev.sluice.config;

import java.time.Duration;
import java.time.format.DateTimeParseException;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Durations and sizes as a person writes them; a bare number is never taken for either. */
public final class Units {

    private static final Pattern AMOUNT = Pattern.compile("(\\d{1,18}) ?([A-Za-z]+)");
    private static final Map<String, Duration> DURATIONS = Map.of(
            "ms", Duration.ofMillis(1),
            "s", Duration.ofSeconds(1),
            "m", Duration.ofMinutes(1),
            "h", Duration.ofHours(1),
            "d", Duration.ofDays(1));
    private static final Map<String, Long> SIZES = Map.of("b", 1L, "kb", 1L << 10, "mb", 1L << 20, "gb", 1L << 30);

    private Units() {}

    /**
     * {@code 250ms}, {@code 1s}, {@code 5m}, {@code 2h}, {@code 7d}, or ISO 8601 as {@code PT1.5S}.
     *
     * @throws IllegalArgumentException if the text is none of these, a number without a unit included
     */
    public static Duration duration(String text) {
        if (text.startsWith("P")) {
            try {
                return Duration.parse(text);
            } catch (DateTimeParseException e) {
                throw notADuration(text);
            }
        }
        Matcher amount = AMOUNT.matcher(text);
        Duration unit = amount.matches() ? DURATIONS.get(amount.group(2)) : null;
        if (unit == null) {
            throw notADuration(text);
        }
        try {
            return unit.multipliedBy(Long.parseLong(amount.group(1)));
        } catch (ArithmeticException e) {
            throw notADuration(text);
        }
    }

    /**
     * Bytes: a plain number, or one with {@code B}, {@code kB}, {@code MB}, {@code GB}, where k is 1024 as in
     * postgresql.conf.
     *
     * @throws IllegalArgumentException if the text is none of these or beyond 63 bits
     */
    public static long bytes(String text) {
        Matcher amount = AMOUNT.matcher(text + (text.matches("\\d+") ? "B" : ""));
        Long unit = amount.matches() ? SIZES.get(amount.group(2).toLowerCase(Locale.ROOT)) : null;
        if (unit == null) {
            throw notASize(text);
        }
        try {
            return Math.multiplyExact(Long.parseLong(amount.group(1)), unit);
        } catch (ArithmeticException e) {
            throw notASize(text);
        }
    }

    /** The shortest text that {@link #duration} reads back. */
    public static String print(Duration duration) {
        for (String unit : new String[] {"d", "h", "m", "s", "ms"}) {
            long unitMillis = DURATIONS.get(unit).toMillis();
            if (duration.toMillis() % unitMillis == 0) {
                return duration.toMillis() / unitMillis + unit;
            }
        }
        throw new IllegalArgumentException("a duration of the configuration has whole milliseconds, was " + duration);
    }

    /** The shortest text that {@link #bytes} reads back. */
    public static String print(long bytes) {
        for (String unit : new String[] {"GB", "MB", "kB"}) {
            long size = SIZES.get(unit.toLowerCase(Locale.ROOT));
            if (bytes > 0 && bytes % size == 0) {
                return bytes / size + unit;
            }
        }
        return Long.toString(bytes);
    }

    private static IllegalArgumentException notADuration(String text) {
        return new IllegalArgumentException(
                "not a duration: '%s'; write a number and its unit, as 250ms, 1s, 5m, 2h or 7d".formatted(text));
    }

    private static IllegalArgumentException notASize(String text) {
        return new IllegalArgumentException(
                "not a size: '%s'; write bytes as a number, or with kB, MB or GB, as 16MB".formatted(text));
    }
}
