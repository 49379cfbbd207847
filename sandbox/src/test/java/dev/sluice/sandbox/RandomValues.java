package dev.sluice.sandbox;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** SQL expressions of random values of any type that a column may have; few different ones, so that they meet again. */
final class RandomValues {
    private static final String TYPES =
            """
            SELECT t.oid, t.typtype::text, t.typname, format_type(t.oid, NULL), t.typcategory = 'A' AND t.typlen = -1, t.typelem,
                   t.typbasetype,
                   ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder),
                   ARRAY(SELECT atttypid::bigint FROM pg_attribute
                         WHERE attrelid = t.typrelid AND attnum > 0 AND NOT attisdropped ORDER BY attnum),
                   coalesce((SELECT CASE t.typtype WHEN 'r' THEN rngsubtype ELSE rngtypid END FROM pg_range
                             WHERE t.oid IN (rngtypid, rngmultitypid)), 0)
            FROM pg_type t""";

    private static final List<String> WORDS = List.of(
            "", " ", "a", "A", "b ", "ä", "ann@example.org", "north", "sale", "😀", "it''s", "NULL", "\\x00", "{}", "{a,\"b\"}",
            "a b", "null", "x\ty\nz");

    /** @param inner of a range its subtype, of a multirange its range */
    private record Type(
            String kind, String name, String sql, boolean isArray, long element, long base, String[] labels, Long[] fields,
            long inner) {}

    private final Map<Long, Type> types = new HashMap<>();
    private final SplittableRandom random;

