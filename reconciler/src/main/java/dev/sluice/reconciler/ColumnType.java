package dev.sluice.reconciler;

import dev.sluice.schemas.TableId;
import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What a column's values are; of a domain what is below it, as casts see it too.
 *
 * @param oid of built-in types stable
 * @param name for SQL, without length or precision
 * @param kind {@code pg_type.typtype}
 * @param category {@code pg_type.typcategory}
 * @param labels of an enum, in their order
 * @param element of a true array, by its own name; empty if it is none
 * @param isPadded a domain over {@code char(n)}: casts drop the blanks at the end, which all its values have alike
 * @param textCast SQL that takes away a cast to text that somebody has defined; empty if nobody has
 */
record ColumnType(
        int oid,
        String name,
        char kind,
        char category,
        List<String> labels,
        Optional<ColumnType> element,
        boolean isPadded,
        String textCast) {

    /** Of what somebody has made. Source: {@code FirstNormalObjectId}. */
    private static final int FIRST_MADE = 16_384;

    /** {@code format_type} with -1 gives names that hold neither length nor precision, {@code bpchar} and {@code "bit"} included. */
    private static final String QUERY =
            """
            WITH RECURSIVE base AS (
                SELECT a.attname, a.atttypid AS type, -1 AS modifier FROM pg_attribute a
                WHERE a.attrelid = to_regclass(?) AND a.attnum > 0 AND NOT a.attisdropped
                UNION ALL
                SELECT base.attname, t.typbasetype, t.typtypmod FROM base JOIN pg_type t ON t.oid = base.type WHERE t.typtype = 'd')
            SELECT base.attname, t.oid::bigint, format_type(t.oid, -1), t.typtype::text, t.typcategory::text,
                   ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder),
                   e.oid::bigint, format_type(e.oid, -1), e.typtype::text, e.typcategory::text,
                   ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = e.oid ORDER BY enumsortorder),
                   coalesce((SELECT format('DROP CAST (%s AS text);', format_type(t.oid, -1)) FROM pg_cast c
                             WHERE c.castsource = t.oid AND c.casttarget = 'text'::regtype AND c.oid >= 16384), ''),
                   t.oid = 'bpchar'::regtype AND base.modifier > 0
            FROM base
            JOIN pg_type t ON t.oid = base.type AND t.typtype <> 'd'
            LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typlen = -1
                AND t.oid NOT IN ('int2vector'::regtype, 'oidvector'::regtype) AND t.typsubscript = 'array_subscript_handler'::regproc""";

    /** By column. */
    static Map<String, ColumnType> read(Connection side, TableId table) throws SQLException {
        Map<String, ColumnType> types = new HashMap<>();
        try (PreparedStatement query = side.prepareStatement(QUERY)) {
            query.setString(1, table.quoted());
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    Optional<ColumnType> element =
                            row.getString(8) == null ? Optional.empty() : Optional.of(type(row, 7, Optional.empty(), false, ""));
                    types.put(row.getString(1), type(row, 2, element, row.getBoolean(13), row.getString(12)));
                }
            }
        }
        return types;
    }

    private static ColumnType type(ResultSet row, int first, Optional<ColumnType> element, boolean isPadded, String textCast)
            throws SQLException {
        Array labels = row.getArray(first + 4);
        return new ColumnType(
                (int) row.getLong(first),
                row.getString(first + 1),
                row.getString(first + 2).charAt(0),
                row.getString(first + 3).charAt(0),
                List.of((String[]) labels.getArray()),
                element,
                isPadded,
                textCast);
    }

    boolean isBuiltIn() {
        return oid < FIRST_MADE && oid > 0 && element.map(ColumnType::isBuiltIn).orElse(true);
    }

    /** A value of the type that is written as {@code text}, as SQL. */
    String literal(String text) {
        return RowCondition.literal(text) + "::" + name;
    }

    /** An expression made one of the type. */
    String cast(String expression) {
        return "(" + expression + ")::" + name;
    }

    String nothing() {
        return "NULL::" + name;
    }
}
