package dev.sluice.config;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * The settings that a value's text depends on: the same in every session that prints or reads values, so that a text means
 * the same to the stream, the applier and the comparison.
 *
 * <p>How names of other objects are printed depends on more, {@code search_path} first of all, which is each session's own.
 */
public final class TextForm {
    private static final Map<String, String> SETTINGS = new LinkedHashMap<>();

    static {
        SETTINGS.put("DateStyle", "ISO,YMD");
        SETTINGS.put("IntervalStyle", "postgres");
        SETTINGS.put("TimeZone", "UTC");
        SETTINGS.put("extra_float_digits", "3");
        SETTINGS.put("bytea_output", "hex");
        SETTINGS.put("xmlbinary", "base64");
        SETTINGS.put("lc_monetary", "C");
    }

    private TextForm() {}

    /** Statements for a session that is open. */
    public static String sql() {
        return SETTINGS.entrySet().stream()
                .map(setting -> "SET %s = '%s';".formatted(setting.getKey(), setting.getValue()))
                .collect(Collectors.joining(" "));
    }

    /** For the connection parameter {@code options}. */
    public static String options() {
        return SETTINGS.entrySet().stream()
                .map(setting -> "-c %s=%s".formatted(setting.getKey(), setting.getValue()))
                .collect(Collectors.joining(" "));
    }
}