    RandomValues(Connection connection, SplittableRandom random) throws SQLException {
        this.random = random;
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery(TYPES)) {
            while (row.next()) {
                types.put(row.getLong(1), new Type(
                        row.getString(2), row.getString(3), row.getString(4), row.getBoolean(5), row.getLong(6), row.getLong(7),
                        (String[]) row.getArray(8).getArray(), (Long[]) row.getArray(9).getArray(), row.getLong(10)));
            }
        }
    }

    /** Of the column's type, now and then NULL. */
    String of(ForeignTable.Column column) {
        return !column.notNull() && oneOf(7) ? "NULL::" + column.type() : value(column.typeOid()) + "::" + column.type();
    }

    private String value(long oid) {
        Type type = types.get(oid);
        return switch (type.kind()) {
            case "d" -> value(type.base());
            case "e" -> type.labels().length == 0 ? "NULL" : literal(pick(type.labels())) + "::" + type.sql();
            case "c" -> Stream.of(type.fields()).map(this::valueOrNull)
                    .collect(Collectors.joining(", ", "ROW(", ")::" + type.sql()));
            case "r" -> range(type);
            case "m" -> oneOf(5)
                    ? "'{}'::" + type.sql()
                    : type.sql() + "(" + value(type.inner()) + ", " + value(type.inner()) + ")";
            default -> type.isArray() ? array(type) : plain(type.name());
        };
    }

    private String valueOrNull(long oid) {
        String cast = "::" + types.get(oid).sql();
        return oneOf(6) ? "NULL" + cast : value(oid) + cast;
    }

    private String range(Type type) {
        if (oneOf(10)) {
            return "'" + pick("empty", "(,)") + "'::" + type.sql();
        }
        String one = value(type.inner());
        String other = value(type.inner());
        return "%s(least(%s, %s), greatest(%s, %s), '%s')".formatted(type.sql(), one, other, one, other, pick("[)", "[]", "(]"));
    }

    private String array(Type type) {
        String name = type.sql();
        return switch (random.nextInt(6)) {
            case 0 -> "'{}'::" + name;
            case 1 -> "ARRAY[[%s, %s], [%s, NULL]]::%s".formatted(
                    valueOrNull(type.element()), valueOrNull(type.element()), value(type.element()), name);
            default -> "ARRAY[" + IntStream.rangeClosed(0, random.nextInt(3)).mapToObj(i -> valueOrNull(type.element()))
                    .collect(Collectors.joining(", ")) + "]::" + name;
        };
    }

    private String plain(String type) {
        return switch (type) {
            case "int2" -> Integer.toString(random.nextInt(40));
            case "int4", "int8" -> Integer.toString(random.nextInt(oneOf(4) ? 5000 : 60));
            case "numeric" -> "'" + pick("0", "1", "1.0", "1.00", "2", "-1", "0.05", "10.5", "99.99", "NaN", "3.1400")
                    + "'::numeric";
            case "float4", "float8" -> "'" + pick("0", "-0", "1", "0.1", "NaN", "Infinity", "1e-30", "3.3", "-2.5", "1e15")
                    + "'::" + type;
            case "bool" -> pick("true", "false");
            case "text", "varchar" -> text();
            case "bpchar", "citext", "name" -> "'" + WORDS.get(random.nextInt(WORDS.size())) + "'::" + type;
            case "char" -> "'" + pick("a", "B", "", " ") + "'::\"char\"";
            case "date" -> "('2024-12-01'::date + " + random.nextInt(500) + ")";
            case "timestamp", "timestamptz" -> oneOf(8) ? "'" + pick("infinity", "0044-03-15 BC") + "'::" + type
                    : "('2026-01-01 00:00:00.000001'::" + type + " + interval '" + random.nextInt(40) + " hours')";
            case "time", "timetz" -> "'" + pick("00:00", "24:00", "12:00:00.5", "23:59:59.999999") + "'::" + type;
            case "interval" -> "'" + pick("1 day", "24 hours", "-1 mon 3 days", "00:00:00.000001", "30 days", "1 mon", "0")
                    + "'::interval";
            case "uuid" -> "md5('" + random.nextInt(80) + "')::uuid";
            case "json" -> "'" + pick("{\"a\": 1,  \"a\": 2}", "[1, 2.0]", "null", "\"x\"", " {} ") + "'::json";
            case "jsonb" -> "'" + pick("{\"a\": 1.0}", "{\"a\": 1.00}", "[1, \"b\", null]", "null", "\"\"", "{}") + "'::jsonb";
            case "xml" -> "'" + pick("<a/>", "<a b=\"1\">ä</a>", "text", "") + "'::xml";
            case "bytea" -> oneOf(3)
                    ? "decode(public.long_text(" + (30 + random.nextInt(200)) + "), 'hex')"
                    : "'\\x" + pick("", "00", "00ff", "5c27") + "'::bytea";
            case "bit" -> "B'" + pick("000", "101", "111") + "'";
            case "varbit" -> "B'" + pick("", "0", "00", "10101") + "'";
            case "inet", "cidr" -> "'" + pick("10.0.0.0/8", "10.0.0.0", "192.168.0.0/24", "::1", "fe80::/10") + "'::" + type;
            case "macaddr" -> "'08:00:2b:01:02:0" + random.nextInt(10) + "'::macaddr";
            case "point" -> "point(" + random.nextInt(9) + ", -0.0)";
            case "box" -> "box(point(0, " + random.nextInt(9) + "), point(1.5, 2))";
            case "line" -> "line(point(0, 0), point(1, " + (1 + random.nextInt(9)) + "))";
            case "money" -> "'" + pick("0", "-1.05", "1234.56") + "'::money";
            case "pg_lsn" -> "'0/" + random.nextInt(99) + "'::pg_lsn";
            case "tsvector" -> "'a:1 b:2A'::tsvector";
            case "tsquery" -> "'" + pick("a & b", "!a | b:*", "a <2> b") + "'::tsquery";
            case "hstore" -> "'" + pick("", "a=>1", "a=>NULL, \"b c\"=>\"d\"", "x=>\"\"") + "'::hstore";
            case "ltree" -> "'" + pick("", "top", "top.a_b", "top.science.astronomy") + "'::ltree";
            default -> throw new IllegalArgumentException("no values of type " + type + " yet");
        };
    }

    /** Sometimes so long that it is kept out of line. */
    private String text() {
        return oneOf(6)
                ? "public.long_text(" + (80 + random.nextInt(400)) + ")"
                : "'" + WORDS.get(random.nextInt(WORDS.size())) + "'";
    }

    boolean oneOf(int times) {
        return random.nextInt(times) == 0;
    }

    String pick(String... some) {
        return some[random.nextInt(some.length)];
    }

    static String literal(String text) {
        return "'" + text.replace("'", "''") + "'";
    }
}
