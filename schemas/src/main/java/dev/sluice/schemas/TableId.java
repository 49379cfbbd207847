package dev.sluice.schemas;

/**
 * A table of the source or the target, by schema and name exactly as the catalog has them, unquoted.
 *
 * <p>The text form is {@code schema.table}. It is read at its only dot; names that hold a dot are written with double
 * quotes, as in SQL: {@code "odd.schema".orders}, a quote inside doubled.
 */
public record TableId(String schema, String table) implements Comparable<TableId> {

    public TableId {
        if (schema.isEmpty() || table.isEmpty()) {
            throw new IllegalArgumentException("a table needs a schema and a name, was '%s'.'%s'".formatted(schema, table));
        }
    }

    /**
     * Reads {@code schema.table}; a single name is a table of {@code public}.
     *
     * @throws IllegalArgumentException if the text is neither, with the text in the message
     */
    public static TableId parse(String text) {
        StringBuilder word = new StringBuilder();
        String schema = null;
        boolean quoted = false;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '"') {
                if (quoted && i + 1 < text.length() && text.charAt(i + 1) == '"') {
                    word.append('"');
                    i++;
                } else {
                    quoted = !quoted;
                }
            } else if (c == '.' && !quoted) {
                if (schema != null) {
                    throw notATable(text);
                }
                schema = word.toString();
                word.setLength(0);
            } else {
                word.append(c);
            }
        }
        if (quoted || word.isEmpty() || (schema != null && schema.isEmpty())) {
            throw notATable(text);
        }
        return new TableId(schema == null ? "public" : schema, word.toString());
    }

    private static IllegalArgumentException notATable(String text) {
        return new IllegalArgumentException(
                "not a table: '%s'; write schema.table, with double quotes around a name that holds a dot".formatted(text));
    }

    /** For SQL text: both names quoted, quotes inside doubled. */
    public String quoted() {
        return quote(schema) + "." + quote(table);
    }

    /** One identifier for SQL text, quoted, quotes inside doubled. */
    public static String quote(String identifier) {
        return '"' + identifier.replace("\"", "\"\"") + '"';
    }

    @Override
    public int compareTo(TableId other) {
        int bySchema = schema.compareTo(other.schema);
        return bySchema != 0 ? bySchema : table.compareTo(other.table);
    }

    @Override
    public String toString() {
        return plain(schema) + "." + plain(table);
    }

    private static String plain(String name) {
        return name.indexOf('.') < 0 && name.indexOf('"') < 0 ? name : quote(name);
    }
}
