package dev.sluice.sandbox;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A type and the values that are tried of it, as its input function reads them.
 *
 * @param name as people write it; also the name of columns
 * @param sql with its schema
 * @param delimiter between the elements of its arrays
 */
record TriedType(String name, String sql, char delimiter, List<String> values) {
    /** How many different arrays {@link #array} makes of the values. */
    static final int ARRAYS = 6;

    static String literal(String text) {
        return "'" + text.replace("'", "''") + "'";
    }

    String column() {
        return quoted(name);
    }

    String arrayColumn() {
        return quoted(name + " array");
    }

    String domainColumn() {
        return quoted(name + " domain");
    }

    String domainArrayColumn() {
        return quoted(name + " domain array");
    }

    String compositeColumn() {
        return quoted(name + " composite");
    }

    String compositeArrayColumn() {
        return quoted(name + " composite array");
    }

    List<String> columns() {
        return List.of(
                column(), arrayColumn(), domainColumn(), domainArrayColumn(), compositeColumn(), compositeArrayColumn());
    }

    String domain() {
        return "types." + domainColumn();
    }

    String composite() {
        return "types." + compositeColumn();
    }

    private static String quoted(String name) {
        return '"' + name.replace("\"", "'") + '"';
    }

    String definitions() {
        return "CREATE DOMAIN %s AS %s CHECK (VALUE IS NOT NULL OR true);\nCREATE TYPE %s AS (v %s, n int, a %s[], \"d d\" %s);\n"
                .formatted(domain(), sql, composite(), sql, sql, domain());
    }

    String columnDefinitions() {
        return "%s %s, %s %s[], %s %s, %s %s[], %s %s, %s %s[]".formatted(
                column(), sql, arrayColumn(), sql, domainColumn(), domain(), domainArrayColumn(), domain(),
                compositeColumn(), composite(), compositeArrayColumn(), composite());
    }

    /** SQL of what the columns hold in a row, in their order. */
    String row(int row) {
        String array = array(row);
        String composite = composite(row);
        return Stream.of(value(row), array, domainValue(row), "(" + array + ")::text::" + domain() + "[]", composite,
                        row % 3 == 2 ? "NULL" : "ARRAY[%s, NULL, %s]::%s[]".formatted(composite, composite(0), composite()))
                .collect(Collectors.joining(", "));
    }

    String value(int row) {
        return row < values.size() ? literal(values.get(row)) + "::" + sql : "NULL";
    }

    String domainValue(int row) {
        return "(" + value(row) + ")::" + domain();
    }

    String composite(int row) {
        return "ROW(%s, %d, %s, %s)::%s".formatted(value(row), row, array(row), domainValue(row), composite());
    }

    String array(int row) {
        String first = element(0);
        String last = element(values.size() - 1);
        String d = String.valueOf(delimiter);
        String text = switch (row) {
            case 0 -> elements().collect(Collectors.joining(d, "{", d + "NULL}"));
            case 1 -> "{{" + first + d + "NULL}" + d + "{" + element(1) + d + last + "}}";
            case 2 -> "{}";
            case 3 -> "[-2:0]={" + first + d + "NULL" + d + last + "}";
            case 4 -> "[0:1][5:6]={{" + first + d + last + "}" + d + "{NULL" + d + element(1) + "}}";
            default -> null;
        };
        return text == null ? "NULL" : literal(text) + "::" + sql + "[]";
    }

    private Stream<String> elements() {
        return values.stream().map(TriedType::element);
    }

    private String element(int index) {
        return element(values.get(index));
    }

    private static String element(String value) {
        return '"' + value.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }

    /** Expressions of the values that fit into an index. */
    List<String> keys() {
        List<String> keys = new ArrayList<>();
        for (int i = 0; i < values.size(); i++) {
            if (values.get(i).length() <= 1200) {
                keys.add(value(i));
            }
        }
        return keys;
    }
}
