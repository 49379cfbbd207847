package dev.sluice.reconciler;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The smallest changes of a column's value, by its type: each is a group of values that must all be told apart. What is the same to
 * an operator of SQL ({@code 1.0} and {@code 1.00}, {@code 0} and {@code -0}, a day and 24 hours) is here if it is stored otherwise.
 *
 * @param what is not seen if the values look the same
 * @param values SQL expressions of the column's type
 */
record Mutations(String what, List<String> values) {
    /** More than a page, a TOAST chunk and a buffer of any of the functions in between. */
    private static final int LONG = 1_048_577;

    /** Labels of an enum that are all told apart; of a larger one the first. */
    private static final int MOST_LABELS = 100;

    private static final String LONG_VALUE = "of a long value";

    private static final List<String> LETTERS = List.of("text", "character varying", "bpchar");

    /**
     * @param value an expression, the sample; it is of the type
     * @param others an expression for another value out of the table, or NULL
     */
    static List<Mutations> of(ColumnType type, String value, String others) {
        List<Mutations> all = new ArrayList<>(atLeast(type, value, others));
        all.addAll(byType(type, value));
        type.element().ifPresent(element -> all.addAll(ofArrays(type, element)));
        return all;
    }

    /** Those that every type has. */
    static List<Mutations> atLeast(ColumnType type, String value, String others) {
        return List.of(
                group("NULL in place of a value", value, type.nothing()),
                group("another value", value, type.cast(others), type.nothing()));
    }

    /** A value of the type, for a table that has none; empty if none can be made up. */
    static Optional<String> madeUp(ColumnType type) {
        if (type.kind() == 'e') {
            return type.labels().stream().findFirst().map(type::literal);
        }
        if (type.element().isPresent()) {
            return Optional.of(type.literal("{}"));
        }
        if (type.kind() == 'r') {
            return Optional.of(type.literal("empty"));
        }
        if (type.kind() == 'm') {
            return Optional.of(type.literal("{}"));
        }
        return byType(type, type.nothing()).stream()
                .flatMap(group -> group.values().stream())
                .filter(literal -> literal.startsWith("'"))
                .filter(literal -> !literal.startsWith("''"))
                .findFirst();
    }

    private static List<Mutations> byType(ColumnType type, String v) {
        if (type.kind() == 'e') {
            List<String> labels = type.labels().stream().limit(MOST_LABELS).map(type::literal).toList();
            return labels.size() < 2 ? List.of() : List.of(new Mutations("another label", labels));
        }
        return switch (type.kind()) {
            case 'r' -> List.of(literals(type, "the borders of a range", "empty", "(,)"));
            case 'm' -> List.of(literals(type, "the ranges of a multirange", "{}", "{(,)}"));
            case 'b' -> ofBase(type, v);
            default -> List.of();
        };
    }

    private static List<Mutations> ofBase(ColumnType type, String v) {
        return switch (type.oid()) {
            case 16 -> List.of(literals(type, "true in place of false", "true", "false"));
            case 20, 21, 23, 26 -> List.of(
                    group("the next number", v, type.cast(
                            "CASE WHEN (%1$s)::int8 > 0 THEN (%1$s)::int8 - 1 ELSE (%1$s)::int8 + 1 END".formatted(v))),
                    literals(type, "the number", "1", "2", "10"));
            case 1700 -> List.of(
                    literals(type, "a further digit", "1", "1.0", "1.00", "0", "NaN"),
                    literals(type, "the last of many digits", "1234567890123456789012345678.01", "1234567890123456789012345678.02"));
            case 790 -> List.of(literals(type, "a cent", "1.00", "1.01", "-1.00"));
            case 700 -> List.of(
                    literals(type, "the last bit of a number", "1", "1.0000001", "3.4028235e38", "3.4028233e38", "NaN"),
                    literals(type, "the sign of zero", "0", "-0", "1e-45"));
            case 701 -> List.of(
                    literals(type, "the last bit of a number", "1", "1.0000000000000002", "0.3", "0.30000000000000004", "NaN"),
                    literals(type, "the sign of zero", "0", "-0", "4.9e-324"));
            case 1114, 1184 -> ofTimestamps(type, v);
            case 1082 -> List.of(literals(type, "the next day", "2026-01-01", "2026-01-02", "0044-03-15 BC", "infinity", "-infinity"));
            case 1083 -> List.of(literals(type, "a microsecond", "12:00:00.000001", "12:00", "00:00", "24:00"));
            case 1266 -> List.of(literals(type, "the zone", "12:00+00", "13:00+01", "12:00:00.000001+00"));
            case 1186 -> List.of(literals(
                    type, "a day in place of 24 hours", "1 day", "24 hours", "1 month", "30 days", "24:00:00.000001"));
            case 25, 1043, 1042 -> ofTexts(type, v);
            case 19 -> List.of(literals(type, "the case of a letter", "a", "A", "a "));
            case 18 -> List.of(literals(type, "the case of a letter", "a", "A"));
            case 114 -> List.of(
                    literals(type, "a blank", "{\"a\":1}", "{\"a\": 1}", "{\"a\":1,\"a\":1}", "{\"a\":1.0}", "null", "{\"a\":null}", "{}"),
                    longJson(type));
            case 3802 -> List.of(
                    literals(
                            type, "a key or a digit", "{\"a\": 1}", "{\"a\": 1.0}", "{\"a\": 1.00}", "{\"a\": 1, \"b\": 1}",
                            "{\"a\": null}", "{}", "null", "{\"a\": \"1\"}"),
                    longJson(type));
            case 142 -> List.of(literals(type, "how an element is written", "<a/>", "<a></a>", "<a b=\"\"/>"));
            case 17 -> List.of(
                    literals(type, "the last bit", "\\x00", "\\x01", "\\x0000", "\\x"),
                    group("the last byte " + LONG_VALUE, longBytes("00"), longBytes("01")));
            case 2950 -> List.of(literals(
                    type, "the last digit", "00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000001"));
            case 1560, 1562 -> List.of(literals(type, "a bit", "1", "0", "00"));
            case 869 -> List.of(literals(type, "the netmask", "10.0.0.1", "10.0.0.1/8", "::ffff:10.0.0.1"));
            case 650 -> List.of(literals(type, "the netmask", "10.0.0.0/8", "10.0.0.0/9"));
            case 829, 774 -> List.of(literals(type, "the last digit", "08:00:2b:01:02:03", "08:00:2b:01:02:04"));
            case 600 -> List.of(literals(type, "the last bit of a number", "(0,1)", "(-0,1)", "(0,1.0000000000000002)"));
            case 601 -> List.of(literals(type, "the direction", "[(0,0),(1,1)]", "[(1,1),(0,0)]"));
            case 602 -> List.of(literals(type, "whether it is closed", "[(0,0),(1,1)]", "((0,0),(1,1))"));
            case 603 -> List.of(literals(type, "a corner", "(1,1),(0,0)", "(1,1),(-0,0)"));
            case 604 -> List.of(literals(type, "a corner", "((0,0),(1,1))", "((0,0),(1,2))"));
            case 628 -> List.of(literals(type, "the last bit of a number", "{1,2,3}", "{1,2,3.0000000000000004}"));
            case 718 -> List.of(literals(type, "the radius", "<(0,0),1>", "<(0,0),1.0000000000000002>"));
            case 3614 -> List.of(literals(type, "a weight", "a:1", "a:1A", "a:2", "a"));
            case 3615 -> List.of(literals(type, "an operator", "a & b", "a | b"));
            case 3220 -> List.of(literals(type, "the last digit", "0/1", "0/2", "1/1"));
            case 28, 29, 5069 -> List.of(literals(type, "the number", "1", "2"));
            default -> type.category() == 'S' ? List.of(literals(type, "the case of a letter", "a", "A", "a ")) : List.of();
        };
    }

