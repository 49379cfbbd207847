package dev.sluice.apply;

import dev.sluice.apply.RowChange.Key;
import dev.sluice.catalog.Column;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.postgresql.PGConnection;

/**
 * The order of a table's keys as its index at the source has it. Integers and UUIDs are compared here; of all others, text under
 * a collation first of all, only the source knows the order, so it is asked.
 *
 * <p>Threads: any.
 */
final class KeyOrder {
    /** int8, int2, int4, oid: by number. */
    private static final Set<Integer> NUMBERS = Set.of(20, 21, 23, 26);
    /** bytea as hexadecimal digits, uuid: by their text. */
    private static final Set<Integer> TEXTS = Set.of(17, 2950);

    private final TableId table;
    private final List<Column> columns;
    private final List<Compared> compared;
    private final boolean hasRanges;
    private final String searchPath;

    private KeyOrder(TableId table, List<Column> columns, List<Compared> compared, boolean hasRanges, String searchPath) {
        this.table = table;
        this.columns = columns;
        this.compared = compared;
        this.hasRanges = hasRanges;
        this.searchPath = searchPath;
    }

    /**
     * What the server compares by: of a domain the type below it, of which alone it always knows the operators. With its schema,
     * so that it reads the same in every session, and without a length, which {@code bit} and {@code character} have by default.
     */
    private record Compared(String type, String collation) {}

