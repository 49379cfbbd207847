package dev.sluice.reconciler;

import dev.sluice.catalog.Column;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.TableMapping;
import dev.sluice.reconciler.ComparedColumn.State;
import dev.sluice.reconciler.ComparedSide.Value;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.stream.Collectors;

/**
 * Which columns of a table are compared, and the statements of either side that read them as texts which are equal exactly if the
 * values are ({@link SelfTest} asks the servers whether they are).
 *
 * <p>A text is what the type's output function prints under the settings of {@link RowComparison}, except: floats and
 * timestamps are the bytes of their send functions, which no setting touches. {@code char(n)} keeps its padding, an {@code inet} of
 * one address has no netmask, and {@code xml} has no encoding declaration, as in the stream. Long texts are replaced by their
 * SHA-256 in the server, so neither side's long values travel.
 *
 * <p>Rows come ordered by their key's texts as UTF-8 bytes: the one order that both servers and Java agree about,
 * whatever collations the databases have. Tables without a key come as digests of whole rows with their number.
 */
public final class ComparedTable {
    /** Send functions by type oid, stable since the first version of each type. Source: {@code pg_type.dat}. */
    private static final Map<Integer, String> SEND =
            Map.of(700, "float4send", 701, "float8send", 1114, "timestamp_send", 1184, "timestamptz_send");

    /** Types whose text is never long: bool, int8, int2, int4, oid, date, time, timetz, uuid. */
    private static final Set<Integer> SHORT = Set.of(16, 20, 21, 23, 26, 1082, 1083, 1266, 2950);

    /** Types by which both servers order keys alike: int8, int2, int4, oid, date, timestamp, timestamptz, numeric, uuid. */
    private static final Set<Integer> ORDERED = Set.of(20, 21, 23, 26, 1082, 1114, 1184, 1700, 2950);

    /** Types that each server orders by a collation of its own: text, varchar. */
    private static final Set<Integer> COLLATED = Set.of(25, 1043);

    private static final int BPCHAR = 1042;
    private static final int BIT = 1560;
    private static final int INET = 869;
    private static final int XML = 142;

    private final TableMapping mapping;
    private final ComparedSide source;
    private final ComparedSide target;
    private final List<ComparedColumn> notCompared = new ArrayList<>();
    /** Of the key's columns, but for those that have different ones on the two sides. */
    private final List<Integer> keyTypes;

    /** While the columns are gone through. */
    private final List<Value> sourceValues = new ArrayList<>();

    private final List<Value> targetValues = new ArrayList<>();

    /** A table of which no column is computed. */
    ComparedTable(TableMapping mapping, TableShape source, TableShape target) {
        this(mapping, source, target, ComputedPairs.NONE);
    }

    /** @throws Failure.Fatal if the target lacks a column of the source, and the mapping does not leave it out */
    ComparedTable(TableMapping mapping, TableShape source, TableShape target, ComputedPairs computed) {
        this.mapping = mapping;
        boolean keyIsMapped = source.keyColumns().stream().noneMatch(mapping.exclude()::contains);
        List<String> key = keyIsMapped ? source.keyColumns() : List.of();
        source.columns().forEach(column -> addColumn(column, target));
        mapping.constants().forEach((name, value) -> addConstant(name, value, target));
        computed.expressions().forEach((name, expression) -> addComputed(name, expression, target));
        computed.reasons().forEach((name, reason) -> notCompared.add(new ComparedColumn(name, State.NOT_COMPUTED, reason)));
        listUnmapped(source, target);
        List<String> targetKey = key.stream().map(mapping::targetColumn).toList();
        this.source = side(mapping.source(), source, key, sourceValues, !computed.expressions().isEmpty());
        this.target = side(mapping.target(), target, targetKey, targetValues, false);
        keyTypes = key.stream()
                .filter(column -> source.column(column).orElseThrow().typeOid()
                        == target.column(mapping.targetColumn(column)).orElseThrow().typeOid())
                .map(column -> source.column(column).orElseThrow().typeOid())
                .toList();
    }

    /** @param readsAll expressions of the mapping may read any of its columns */
    private static ComparedSide side(TableId table, TableShape shape, List<String> key, List<Value> values, boolean readsAll) {
        List<String> types = key.stream().map(column -> unmodified(shape.column(column).orElseThrow())).toList();
        Set<String> read = new TreeSet<>(key);
        values.forEach(value -> value.column().ifPresent(read::add));
        if (readsAll) {
            shape.columns().forEach(column -> read.add(column.name()));
        }
        return new ComparedSide(table, key, types, List.copyOf(values), List.copyOf(read));
    }

    /** A cast to {@code numeric(10,2)} or {@code varchar(5)} would make another key of one that does not fit. */
    private static String unmodified(Column column) {
        return switch (column.typeOid()) {
            case BPCHAR -> "bpchar";
            case BIT -> "\"bit\"";
            default -> column.type().replaceAll("\\(-?\\d+(,-?\\d+)?\\)", "");
        };
    }

