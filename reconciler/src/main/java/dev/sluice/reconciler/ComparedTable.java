package dev.sluice.reconciler;

import dev.sluice.catalog.Column;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Which columns of a table are compared, and the two statements that read them as texts which are equal exactly if the
 * values are.
 *
 * <p>A text is what the type's output function prints under the settings of {@link RowComparison}, except: floats and
 * timestamps are the bytes of their send functions, which no setting touches, {@code char(n)} keeps its padding, and
 * {@code xml} is printed, which leaves its encoding declaration out, as the stream does. Texts longer than {@value #LONG} bytes are replaced by their SHA-256 in the server, so neither side's long values
 * travel.
 *
 * <p>Rows come ordered by their key's texts as UTF-8 bytes: the one order that both servers and Java agree about,
 * whatever collations the databases have. Tables without a key come as digests of whole rows with their number.
 */
public final class ComparedTable {
    private static final int LONG = 200;

    /** Send functions by type oid, stable since the first version of each type. Source: {@code pg_type.dat}. */
    private static final Map<Integer, String> SEND =
            Map.of(700, "float4send", 701, "float8send", 1114, "timestamp_send", 1184, "timestamptz_send");

    /** Types whose text is never long: bool, int8, int2, int4, oid, date, time, timetz, uuid. */
    private static final Set<Integer> SHORT = Set.of(16, 20, 21, 23, 26, 1082, 1083, 1266, 2950);

    /** Types by which both servers order keys alike: int8, int2, int4, oid, date, timestamp, timestamptz, numeric, uuid. */
    private static final Set<Integer> ORDERED = Set.of(20, 21, 23, 26, 1082, 1114, 1184, 1700, 2950);

    private static final int BPCHAR = 1042;
    private static final int XML = 142;

    /** One compared value; the expressions are SQL and give texts. */
    private record Pair(String column, String source, String target, boolean isShort) {}

    private final TableMapping mapping;
    private final List<String> key;
    private final List<Pair> pairs = new ArrayList<>();
    private final List<String> notCompared = new ArrayList<>();
    /** Of the key's columns, on either side. */
    private final List<String> sourceKeyTypes;
    private final List<String> targetKeyTypes;
    private final boolean hasRanges;

    /** A table of which no column is computed. */
    ComparedTable(TableMapping mapping, TableShape source, TableShape target) {
        this(mapping, source, target, ComputedPairs.NONE);
    }

    /** @throws Failure.Fatal if the target lacks a column of the source, and the mapping does not leave it out */
    ComparedTable(TableMapping mapping, TableShape source, TableShape target, ComputedPairs computed) {
        this.mapping = mapping;
        boolean keyIsMapped = source.keyColumns().stream().noneMatch(mapping.exclude()::contains);
        key = keyIsMapped ? source.keyColumns() : List.of();
        source.columns().forEach(column -> addColumn(column, target));
        sourceKeyTypes = key.stream().map(column -> source.column(column).orElseThrow().type()).toList();
        targetKeyTypes = key.stream()
                .map(column -> target.column(mapping.targetColumn(column)).orElseThrow().type())
                .toList();
        hasRanges = hasKey()
                && key.stream().allMatch(column -> ORDERED.contains(source.column(column).orElseThrow().typeOid())
                        && source.column(column).orElseThrow().typeOid()
                                == target.column(mapping.targetColumn(column)).orElseThrow().typeOid());
        mapping.constants().forEach((name, value) -> addConstant(name, value, target));
        computed.expressions().forEach((name, expression) -> addComputed(name, expression, target));
        computed.reasons().forEach((name, reason) -> notCompared.add("%s (%s)".formatted(name, reason)));
        listUnmapped(source, target);
    }

    private void addColumn(Column column, TableShape target) {
        if (mapping.exclude().contains(column.name())) {
            notCompared.add(column.name() + " (left out by the mapping)");
            return;
        }
        String name = mapping.targetColumn(column.name());
        Column there = target.column(name).orElse(null);
        if (there == null && column.generated()) {
            notCompared.add(column.name() + " (generated, not in the target)");
        } else if (there == null) {
            throw missing(name, target);
        } else {
            boolean isShort = isShort(column) && isShort(there);
            pairs.add(new Pair(column.name(), text(column, there), text(there, column), isShort));
        }
    }

    /** The target's server says whether its column is the constant, since only it knows the column's type. */
    private void addConstant(String name, String value, TableShape target) {
        Column there = target.column(name).orElseThrow(() -> missing(name, target));
        String constant = "('" + value.replace("'", "''") + "'::" + there.type() + ")::text";
        String is = "CASE WHEN " + TableId.quote(name) + "::text = " + constant + " THEN 'same' ELSE 'other' END";
        pairs.add(new Pair(name, "'same'", is, true));
    }

    /** The source computes it from its row. */
    private void addComputed(String name, String expression, TableShape target) {
        Column there = target.column(name).orElseThrow(() -> missing(name, target));
        String here = text(there.typeOid(), "(" + ComputedPairs.cast(expression, there) + ")", true);
        pairs.add(new Pair(name, here, text(there, there), isShort(there)));
    }

    private void listUnmapped(TableShape source, TableShape target) {
        Set<String> mapped = source.columns().stream()
                .filter(column -> !mapping.exclude().contains(column.name()))
                .map(column -> mapping.targetColumn(column.name()))
                .collect(Collectors.toSet());
        target.columns().stream()
                .map(Column::name)
                .filter(name -> !mapped.contains(name)
                        && !mapping.constants().containsKey(name)
                        && !mapping.transform().containsKey(name))
                .forEach(name -> notCompared.add(name + " (in the target only)"));
    }

    private Failure.Fatal missing(String column, TableShape target) {
        return new Failure.Fatal(
                Stop.SETUP,
                "target %s has no column %s".formatted(target.id(), column),
                "add the column, or leave it out under tables of the configuration");
    }

    /** @param other the column on the other side: bytes of a send function are compared between equal types only */
    private static String text(Column column, Column other) {
        return text(column.typeOid(), TableId.quote(column.name()), column.typeOid() == other.typeOid());
    }

    private static String text(int typeOid, String value, boolean isSameType) {
        if (isSameType && SEND.containsKey(typeOid)) {
            return "encode(" + SEND.get(typeOid) + "(" + value + "), 'hex')";
        }
        return switch (typeOid) {
            case BPCHAR -> "textin(bpcharout(" + value + "))";
            case XML -> "textin(xml_out(" + value + "))";
            default -> value + "::text";
        };
    }

    private static boolean isShort(Column column) {
        return SEND.containsKey(column.typeOid()) || SHORT.contains(column.typeOid());
    }

    TableMapping mapping() {
        return mapping;
    }

    boolean hasKey() {
        return !key.isEmpty();
    }

    /** Source columns of the key, in its order. */
    List<String> key() {
        return key;
    }

    /** Source columns, or target columns that are constant or computed, in the order in which the statements give them. */
    List<String> columns() {
        return pairs.stream().map(Pair::column).toList();
    }

    List<String> notCompared() {
        return notCompared;
    }

    /** Whether both servers order its rows alike by the key, so that a range of it has the same rows on both sides. */
    boolean hasRanges() {
        return hasRanges;
    }

    /** The rows of a {@link KeyRange} or of single keys, or the digest of them. */
    String sourceSql(RowCondition condition) {
        return hasKey()
                ? rows(mapping.source(), key, condition.sql(key, sourceKeyTypes), Pair::source)
                : digests(mapping.source(), Pair::source);
    }

    String targetSql(RowCondition condition) {
        return hasKey()
                ? rows(mapping.target(), targetKey(), condition.sql(targetKey(), targetKeyTypes), Pair::target)
                : digests(mapping.target(), Pair::target);
    }

    String sourceSql() {
        return sourceSql(RowCondition.ALL);
    }

    String targetSql() {
        return targetSql(RowCondition.ALL);
    }

    /** Of rows of a table with a key: the key's texts, then what else is asked of each, SQL that gives texts. */
    String sourceSql(RowCondition condition, List<String> asked) {
        return rows(mapping.source(), key, condition.sql(key, sourceKeyTypes), asked.stream());
    }

    /** As {@link #sourceSql(RowCondition, List)}. */
    String targetSql(RowCondition condition, List<String> asked) {
        return rows(mapping.target(), targetKey(), condition.sql(targetKey(), targetKeyTypes), asked.stream());
    }

    /** SQL of the values that are compared, in the order of {@link #columns}. */
    List<String> sourceValues() {
        return pairs.stream().map(Pair::source).toList();
    }

    /** As {@link #sourceValues}. */
    List<String> targetValues() {
        return pairs.stream().map(Pair::target).toList();
    }

    /**
     * Number of rows, and two sums over a hash of each, which can be taken apart again: of all rows less those of some.
     *
     * @param seed another one each pass, so that two rows with one hash do not hide behind it for ever
     */
    String sourceDigestSql(RowCondition condition, long seed) {
        return digest(mapping.source(), condition.sql(key, sourceKeyTypes), seed, Pair::source);
    }

    /** As {@link #sourceDigestSql}. */
    String targetDigestSql(RowCondition condition, long seed) {
        return digest(mapping.target(), condition.sql(targetKey(), targetKeyTypes), seed, Pair::target);
    }

    private String digest(TableId table, String where, long seed, Function<Pair, String> expression) {
        String row = pairs.stream().map(expression).collect(Collectors.joining(",\n    ", "ROW(\n    ", ")::text"));
        return "SELECT count(*), coalesce(bit_xor(h), 0), coalesce(sum(h), 0)\nFROM (\n  SELECT hashtextextended(" + row
                + " COLLATE \"C\", " + seed + ") AS h\n  FROM " + table.quoted() + where + ") AS hashes";
    }

    /** The key that is {@code rows} rows behind the last border, at the source; as texts. */
    String nextBorderSql(KeyRange behind, int rows) {
        String columns = key.stream().map(TableId::quote).collect(Collectors.joining(", "));
        return "SELECT " + key.stream().map(column -> TableId.quote(column) + "::text").collect(Collectors.joining(", "))
                + " FROM " + mapping.source().quoted() + behind.sql(key, sourceKeyTypes) + " ORDER BY " + columns + " OFFSET " + rows
                + " LIMIT 1";
    }

    /** Target columns of the key, in its order. */
    List<String> targetKey() {
        return key.stream().map(mapping::targetColumn).toList();
    }

    private String rows(TableId table, List<String> keyColumns, String where, Function<Pair, String> expression) {
        return rows(table, keyColumns, where, pairs.stream()
                .map(pair -> pair.isShort() ? expression.apply(pair) : shortened(expression.apply(pair))));
    }

    private static String rows(TableId table, List<String> keyColumns, String where, Stream<String> values) {
        Stream<String> keys = keyColumns.stream().map(column -> TableId.quote(column) + "::text");
        String order = keyColumns.stream()
                .map(column -> "convert_to(" + TableId.quote(column) + "::text, 'UTF8')")
                .collect(Collectors.joining(", "));
        return "SELECT\n  " + Stream.concat(keys, values).collect(Collectors.joining(",\n  ")) + "\nFROM " + table.quoted()
                + where + "\nORDER BY " + order;
    }

    private String digests(TableId table, Function<Pair, String> expression) {
        String row = pairs.stream().map(expression).collect(Collectors.joining(",\n    ", "ROW(\n    ", ")::text"));
        return "SELECT encode(digest, 'hex'), count(*)::text\nFROM (\n  SELECT sha256(convert_to(" + row
                + ", 'UTF8')) AS digest\n  FROM " + table.quoted() + ") AS digests\nGROUP BY digest\nORDER BY digest";
    }

    /** The first character tells a short text from a digest, so none can pass for the other. */
    private static String shortened(String text) {
        return "CASE WHEN octet_length(" + text + ") <= " + LONG + " THEN '=' || " + text
                + " ELSE '#' || encode(sha256(convert_to(" + text + ", 'UTF8')), 'hex') END";
    }
}
