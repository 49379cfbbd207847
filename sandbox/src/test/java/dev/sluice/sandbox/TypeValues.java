package dev.sluice.sandbox;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** What is tried of each type: its ends, its special values, and texts that other languages would misread. */
final class TypeValues {
    /** Built-in types that are not tried, and why. */
    static final Map<String, String> LEFT_OUT = new TreeMap<>();

    private static final Map<String, List<String>> BUILT_IN = new TreeMap<>();

    static {
        String noInput = "its input function refuses every value, so a column of it is always NULL";
        for (String type : List.of(
                "pg_node_tree", "pg_ndistinct", "pg_dependencies", "pg_mcv_list", "gtsvector",
                "pg_brin_bloom_summary", "pg_brin_minmax_multi_summary")) {
            LEFT_OUT.put(type, noInput);
        }

        of("bool", "true", "false");
        of("int2", "-32768", "0", "-1", "32767");
        of("int4", "-2147483648", "0", "-1", "2147483647");
        of("int8", "-9223372036854775808", "0", "9007199254740993", "9223372036854775807");
        of("numeric",
                "NaN", "Infinity", "-Infinity", "0", "1", "1.0", "1.00", "-1.10", "0.000", "100", "1e30", "1e-30",
                "9".repeat(1000), "-0." + "123456789".repeat(111) + "1", "9".repeat(131072), "0." + "0".repeat(16382) + "1");
        of("numeric(38,10)", "1234567890123456789012345678.0123456789", "0", "-0.0000000001", "NaN");
        of("numeric(5,-2)", "-99", "0", "1234500", "NaN");
        of("numeric(3,5)", "0.00123", "-0.00999", "0");
        String[] floats = {"-0", "0", "NaN", "Infinity", "-Infinity", "1", "0.1", "-1.5", "123456789", "1e15", "1e16"};
        of("float4", floats, "1e-45", "1.17549421e-38", "1.17549435e-38", "3.4028235e38", "-3.4028235e38", "16777217", "0.3");
        of("float8", floats,
                "4.9e-324", "2.225073858507201e-308", "2.2250738585072014e-308", "1.7976931348623157e308", "9007199254740993",
                "0.30000000000000004", "5e-320");
        of("money", "-92233720368547758.08", "92233720368547758.07", "0", "-0.01", "1234567.89");

        of("text",
                "", " ", "NULL", "null", "'", "\"", "\\", "\\N", "\\x00", "{}", "a,b", "{\"a\"}", "😀 𝒳 \uD83D\uDC68\u200D\uD83D\uDC69",
                controls(), "\uFEFFbom", "\uFFFE\uFFFF\uDBFF\uDFFF", "e\u0301 ü", " leading and trailing ", "line\r\nbreak\u2028\u2029\u0085",
                "__debezium_unavailable_value", "unchanged", "$1 ? :x {fn x} %s", "<a&b>", "long ".repeat(20_000), "😀".repeat(9000));
        of("varchar", "", "a", " a ", controls(), "😀", "x".repeat(3000));
        of("varchar(50)", "", "a ", "😀".repeat(50));
        of("bpchar", "", "a", "b  ", " c", "😀 ", "x".repeat(3000) + "  ");
        of("char(10)", "", "a", "b  ", " c", "😀");
        of("char", "", "x", "\\377", "\\001", "\\", "\"", "'", ",", " ");
        of("name", "", "a name", "x".repeat(63), "ü\"'\\,{}");
        of("refcursor", "", "<unnamed portal 1>", "\"c,{}\\");
        of("json",
                "{\"b\": 1, \"a\" : 1.0,\"a\":null,   \"s\": \"\\u00e9\\n\"}", " [ 1 , 2 ]\n", "null", "\"x\"", "1.00", "1e400",
                "\t{\r\n\"k\"\t:\n\"😀 \\ud83d\\ude00 \\\\ \\\"\"}", "12345678901234567890.1234567890",
                "{\"long\": \"" + "j".repeat(5000) + "\"}");
        of("jsonb",
                "{\"b\": 1, \"a\": 1.00, \"s\": \"x\\\"y\\\\z\\n\"}", "[]", "{}", "null", "\"\"", "1E400", "-0.0",
                "12345678901234567890.1234567890", "\"😀\\u0001\"", "[1, [2, {\"k\": null}]]", "{\"long\": \"" + "j".repeat(5000) + "\"}");
        of("jsonpath", "$", "strict $.a[*] ? (@ > 1)", "$.\"a b\\\"c\".**{2 to last}", "$[*] ? (@ like_regex \"^a.*\" flag \"i\")");
        of("xml",
                "", "text only", "<a b=\"c\">&lt;<!-- d --><![CDATA[ ]]></a>", "<a/><b/>", "  <a>\n </a> ", "<ü>😀</ü>",
                "<?xml version=\"1.0\" standalone=\"yes\"?><a/>", "<a>" + "x".repeat(5000) + "</a>");
        of("tsvector", "", "'it''s':1A a:2,3B", "'a b' '\\\\' '\"'", "x:16383C", "ü '😀':1,2,3");
        of("tsquery", "", "a & (b | !c:*A)", "'it''s' <-> 'x y' <3> z", "!!a", "'\\\\':AB");
        of("bytea", "", "\\x00", "\\x5c", "\\x00ff5c27220a", "\\x" + "00ff5c27".repeat(2000));
        of("uuid", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "0123abcd-4567-89ef-0123-456789abcdef");
        of("bit", "0", "1");
        of("bit(5)", "00000", "10101", "11111");
        of("varbit", "", "0", "00", "0001", "1".repeat(333));
        of("varbit(20)", "", "0", "10".repeat(10));

        String[] dates = {"infinity", "-infinity", "1970-01-01", "2000-02-29", "1582-10-10", "0001-01-01", "0001-12-31 BC", "0044-03-15 BC"};
        of("date", dates, "4714-11-24 BC", "5874897-12-31", "10000-01-01");
        of("time", "00:00:00", "24:00:00", "23:59:59.999999", "12:00:00.1");
        of("time(2)", "23:59:59.99", "24:00:00", "01:02:03.4");
        of("timetz", "00:00:00+00", "24:00:00-15:59:59", "12:00:00.000001+15:59:59", "12:00:00+05:30", "23:59:59.999999-03:30:01");
        of("timestamp", dates,
                "4714-11-24 00:00:00 BC", "294276-12-31 23:59:59.999999", "2026-01-01 00:00:00.000001", "1969-12-31 23:59:59.999999");
        of("timestamp(0)", "2026-01-01 00:00:01", "infinity", "4714-11-24 00:00:00 BC");
        of("timestamptz", dates,
                "4714-11-24 00:00:00+00 BC", "294276-12-31 23:59:59.999999+00", "2026-03-29 02:30:00+01", "0044-03-15 12:00:00-15:59 BC",
                "1883-11-18 12:03:58-04:56:02");
        of("timestamptz(3)", "2026-01-01 00:00:00.123+00", "-infinity");
        of("interval",
                "0", "infinity", "-infinity", "1 mon", "30 days", "720:00:00", "-1 year -2 mons +3 days -04:05:06.789", "1-2 -3 4:05:06",
                "+1-2 -3 +4:05:06.789", "-1-2 +3 -4:05:06", "P1Y2M3DT4H5M6.789S", "P-1Y-2M3DT-4H", "@ 1 year 2 mons -3 days 4 hours ago", "-0.000001 secs",
                "178000000 years", "-178000000 years", "2147483646 days", "2562047788 hours 54.775807 secs", "1 day -00:00:01", "-1 days +00:00:01", "1.5 weeks");
        of("interval hour to minute", "5:04", "-1 day -5:04", "0");
        of("interval(2)", "1.23 secs", "-00:00:00.01", "infinity");

        of("inet", "0.0.0.0/0", "10.0.0.1", "10.0.0.1/8", "::", "::1/64", "::ffff:1.2.3.4", "2001:db8::1/127", "255.255.255.255");
        of("cidr", "0.0.0.0/0", "10.0.0.0/8", "10.0.0.1/32", "::/0", "::ffff:1.2.3.0/120", "2001:db8::/32");
        of("macaddr", "00:00:00:00:00:00", "08:00:2b:01:02:03", "ff:ff:ff:ff:ff:ff");
        of("macaddr8", "00:00:00:00:00:00:00:00", "08:00:2b:01:02:03:04:05", "ff:ff:ff:ff:ff:ff:ff:ff");

        of("point", "(0,-0)", "(1e-300,1.7976931348623157e308)", "(NaN,Infinity)", "(0.1,-0.30000000000000004)");
        of("line", "{1,2,3}", "{0,-1,0.1}", "{-1,0,1e300}");
        of("lseg", "[(0,0),(1,1)]", "[(0.1,-0),(NaN,-Infinity)]");
        of("box", "(2,2),(1,1)", "(0.1,1e300),(-0.1,-1e300)", "(Infinity,1),(1,-Infinity)");
        of("path", "[(0,0),(1,1),(2,0)]", "((0,0),(1,1),(2,0))", "((0.1,-0))");
        of("polygon", "((0,0),(1,1),(2,0))", "((0.1,-0))", "((1,2),(NaN,4))");
        of("circle", "<(0,0),5>", "<(0.1,-0),0>", "<(1,1),Infinity>", "<(1,1),NaN>");

        of("int4range", "empty", "(,)", "[1,5)", "[-2147483648,)", "(,2147483647)");
        of("int8range", "empty", "(,)", "[-9223372036854775808,)", "[1,2)");
        of("numrange", "empty", "(,)", "(1.5,NaN]", "[1.0,1.00]", "(-Infinity,0.10)", "[1.00,2.0)");
        of("daterange", "empty", "[2026-01-01,infinity]", "[-infinity,2026-01-01)", "[4713-01-01 BC,5874897-12-31)");
        of("tsrange", "empty", "[\"2026-01-01 00:00:00\",)", "(-infinity,infinity)", "[\"4713-01-01 00:00:00 BC\",\"294276-12-31 23:59:59.999999\"]");
        of("tstzrange", "empty", "(,\"2026-01-01 00:00:00+00\"]", "[-infinity,infinity]", "[\"0044-03-15 00:00:00+00 BC\",)");
        of("int4multirange", "{}", "{[1,3),[5,7)}", "{(,)}");
        of("int8multirange", "{}", "{[-9223372036854775808,0),[1,)}", "{[5,6)}");
        of("nummultirange", "{}", "{[1.0,1.00],(2,NaN]}", "{(,-Infinity]}");
        of("datemultirange", "{}", "{[4713-01-01 BC,2026-01-01),[2027-01-01,infinity]}", "{(,)}");
        of("tsmultirange", "{}", "{[\"2026-01-01 00:00:00\",\"2026-01-02 00:00:00\"),[infinity,)}", "{(,)}");
        of("tstzmultirange", "{}", "{[\"2026-01-01 00:00:00+00\",\"2026-01-02 00:00:00+00\"),[\"2027-01-01 00:00:00+00\",)}", "{(,)}");

        of("oid", "0", "2147483648", "4294967295");
        of("xid", "0", "3", "4294967295");
        of("xid8", "0", "4294967296", "18446744073709551615");
        of("cid", "0", "1", "4294967295");
        of("tid", "(0,0)", "(4294967295,65535)", "(1,2)");
        of("pg_lsn", "0/0", "16/B374D848", "FFFFFFFF/FFFFFFFF");
        of("pg_snapshot", "10:20:10,14,15", "1:1:", "1:9223372036854775807:");
        of("txid_snapshot", "10:20:10,14,15", "1:1:");
        of("int2vector", "", "1 -2 3", "32767");
        of("oidvector", "", "1 4294967295", "0");
        of("aclitem", "postgres=arwdDxtm/postgres", "=r*/postgres", "\"Some \"\"Role\"\"\"=X/postgres");
        of("regclass", "-", "pg_class", "public.\"Object 😀\"", "types.\"Object 😀\"", "4000000000");
        of("regproc", "-", "now", "types.function", "4000000000");
        of("regprocedure", "-", "abs(integer)", "public.\"Function\"(integer,text,types.mood)", "4000000000");
        of("regoper", "0", "pg_catalog.|/", "types.@#@", "4000000000");
        of("regoperator", "0", "+(integer,integer)", "-(none,integer)", "types.@#@(integer,integer)", "4000000000");
        of("regtype", "-", "integer", "timestamp with time zone", "integer[]", "types.mood", "types.mood[]", "public.\"Type\"", "\"char\"");
        of("regrole", "-", "postgres", "\"Some \"\"Role\"\"\"", "4000000000");
        of("regnamespace", "-", "pg_catalog", "public", "types", "4000000000");
        of("regcollation", "-", "\"C\"", "types.\"Collation\"", "4000000000");
        of("regconfig", "english", "types.words", "4000000000");
        of("regdictionary", "english_stem", "types.simply", "4000000000");
    }

