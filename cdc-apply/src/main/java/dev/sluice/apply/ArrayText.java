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
    private static final int LARGE = 1 << 22;

    private StringBuilder buffer = new StringBuilder(1 << 14);

    <T> String of(List<T> rows, Function<T, String> value) {
        buffer.setLength(0);
        makeRoom(rows, value);
        buffer.append('{');
        for (int i = 0; i < rows.size(); i++) {
            if (i > 0) {
                buffer.append(',');
            }
            append(value.apply(rows.get(i)));
        }
        String array = buffer.append('}').toString();
        if (buffer.capacity() > LARGE) {
            buffer = new StringBuilder(1 << 14);
        }
        return array;
    }

    /** For large values at once, which otherwise would be copied from one buffer to the next. */
    private <T> void makeRoom(List<T> rows, Function<T, String> value) {
        long length = 0;
        for (T row : rows) {
            String text = value.apply(row);
            length += text == null ? 0 : text.length();
        }
        if (length > LARGE) {
            buffer.ensureCapacity((int) Math.min(Integer.MAX_VALUE - 8, length + length / 64));
        }
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