    static KeyOrder read(Connection source, TableShape shape) throws SQLException {
        List<Column> columns =
                shape.keyColumns().stream().map(name -> shape.column(name).orElseThrow()).toList();
        Map<String, Compared> compared = new HashMap<>();
        Set<String> schemas = new LinkedHashSet<>(List.of("pg_catalog"));
        boolean isOdd = false;
        try (PreparedStatement query = source.prepareStatement(
                """
                WITH RECURSIVE base AS (
                    SELECT a.attname, a.attcollation, t.oid, t.typname, t.typbasetype, t.typnamespace
                    FROM pg_catalog.pg_class r
                    JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
                    JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
                    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
                    WHERE n.nspname = ? AND r.relname = ? AND a.attname = ANY (?)
                    UNION ALL
                    SELECT base.attname, base.attcollation, b.oid, b.typname, b.typbasetype, b.typnamespace
                    FROM base JOIN pg_catalog.pg_type b ON b.oid = base.typbasetype)
                SELECT base.attname, pg_catalog.format('%I.%I', tn.nspname, base.typname), tn.nspname, cn.nspname, c.collname,
                       EXISTS (SELECT 1 FROM pg_catalog.pg_opclass k
                               JOIN pg_catalog.pg_am m ON m.oid = k.opcmethod AND m.amname = 'btree'
                               JOIN pg_catalog.pg_amop p ON p.amopfamily = k.opcfamily AND p.amopstrategy = 1
                                   AND p.amoplefttype = base.oid AND p.amoprighttype = base.oid
                               JOIN pg_catalog.pg_operator o ON o.oid = p.amopopr AND o.oprname <> '<'
                               WHERE k.opcintype = base.oid AND k.opcdefault)
                FROM base
                JOIN pg_catalog.pg_namespace tn ON tn.oid = base.typnamespace
                LEFT JOIN pg_catalog.pg_collation c ON c.oid = base.attcollation
                LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = c.collnamespace
                WHERE base.typbasetype = 0""")) {
            query.setString(1, shape.id().schema());
            query.setString(2, shape.id().table());
            query.setArray(3, source.createArrayOf("text", shape.keyColumns().toArray()));
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    schemas.add(row.getString(3)); // the operators of an extension's type stand beside it
                    String collation = row.getString(4) == null
                            ? ""
                            : " COLLATE " + TableId.quote(row.getString(4)) + "." + TableId.quote(row.getString(5));
                    compared.put(row.getString(1), new Compared(row.getString(2), collation));
                    isOdd |= row.getBoolean(6);
                }
            }
        }
        return new KeyOrder(
                shape.id(),
                columns,
                columns.stream().map(column -> compared.get(column.name())).toList(),
                !columns.isEmpty() && !isOdd,
                schemas.stream().map(TableId::quote).collect(Collectors.joining(", ")));
    }

    /** By it a range tells later whether it was cut by this order: columns, and what the server compares them by. */
    String text() {
        return IntStream.range(0, columns.size())
                .mapToObj(i -> TableId.quote(columns.get(i).name()) + " " + compared.get(i).type() + compared.get(i).collation())
                .collect(Collectors.joining(", "));
    }

    /**
     * Whether changes whose key has these columns can be put in this order.
     *
     * @param sourceColumns in key order
     */
    boolean isOf(List<String> sourceColumns) {
        return columns.stream().map(Column::name).toList().equals(sourceColumns);
    }

    /** Whether nobody needs to be asked. */
    boolean isPlain() {
        return columns.stream().allMatch(column -> NUMBERS.contains(column.typeOid()) || TEXTS.contains(column.typeOid()));
    }

    /** The key's columns in the target. */
    List<String> names(TableMapping mapping) {
        return columns.stream().map(column -> mapping.targetColumn(column.name())).toList();
    }

    /** Whether rows can be read by parts: not without a key, and not where its type has no operator named {@code <}, as hstore. */
    boolean hasRanges() {
        return hasRanges;
    }

    boolean hasKey() {
        return !columns.isEmpty();
    }

    /** For sessions in which the SQL of this class runs. */
    String searchPathSql() {
        return "SET search_path = " + searchPath;
    }

    /** How many of the borders each key is not below; only if {@link #isPlain}. */
    int[] places(List<Key> keys, List<Key> borders) {
        return keys.stream()
                .mapToInt(key ->
                        (int) borders.stream().filter(border -> compare(border, key) <= 0).count())
                .toArray();
    }

    private int compare(Key one, Key other) {
        for (int i = 0; i < columns.size(); i++) {
            String a = one.values().get(i);
            String b = other.values().get(i);
            int order = NUMBERS.contains(columns.get(i).typeOid())
                    ? Long.compare(Long.parseLong(a), Long.parseLong(b))
                    : a.compareTo(b);
            if (order != 0) {
                return order;
            }
        }
        return 0;
    }

    /** The same for keys of any type, by asking the source. */
    int[] places(Connection source, List<Key> keys, List<Key> borders) throws SQLException {
        String arrays = parameters();
        String sql = "SELECT (SELECT count(*) FROM unnest(" + arrays + ") AS b(" + names() + ") WHERE "
                + row(i -> cast("b.c" + i, i)) + " <= " + row(i -> cast("k.c" + i, i) + compared.get(i).collation())
                + ") FROM unnest(" + arrays + ") WITH ORDINALITY AS k(" + names() + ", place) ORDER BY place";
        int[] places = new int[keys.size()];
        try (PreparedStatement query = source.prepareStatement(sql)) {
            int parameter = bind(source, query, 1, borders);
            bind(source, query, parameter, keys);
            try (ResultSet row = query.executeQuery()) {
                for (int i = 0; row.next(); i++) {
                    places[i] = row.getInt(1);
                }
            }
        }
        return places;
    }

    private String parameters() {
        return columns.stream().map(column -> "?::text[]").collect(Collectors.joining(", "));
    }

    private String names() {
        return IntStream.range(0, columns.size()).mapToObj(i -> "c" + i).collect(Collectors.joining(", "));
    }

    private int bind(Connection source, PreparedStatement query, int first, List<Key> keys) throws SQLException {
        int parameter = first;
        for (int i = 0; i < columns.size(); i++) {
            int column = i;
            query.setArray(
                    parameter++,
                    source.createArrayOf("text", keys.stream().map(key -> key.values().get(column)).toArray()));
        }
        return parameter;
    }

    private String row(IntFunction<String> element) {
        return IntStream.range(0, columns.size()).mapToObj(element).collect(Collectors.joining(", ", "ROW(", ")"));
    }

    private String cast(String value, int column) {
        return "CAST(" + value + " AS " + compared.get(column).type() + ")";
    }

    /** The condition that a row's key lies in the range; {@code true} for all. */
    String within(PGConnection source, RereadStore.Range range) throws SQLException {
        List<String> limits = new ArrayList<>();
        if (range.lo() != null) {
            limits.add(own() + " >= " + literal(source, range.lo()));
        }
        if (range.hi() != null) {
            limits.add(own() + " < " + literal(source, range.hi()));
        }
        return limits.isEmpty() ? "true" : String.join(" AND ", limits);
    }

    private String own() {
        return row(i -> cast(TableId.quote(columns.get(i).name()), i));
    }

    private String literal(PGConnection source, Key key) throws SQLException {
        List<String> values = new ArrayList<>();
        for (int i = 0; i < columns.size(); i++) {
            values.add(cast("'" + source.escapeLiteral(key.values().get(i)) + "'", i));
        }
        return "ROW(" + String.join(", ", values) + ")";
    }

    /**
     * The key that stands {@code rows} behind the beginning of the range; null if the range has not so many.
     *
     * @param condition further, on the source's columns
     */
    Key nth(Connection source, RereadStore.Range range, long rows, String condition) throws SQLException {
        String keys = columns.stream().map(column -> TableId.quote(column.name())).collect(Collectors.joining(", "));
        String texts = columns.stream()
                .map(column -> TableId.quote(column.name()) + "::text")
                .collect(Collectors.joining(", "));
        String sql = "SELECT " + texts + " FROM (SELECT " + keys + " FROM " + table.quoted() + " WHERE "
                + within(source.unwrap(PGConnection.class), range) + condition
                + " ORDER BY " + keys + " OFFSET " + rows + " LIMIT 1) AS k";
        try (PreparedStatement query = source.prepareStatement(sql);
                ResultSet row = query.executeQuery()) {
            if (!row.next()) {
                return null;
            }
            String[] values = new String[columns.size()];
            for (int i = 0; i < values.length; i++) {
                values[i] = row.getString(i + 1);
            }
            return Key.of(values);
        }
    }
}