    private TypeValues() {}

    private static void of(String type, String... values) {
        BUILT_IN.put(type, List.of(values));
    }

    private static void of(String type, String[] common, String... values) {
        List<String> all = new ArrayList<>(Arrays.asList(common));
        all.addAll(Arrays.asList(values));
        BUILT_IN.put(type, all);
    }

    /** Every control character that a text may have. */
    private static String controls() {
        StringBuilder text = new StringBuilder();
        for (char c = 1; c < 0xA1; c++) {
            if (c < 0x20 || c > 0x7E) {
                text.append(c);
            }
        }
        return text.toString();
    }

    /** By name in {@code pg_type}, or with a modifier; every name has values. */
    static Map<String, List<String>> builtIn() {
        return BUILT_IN;
    }

    /** Of types that the test makes in schema {@code types}. */
    static Map<String, List<String>> made() {
        Map<String, List<String>> made = new LinkedHashMap<>();
        made.put("mood", List.of("sad", "ok", "it's \"great\", {really}", "", "NULL", "\\", "😀"));
        made.put("span", List.of("empty", "[-0,NaN]", "[0.1,0.30000000000000004)", "(,)"));
        made.put("words", List.of("empty", "[\"a,\"\"b\\\\\",c]", "[\"\",\" \")", "(,)"));
        made.put("words_multirange", List.of("{}", "{[\"a,\"\"b\\\\\",c],[\"d d\",)}", "{(,)}"));
        return made;
    }

