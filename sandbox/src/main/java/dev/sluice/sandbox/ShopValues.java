package dev.sluice.sandbox;

import java.util.Random;
import java.util.UUID;

/**
 * Values as a monolith has them after years: mostly ordinary, some at the edge of their type. Equal random numbers give
 * equal values.
 */
final class ShopValues {
    private static final String[] WORDS = {
        "blue", "kettle", "für", "straße", "it's", "\"quoted\"", "back\\slash", "new\nline", "tab\t", "€", "日本", "😀", "null",
        "{a,b}", "%s"
    };
    private static final String[] DISCOUNTS = {
        null, "0", "0.00", "0.10", "1.5", "99999999999999999999999999.123456789012345678901234567890",
        "-0.000000000000000000001", "NaN"
    };
    private static final Double[] CREDITS = {
        null, 0.0, -0.0, 0.1 + 0.2, 1e-300, Double.MAX_VALUE, Double.NaN, Double.POSITIVE_INFINITY,
        Double.NEGATIVE_INFINITY, 12.5
    };
    private static final String[] TIMES = {
        "infinity", "-infinity", "1970-01-01 00:00:00+00", "1600-02-29 12:00:00.000001+00",
        "0044-03-15 00:00:00+00 BC", "9999-12-31 23:59:59.999999+00"
    };
    private static final String[] RANGES = {null, "empty", "[2026-01-01,2026-02-01)", "(,2025-06-30)", "[2024-02-29,)"};
    private static final String[] DAYS = {"2025-02-28", "2025-08-01", "2026-03-31", "2030-01-01", "0099-01-01 BC"};
    private static final String[] LETTERS_IN_JSON = {"a", "ü", "\\u20ac"};
    private static final String[] TAGS = {
        "{}", "{vip}", "{\"a b\",NULL,\"\"}", "{\"with \\\"quotes\\\"\",\"NULL\"}", "[2:3]={late,later}", "{{a,b},{c,d}}"
    };
    private static final String LETTERS = "abcdefghijklmnopqrstuvwxyzäöü     ";

    private final Random random;

    ShopValues(Random random) {
        this.random = random;
    }

    private <T> T oneOf(T[] values) {
        return values[random.nextInt(values.length)];
    }

    String words(int most) {
        StringBuilder text = new StringBuilder();
        for (int count = random.nextInt(most + 1); count > 0; count--) {
            text.append(oneOf(WORDS)).append(count > 1 ? " " : "");
        }
        return text.toString();
    }

    /** Absent in one of eight. */
    String note() {
        return random.nextInt(8) == 0 ? null : words(6);
    }

    /** Mostly of 3,000 to 9,000 letters, so in TOAST; sometimes short, rarely absent. */
    String description() {
        int kind = random.nextInt(20);
        if (kind == 0) {
            return null;
        }
        int length = kind < 3 ? random.nextInt(50) : 3_000 + random.nextInt(6_000);
        StringBuilder text = new StringBuilder(length);
        while (text.length() < length) {
            text.append(LETTERS.charAt(random.nextInt(LETTERS.length())));
        }
        return text.toString();
    }

    byte[] picture() {
        if (random.nextInt(3) == 0) {
            return null;
        }
        byte[] bytes = new byte[random.nextInt(3_000)];
        random.nextBytes(bytes);
        return bytes;
    }

    String profile() {
        return """
                {"level": %d, "score": %d.%02d0, "seen": null, "words": ["%s", {"deep": %b}], "big": 12345678901234567890.10}"""
                .formatted(random.nextInt(9), random.nextInt(100), random.nextInt(100), oneOf(LETTERS_IN_JSON),
                        random.nextBoolean());
    }

    String tags() {
        return oneOf(TAGS);
    }

    String discount() {
        return oneOf(DISCOUNTS);
    }

    Double credit() {
        return oneOf(CREDITS);
    }

    /** Now in nine of ten, left to the server. */
    String time() {
        return random.nextInt(10) == 0 ? oneOf(TIMES) : "now";
    }

    String range() {
        return oneOf(RANGES);
    }

    String day() {
        return oneOf(DAYS);
    }

    String price() {
        return "%d.%02d".formatted(random.nextInt(1_000), random.nextInt(100));
    }

    /** Unique as the key is: a shop that goes on with the same seed draws the same numbers again. */
    String uuid(long key) {
        return new UUID(random.nextLong(), key).toString();
    }

    Float weight() {
        return random.nextInt(10) == 0 ? null : random.nextFloat() * 100;
    }

    String customerStatus() {
        return oneOf(new String[] {"prospect", "active", "blocked", "closed"});
    }

    String orderStatus() {
        return oneOf(new String[] {"new", "paid", "shipped", "returned"});
    }
}
