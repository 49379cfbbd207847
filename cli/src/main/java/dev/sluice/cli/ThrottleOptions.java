package dev.sluice.cli;

import dev.sluice.apply.RereadStore.Throttle;
import dev.sluice.config.Units;
import java.util.OptionalLong;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** How gently the source is read; what is not given has no limit. */
final class ThrottleOptions {

    @Option(
            names = "--rate",
            paramLabel = "ROWS",
            converter = Positive.class,
            description = "Read at most so many rows a second of each table.")
    private Long rows;

    @Option(
            names = "--bytes-rate",
            paramLabel = "SIZE",
            converter = Size.class,
            description = "Read at most so many bytes a second of each table, as 4MB.")
    private Long bytes;

    @Option(
            names = "--while-active-below",
            paramLabel = "N",
            converter = Positive.class,
            description = "Read only while fewer than N other sessions of the source are active.")
    private Long activeBelow;

    boolean isGiven() {
        return rows != null || bytes != null || activeBelow != null;
    }

    Throttle throttle() {
        return new Throttle(
                optional(rows), optional(bytes), activeBelow == null ? OptionalLong.empty() : OptionalLong.of(activeBelow - 1));
    }

    /** As it was given, for messages; {@code no limit} if nothing was. */
    static String text(Throttle throttle) {
        StringBuilder text = new StringBuilder();
        throttle.rowsPerSecond().ifPresent(rows -> text.append(", at most %s rows/s".formatted(Amounts.count(rows))));
        throttle.bytesPerSecond().ifPresent(bytes -> text.append(", at most %s/s".formatted(Amounts.size(bytes))));
        throttle.mostActive()
                .ifPresent(most -> text.append(", while fewer than %d sessions of the source are active".formatted(most + 1)));
        return text.isEmpty() ? "no limit" : text.substring(2);
    }

    private static OptionalLong optional(Long number) {
        return number == null ? OptionalLong.empty() : OptionalLong.of(number);
    }

    static final class Positive implements ITypeConverter<Long> {
        @Override
        public Long convert(String text) {
            if (!text.matches("[1-9]\\d{0,17}")) {
                throw new TypeConversionException("'%s' is not a whole number from 1 on".formatted(text));
            }
            return Long.valueOf(text);
        }
    }

    static final class Size implements ITypeConverter<Long> {
        @Override
        public Long convert(String text) {
            try {
                long bytes = Units.bytes(text);
                if (bytes == 0) {
                    throw new TypeConversionException("'%s' is no limit; to stop reading: --pause".formatted(text));
                }
                return bytes;
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }
}