    /** Of contrib modules; the first word is the extension's name. */
    static Map<String, List<String>> contrib() {
        Map<String, List<String>> contrib = new LinkedHashMap<>();
        contrib.put("hstore", List.of("", "\"a\"=>\"1\", \"b c\"=>NULL", "\"q\\\"q\"=>\"\\\\\", \"😀\"=>\"{},=>\"", "\"\"=>\"\"", "\"NULL\"=>\"NULL\""));
        contrib.put("citext", List.of("", "CiText", "CITEXT", "ü Ü", controls()));
        contrib.put("ltree", List.of("", "Top.Science.Astronomy", "a_b.c-d"));
        contrib.put("lquery", List.of("*", "Top.*{1,2}.!a|b@%*", "a.b"));
        contrib.put("ltxtquery", List.of("a & b", "!x*@ | (y & z%)"));
        contrib.put("cube", List.of("(0)", "(1, -0, 1e+300),(0.1, 2, 3)", "(1, 2)"));
        contrib.put("isbn13", List.of("978-0-393-04002-9", "978-3-16-148410-0"));
        return contrib;
    }

    /** Extension of a type of {@link #contrib}. */
    static String extension(String type) {
        return switch (type) {
            case "lquery", "ltxtquery" -> "ltree";
            case "isbn13" -> "isn";
            default -> type;
        };
    }
}