    private static List<Mutations> ofTimestamps(ColumnType type, String v) {
        String later = "CASE WHEN isfinite(%1$s) AND %1$s < '200000-01-01' THEN %1$s + '%2$s'::interval ELSE '2026-01-01' END";
        return List.of(
                literals(type, "infinity", "2026-01-01", "infinity", "-infinity"),
                group("a microsecond", v, type.cast(later.formatted(v, "1 microsecond"))),
                group("an hour, as of another zone", v, type.cast(later.formatted(v, "1 hour"))));
    }

    private static List<Mutations> ofTexts(ColumnType type, String v) {
        String end = "(%s)::text || '%s'";
        List<Mutations> all = new ArrayList<>(List.of(
                literals(type, "NULL in place of an empty text", "a", "").and(type.nothing()),
                group("the case of a letter", type.cast(end.formatted(v, "a")), type.cast(end.formatted(v, "A"))),
                group("the last character " + LONG_VALUE, longText(type, "a"), longText(type, "b"))));
        if (!type.isPadded()) {
            all.add(group("a blank at the end", type.cast(end.formatted(v, "a")), type.cast(end.formatted(v, "a "))));
        }
        return all;
    }

    private static String longText(ColumnType type, String end) {
        return type.cast("repeat('x', %d) || '%s'".formatted(LONG, end));
    }

    private static Mutations longJson(ColumnType type) {
        String json = "'{\"a\": \"' || repeat('x', " + LONG + ") || '%s\"}'";
        return group("the last character " + LONG_VALUE, type.cast(json.formatted("a")), type.cast(json.formatted("b")));
    }

    private static String longBytes(String end) {
        return "decode(repeat('78', %d) || '%s', 'hex')".formatted(LONG, end);
    }

    private static List<Mutations> ofArrays(ColumnType type, ColumnType element) {
        List<Mutations> all = new ArrayList<>();
        all.add(literals(type, "a NULL or the lower bound of an array", "{}", "{NULL}", "[2:2]={NULL}", "{{NULL}}")
                .and(type.cast("ARRAY[NULL, NULL]")));
        byType(element, element.nothing()).stream()
                .filter(group -> group.values().stream().allMatch(Mutations::isLiteral))
                .forEach(group -> all.add(new Mutations(
                        group.what() + " in an element",
                        group.values().stream().map(value -> type.cast("ARRAY[" + value + "]")).toList())));
        if (LETTERS.contains(element.name())) {
            all.add(literals(type, "NULL in place of a text of an array", "{NULL}", "{\"NULL\"}", "{\"null\"}", "{\"\"}"));
        }
        return all;
    }

    /** Whether its values are larger than a sample. */
    boolean isLong() {
        return what.contains(LONG_VALUE);
    }

    private static boolean isLiteral(String value) {
        return value.startsWith("'");
    }

    private Mutations and(String further) {
        return new Mutations(what, Stream.concat(values.stream(), Stream.of(further)).toList());
    }

    private static Mutations group(String what, String... values) {
        return new Mutations(what, List.of(values));
    }

    private static Mutations literals(ColumnType type, String what, String... texts) {
        return new Mutations(what, Stream.of(texts).map(type::literal).toList());
    }
}