    private void addColumn(Column column, TableShape target) {
        if (mapping.exclude().contains(column.name())) {
            notCompared.add(new ComparedColumn(column.name(), State.LEFT_OUT, "left out by the mapping"));
            return;
        }
        String name = mapping.targetColumn(column.name());
        Column there = target.column(name).orElse(null);
        if (there == null && column.generated()) {
            notCompared.add(new ComparedColumn(column.name(), State.GENERATED, "generated, not in the target"));
        } else if (there == null) {
            throw missing(name, target);
        } else {
            boolean isShort = isShort(column) && isShort(there);
            sourceValues.add(value(column.name(), Optional.of(column.name()), text(column, there), isShort));
            targetValues.add(value(column.name(), Optional.of(name), text(there, column), isShort));
        }
    }

    /** The target's server says whether its column is the constant, since only it knows the column's type. */
    private void addConstant(String name, String value, TableShape target) {
        Column there = target.column(name).orElseThrow(() -> missing(name, target));
        String only = "'" + value.replace("'", "''") + "'::" + there.type();
        String is = "CASE WHEN " + TableId.quote(name) + "::text = (" + only + ")::text THEN 'same' ELSE 'other' END";
        sourceValues.add(value(name, Optional.empty(), "'same'", true));
        targetValues.add(new Value(name, Optional.of(name), is, true, Optional.of(only)));
    }

    /** The source computes it from its row. */
    private void addComputed(String name, String expression, TableShape target) {
        Column there = target.column(name).orElseThrow(() -> missing(name, target));
        String here = text(there.typeOid(), "(" + ComputedPairs.cast(expression, there) + ")", true);
        sourceValues.add(value(name, Optional.empty(), here, isShort(there)));
        targetValues.add(value(name, Optional.of(name), text(there, there), isShort(there)));
    }

    private static Value value(String name, Optional<String> column, String expression, boolean isShort) {
        return new Value(name, column, expression, isShort, Optional.empty());
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
                .forEach(name -> notCompared.add(new ComparedColumn(name, State.TARGET_ONLY, "in the target only")));
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
            case INET -> "textin(inet_out(" + value + "))";
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

    ComparedSide source() {
        return source;
    }

    ComparedSide target() {
        return target;
    }

    boolean hasKey() {
        return source.hasKey();
    }

    /** Source columns of the key, in its order. */
    List<String> key() {
        return source.key();
    }

    /** Source columns, or target columns that are constant or computed, in the order in which the statements give them. */
    List<String> columns() {
        return source.values().stream().map(Value::name).toList();
    }

    List<ComparedColumn> columnsLeftOut() {
        return notCompared;
    }

    /** Another one if something else is compared, or otherwise. */
    String digest() {
        String all = sourceDigestSql(RowCondition.ALL, 0) + targetDigestSql(RowCondition.ALL, 0);
        return UUID.nameUUIDFromBytes(all.getBytes(StandardCharsets.UTF_8)).toString();
    }

    List<String> notCompared() {
        return notCompared.stream().map(ComparedColumn::toString).toList();
    }

    /** Whether both servers order its rows alike by the key, so that a range of it has the same rows on both sides. */
    boolean hasSureRanges() {
        return hasKey() && keyTypes.size() == key().size() && ORDERED.containsAll(keyTypes);
    }

    /** Whether both servers may order its rows alike, if their collations do. */
    boolean mayHaveRanges() {
        return hasKey()
                && keyTypes.size() == key().size()
                && keyTypes.stream().allMatch(type -> ORDERED.contains(type) || COLLATED.contains(type));
    }

    /** The rows of a {@link KeyRange} or of single keys; of a table without a key the digests of all its rows. */
    String sourceSql(RowCondition condition) {
        return source.rowsSql(source.from(hasKey() ? condition : RowCondition.ALL));
    }

    String targetSql(RowCondition condition) {
        return target.rowsSql(target.from(hasKey() ? condition : RowCondition.ALL));
    }

    String sourceSql() {
        return sourceSql(RowCondition.ALL);
    }

    String targetSql() {
        return targetSql(RowCondition.ALL);
    }

    /**
     * Number of rows, and two sums over a hash of each, which can be taken apart again: of all rows less those of some.
     *
     * @param seed another one each pass, so that two rows with one hash do not hide behind it for ever
     */
    String sourceDigestSql(RowCondition condition, long seed) {
        return source.digestSql(source.from(condition), seed);
    }

    /** As {@link #sourceDigestSql}. */
    String targetDigestSql(RowCondition condition, long seed) {
        return target.digestSql(target.from(condition), seed);
    }

    /** The key that is {@code rows} rows behind the last border, at the source; as texts. */
    String nextBorderSql(KeyRange behind, int rows) {
        // a bare name would be that of the output column, a text: no index has that order, and the border would stand anywhere
        String columns = key().stream()
                .map(column -> mapping.source().quoted() + "." + TableId.quote(column))
                .collect(Collectors.joining(", "));
        return "SELECT " + String.join(", ", source.keyTexts())
                + " FROM " + source.from(behind) + " ORDER BY " + columns + " OFFSET " + rows + " LIMIT 1";
    }
}
