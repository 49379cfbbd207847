package dev.sluice.preflight;

import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What the connected role may do with a relation, of whatever kind it is.
 *
 * @param kind {@code pg_class.relkind}
 * @param schemaUsage USAGE on its schema
 * @param missing those of the wanted privileges that the role has not got
 * @param rowSecurity row-level security hides rows from the role
 * @param owner the role is, or is a member of, the owner
 * @param root the uppermost partitioned table, itself if it is no partition
 */
record TableAccess(
        TableId id,
        char kind,
        boolean schemaUsage,
        List<String> missing,
        boolean rowSecurity,
        boolean owner,
        TableId root) {

    private static final String QUERY =
            """
            SELECT n.nspname, c.relname, c.relkind::text,
                   pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
                   ARRAY(SELECT p FROM unnest(?::text[]) AS p WHERE NOT pg_catalog.has_table_privilege(c.oid, p)),
                   pg_catalog.row_security_active(c.oid),
                   pg_catalog.pg_has_role(c.relowner, 'USAGE'),
                   root_schema.nspname, root.relname
            """
                    + Sql.OF_TABLES
                    + """
            JOIN pg_catalog.pg_class root ON root.oid = coalesce(pg_catalog.pg_partition_root(c.oid)::oid, c.oid)
            JOIN pg_catalog.pg_namespace root_schema ON root_schema.oid = root.relnamespace
            """;

    /** The relations of these names that exist. */
    static Map<TableId, TableAccess> read(Connection connection, Collection<TableId> tables, String... privileges)
            throws SQLException {
        Map<TableId, TableAccess> found = new LinkedHashMap<>();
        Sql.list(
                        connection,
                        QUERY,
                        row -> new TableAccess(
                                Sql.table(row, 1),
                                row.getString(3).charAt(0),
                                row.getBoolean(4),
                                Sql.texts(row, 5),
                                row.getBoolean(6),
                                row.getBoolean(7),
                                Sql.table(row, 8)),
                        List.of(privileges),
                        Sql.schemas(tables),
                        Sql.names(tables))
                .forEach(access -> found.put(access.id(), access));
        return found;
    }

    /** Tables of any schema whose names differ from these by case or schema only; for "did you mean". */
    static List<TableId> similar(Connection connection, TableId table) throws SQLException {
        return Sql.list(
                connection,
                """
                SELECT n.nspname, c.relname FROM pg_catalog.pg_class c
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relkind IN ('r', 'p') AND lower(c.relname) = lower(?)
                  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
                ORDER BY 1, 2 LIMIT 5""",
                row -> Sql.table(row, 1),
                table.table());
    }

    String kindInWords() {
        switch (kind) {
            case 'v':
                return "a view";
            case 'm':
                return "a materialized view";
            case 'f':
                return "a foreign table";
            case 'S':
                return "a sequence";
            default:
                return "not a table (relkind " + kind + ")";
        }
    }
}
