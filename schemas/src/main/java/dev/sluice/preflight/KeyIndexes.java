package dev.sluice.preflight;

import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * What a table's indexes offer towards a replica identity.
 *
 * @param candidate a unique index that could be named in REPLICA IDENTITY USING INDEX
 */
record KeyIndexes(boolean deferrablePrimaryKey, Optional<String> candidate) {

    static final KeyIndexes NONE = new KeyIndexes(false, Optional.empty());

    private static final String QUERY =
            """
            SELECT n.nspname, c.relname,
                   coalesce(bool_or(i.indisprimary AND NOT i.indimmediate), false),
                   min(x.relname) FILTER (WHERE i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
                       AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a
                                       WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey::int2[]) AND NOT a.attnotnull))
            """
                    + Sql.OF_TABLES
                    + """
            JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisunique
            JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
            GROUP BY 1, 2
            """;

    /** Tables without any unique index are absent. */
    static Map<TableId, KeyIndexes> read(Connection connection, Collection<TableId> tables) throws SQLException {
        Map<TableId, KeyIndexes> found = new HashMap<>();
        Sql.list(
                connection,
                QUERY,
                row -> found.put(
                        Sql.table(row, 1), new KeyIndexes(row.getBoolean(3), Optional.ofNullable(row.getString(4)))),
                Sql.schemas(tables),
                Sql.names(tables));
        return found;
    }
}
