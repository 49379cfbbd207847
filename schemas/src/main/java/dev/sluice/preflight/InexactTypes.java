package dev.sluice.preflight;

import dev.sluice.config.LaneConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Columns of types whose text is not the whole value, or means something only together with the database it is in; also
 * where a domain, an array, a composite or a range is made of one.
 */
final class InexactTypes {
    private static final String XML = "xml";
    private static final List<String> TYPES = List.of(
            XML, "regclass", "regproc", "regprocedure", "regoper", "regoperator", "regtype", "regrole", "regnamespace",
            "regcollation", "regconfig", "regdictionary", "aclitem");

    private static final String QUERY =
            """
            SELECT n.nspname, c.relname, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), t.typname,
                   t.oid IN (a.atttypid, (SELECT typelem FROM pg_catalog.pg_type WHERE oid = a.atttypid))
            """
                    + Sql.OF_TABLES
                    + """
            JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            CROSS JOIN LATERAL (
                WITH RECURSIVE part (oid) AS (
                    SELECT a.atttypid
                    UNION
                    SELECT inside.oid
                    FROM part
                    JOIN pg_catalog.pg_type p ON p.oid = part.oid
                    CROSS JOIN LATERAL (
                        SELECT p.typelem
                        UNION ALL SELECT p.typbasetype
                        UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE p.oid IN (r.rngtypid, r.rngmultitypid)
                        UNION ALL
                        SELECT field.atttypid FROM pg_catalog.pg_attribute field
                        WHERE field.attrelid = p.typrelid AND field.attnum > 0 AND NOT field.attisdropped) AS inside (oid))
                SELECT oid FROM part) AS part
            JOIN pg_catalog.pg_type t ON t.oid = part.oid
            WHERE t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace AND t.typname = ANY (?)
            ORDER BY 1, 2, a.attnum, 5
            """;

    private InexactTypes() {}

    /** Warns of each such column that is mapped. */
    static void check(Connection source, LaneConfig lane, Findings findings) throws SQLException {
        Map<TableId, TableMapping> mappings = new HashMap<>();
        lane.tables().forEach(mapping -> mappings.put(mapping.source(), mapping));
        Sql.list(
                source,
                QUERY,
                row -> {
                    TableId table = Sql.table(row, 1);
                    if (!mappings.get(table).exclude().contains(row.getString(3))) {
                        String holds = row.getBoolean(6) ? "" : ", which holds " + row.getString(5);
                        warn(findings, table, row.getString(3), row.getString(4) + holds, row.getString(5).equals(XML));
                    }
                    return true;
                },
                Sql.schemas(mappings.keySet()),
                Sql.names(mappings.keySet()),
                TYPES);
    }

    private static void warn(Findings findings, TableId table, String column, String type, boolean isXml) {
        if (isXml) {
            findings.warning(
                    table,
                    "column '%s' is %s: the server prints no encoding declaration, so the target has the values without"
                            .formatted(column, type),
                    "nothing, if nobody needs it: databases keep xml in their own encoding; else make it text");
        } else {
            findings.warning(
                    table,
                    "column '%s' is %s, which names an object: a row whose object the target lacks cannot be applied"
                            .formatted(column, type),
                    "create these objects in the target first, or exclude '%s'".formatted(column));
        }
    }
}
