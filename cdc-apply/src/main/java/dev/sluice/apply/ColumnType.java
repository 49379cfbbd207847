package dev.sluice.apply;

import dev.sluice.catalog.TableShape;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * How the values of a column travel in a set statement: as one array parameter, and from it as the column's type.
 *
 * <p>A type with an array type of its own is sent as that array. Arrays, which {@code unnest} would flatten, composites,
 * which it would spread over columns, and the few types without one or with another delimiter are sent as text and cast
 * element by element. Names come from
 * {@code pg_type}, so no type modifier cuts a value short on the way; the column's own applies at the end.
 *
 * @param name the type itself, quoted
 * @param parameter type of the array parameter
 * @param isCast whether each element is cast to the type
 * @param equal the operator that its index uses, with its schema, which the search path need not have
 * @param comparedAs the enum that the type is, or is a domain over: the server knows no equality of such a domain
 */
record ColumnType(String name, String parameter, boolean isCast, String equal, Optional<String> comparedAs) {

    /** Types by oid. */
    static Map<Integer, ColumnType> read(Connection target, Collection<Integer> oids) throws SQLException {
        Map<Integer, ColumnType> types = new HashMap<>();
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT t.oid::bigint, n.nspname, t.typname, an.nspname, a.typname,
                       t.typcategory IN ('A', 'C') OR t.typelem <> 0 AND t.typlen = -1 OR t.typdelim <> ',',
                       (WITH RECURSIVE base AS (
                            SELECT t.oid, t.typbasetype
                            UNION ALL
                            SELECT b.oid, b.typbasetype FROM base JOIN pg_catalog.pg_type b ON b.oid = base.typbasetype)
                        SELECT o.oprnamespace::pg_catalog.regnamespace::text || '.' || o.oprname
                        FROM base
                        JOIN pg_catalog.pg_opclass c ON c.opcintype = base.oid AND c.opcdefault
                        JOIN pg_catalog.pg_am m ON m.oid = c.opcmethod AND m.amname = 'btree'
                        JOIN pg_catalog.pg_amop p ON p.amopfamily = c.opcfamily AND p.amopstrategy = 3
                            AND p.amoplefttype = base.oid AND p.amoprighttype = base.oid
                        JOIN pg_catalog.pg_operator o ON o.oid = p.amopopr
                        WHERE base.typbasetype = 0),
                       (WITH RECURSIVE base AS (
                            SELECT t.oid, t.typbasetype
                            UNION ALL
                            SELECT b.oid, b.typbasetype FROM base JOIN pg_catalog.pg_type b ON b.oid = base.typbasetype)
                        SELECT format('%I.%I', en.nspname, e.typname)
                        FROM base
                        JOIN pg_catalog.pg_type e ON e.oid = base.oid AND e.typtype = 'e'
                        JOIN pg_catalog.pg_namespace en ON en.oid = e.typnamespace)
                FROM pg_catalog.pg_type t
                JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
                LEFT JOIN pg_catalog.pg_type a ON a.oid = t.typarray
                LEFT JOIN pg_catalog.pg_namespace an ON an.oid = a.typnamespace
                WHERE t.oid = ANY (?)""")) {
            query.setArray(
                    1,
                    target.createArrayOf("bigint", oids.stream().map(oid -> Integer.toUnsignedLong(oid)).toArray()));
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    boolean asText = row.getString(5) == null || row.getBoolean(6);
                    types.put(
                            (int) row.getLong(1),
                            new ColumnType(
                                    quoted(row.getString(2), row.getString(3)),
                                    asText ? "pg_catalog._text" : quoted(row.getString(4), row.getString(5)),
                                    asText,
                                    Optional.ofNullable(row.getString(7)).map(o -> "OPERATOR(" + o + ")").orElse("="),
                                    Optional.ofNullable(row.getString(8))));
                }
            }
        }
        return types;
    }

    private static String quoted(String schema, String type) {
        return TableId.quote(schema) + "." + TableId.quote(type);
    }

    /** SQL of one element of the unnested parameter. */
    String element(String sql) {
        return isCast ? cast(sql) : sql;
    }

    /** SQL of whether two values of the type are the same, which its index can answer. */
    String same(String one, String other) {
        return compared(one) + " " + equal + " " + compared(other);
    }

    /** SQL that finds a row by its key: a parameter for the text of each column, in that order. */
    static String matches(List<String> key, TableShape shape, Map<Integer, ColumnType> types) {
        return key.stream()
                .map(name -> {
                    ColumnType type = types.get(shape.column(name).orElseThrow().typeOid());
                    return type.same(TableId.quote(name), type.cast("?::text"));
                })
                .collect(Collectors.joining(" AND "));
    }

    private String compared(String sql) {
        return comparedAs.map(type -> "CAST(" + sql + " AS " + type + ")").orElse(sql);
    }

    String cast(String sql) {
        return "CAST(" + sql + " AS " + name + ")";
    }
}
