package dev.sluice.apply;

import java.util.List;
import java.util.function.Function;

/**
 * Writes values as the text of a PostgreSQL array.
 *
 * <p>Every element is quoted, so that NULL, commas, braces and spaces inside are what they are.
 *
 * <p>Source: PostgreSQL 18 manual, 8.15.6 "Array Input and Output Syntax".
 *
 * <p>Threads: one; the buffer is reused.
 */
final class ArrayText {
    private StringBuilder buffer = new StringBuilder(1 << 14);

    <T> String of(List<T> rows, Function<T, String> value) {
        buffer.setLength(0);
        buffer.append('{');
        for (int i = 0; i < rows.size(); i++) {
            if (i > 0) {
                buffer.append(',');
            }
            append(value.apply(rows.get(i)));
        }
        String array = buffer.append('}').toString();
        if (buffer.capacity() > 1 << 22) {
            buffer = new StringBuilder(1 << 14);
        }
        return array;
    }

    private void append(String value) {
        if (value == null) {
            buffer.append("NULL");
            return;
        }
        buffer.append('"');
        int from = 0;
        for (int i = 0; i < value.length(); i++) {
            char c = value.charAt(i);
            if (c == '"' || c == '\\') {
                buffer.append(value, from, i).append('\\');
                from = i;
            }
        }
        buffer.append(value, from, value.length()).append('"');
    }
}
