package dev.sluice.cli;

import java.time.Duration;
import java.util.Locale;

/** Numbers as a person reads them. */
final class Amounts {
    private static final String[] UNITS = {"kB", "MB", "GB", "TB"};

    private Amounts() {}

    static String count(long number) {
        return String.format(Locale.ROOT, "%,d", number);
    }

    /** {@code 1 letter}, {@code 2,300 letters}. */
    static String count(long number, String one) {
        return count(number) + " " + one + (number == 1 ? "" : "s");
    }

    /** Three digits at most: {@code 812 bytes}, {@code 4.5 MB}; 1024 bytes are 1 kB, as in PostgreSQL. */
    static String size(long bytes) {
        if (Math.abs(bytes) < 1024) {
            return bytes + " bytes";
        }
        double size = bytes;
        int unit = -1;
        while (Math.abs(size) >= 999.5 && unit < UNITS.length - 1 || unit < 0) {
            size /= 1024;
            unit++;
        }
        boolean isShort = Math.abs(size) < 9.95 && size != Math.rint(size);
        return String.format(Locale.ROOT, isShort ? "%.1f %s" : "%.0f %s", size, UNITS[unit]);
    }

    /** {@code 0.3 s}, {@code 12 s}, {@code 2 min 10 s}, {@code 3 h 5 min}, {@code 4 d 2 h}. */
    static String time(Duration time) {
        long seconds = time.toSeconds();
        if (seconds < 10 && time.toMillis() % 1000 >= 50) {
            return String.format(Locale.ROOT, "%.1f s", time.toMillis() / 1000.0);
        } else if (seconds < 60) {
            return seconds + " s";
        } else if (seconds < 3_600) {
            return seconds / 60 + " min " + seconds % 60 + " s";
        } else if (seconds < 86_400) {
            return seconds / 3_600 + " h " + seconds / 60 % 60 + " min";
        }
        return seconds / 86_400 + " d " + seconds / 3_600 % 24 + " h";
    }
}
