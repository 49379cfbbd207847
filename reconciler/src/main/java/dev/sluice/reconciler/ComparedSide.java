package dev.sluice.reconciler;

import dev.sluice.schemas.TableId;
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * The statements that read a compared table on one of its sides. What they read from is given to them: the table, or rows made up
 * of its columns.
 *
 * @param key columns of this side, in the key's order
 * @param keyTypes of these columns here
 * @param columns that the expressions read, the key's included
 */
record ComparedSide(TableId table, List<String> key, List<String> keyTypes, List<Value> values, List<String> columns) {
    private static final int LONG = 200;

    /**
     * One compared value.
     *
     * @param name that the comparison knows it by
     * @param column of this side that it is the value of; empty if it is computed or constant here
     * @param expression SQL that gives a text
     * @param isShort its text never is long
     * @param only the one value, as SQL, that the expression tells from all others; empty if it tells all of them apart
     */
    record Value(String name, Optional<String> column, String expression, boolean isShort, Optional<String> only) {}

    /** The table, or the rows of it that are meant; to follow FROM. */
    String from(RowCondition condition) {
        return table.quoted() + condition.sql(key, keyTypes);
    }

    boolean hasKey() {
        return !key.isEmpty();
    }

    /** The rows of a table with a key, in its order: the key's texts, and then those of the values; else {@link #digestsSql}. */
    String rowsSql(String from) {
        if (!hasKey()) {
            return digestsSql(from);
        }
        return rowsSql(from, values.stream()
                .map(value -> value.isShort() ? value.expression() : shortened(value.expression())));
    }

    /** Of rows of a table with a key: the key's texts, and then what else is asked of each, SQL that gives texts. */
    String rowsSql(String from, Stream<String> asked) {
        List<String> keys = keyTexts();
        String order = keys.stream().map(text -> "convert_to(" + text + ", 'UTF8')").collect(Collectors.joining(", "));
        return "SELECT\n  " + Stream.concat(keys.stream(), asked).collect(Collectors.joining(",\n  ")) + "\nFROM " + from
                + "\nORDER BY " + order;
    }

    /** Of the key's columns, in its order. */
    List<String> keyTexts() {
        return IntStream.range(0, key.size()).mapToObj(i -> keyText(TableId.quote(key.get(i)), keyTypes.get(i))).toList();
    }

    /**
     * A key's text as the stream has it: what the output function of its type prints, and not what a cast to text makes of it, which
     * cuts the padding of {@code char(n)} and gives an {@code inet} its netmask.
     */
    static String keyText(String column, String type) {
        return type.equals("boolean") ? column + "::text" : "concat(" + column + ")";
    }

    /** Number of rows, and two sums over a hash of each. */
    String digestSql(String from, long seed) {
        return "SELECT count(*), coalesce(bit_xor(h), 0), coalesce(sum(h), 0)\nFROM (\n  SELECT hashtextextended(" + row()
                + " COLLATE \"C\", " + seed + ") AS h\n  FROM " + from + ") AS hashes";
    }

    /** The different rows of a table without a key, each with its number. */
    private String digestsSql(String from) {
        return "SELECT encode(digest, 'hex'), count(*)::text\nFROM (\n  SELECT sha256(convert_to(" + row()
                + ", 'UTF8')) AS digest\n  FROM " + from + ") AS digests\nGROUP BY digest\nORDER BY digest";
    }

    private String row() {
        return values.stream().map(Value::expression).collect(Collectors.joining(",\n    ", "ROW(\n    ", ")::text"));
    }

    /** The first character tells a short text from a digest, so none can pass for the other. */
    private static String shortened(String text) {
        return "CASE WHEN octet_length(" + text + ") <= " + LONG + " THEN '=' || " + text
                + " ELSE '#' || encode(sha256(convert_to(" + text + ", 'UTF8')), 'hex') END";
    }

    /** With other expressions. */
    ComparedSide with(UnaryOperator<String> other) {
        return new ComparedSide(table, key, keyTypes, values.stream()
                .map(value -> new Value(value.name(), value.column(), other.apply(value.expression()), value.isShort(), value.only()))
                .toList(), columns);
    }
}
