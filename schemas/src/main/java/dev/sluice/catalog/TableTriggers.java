package dev.sluice.catalog;

import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What fires when a table is written, its partitions included, and what speaks against keeping it from firing with
 * {@code session_replication_role = replica}.
 *
 * <p>In that role the server skips the checks of the table's foreign keys, which lets in nothing that the source did not
 * have as long as both ends are written from the same stream, and the second look at deferrable unique keys, which does.
 *
 * <p>Source: PostgreSQL 18 manual, 19.11 "session_replication_role" and ALTER TABLE, "ENABLE REPLICA TRIGGER";
 * {@code TriggerEnabled} and {@code AfterTriggerSaveEvent} in {@code src/backend/commands/trigger.c}: whether a trigger
 * fires is decided when the row is written, also of a deferred one.
 *
 * @param ordinary user-defined triggers, ENABLE
 * @param replica user-defined triggers, ENABLE REPLICA
 * @param always user-defined triggers, ENABLE ALWAYS
 * @param cascading foreign keys by which a deletion or a change of key reaches rows of other tables
 * @param outside foreign keys from or to tables that are not among those asked for
 * @param deferrable unique and exclusion constraints
 */
public record TableTriggers(
        List<String> ordinary,
        List<String> replica,
        List<String> always,
        List<String> cascading,
        List<String> outside,
        List<String> deferrable) {

    private static final String INSUFFICIENT_PRIVILEGE = "42501";

    private static final String QUERY =
            """
            WITH wanted AS (
                SELECT c.oid, n.nspname, c.relname
                FROM unnest(?::text[], ?::text[]) AS named (schema_name, table_name)
                JOIN pg_catalog.pg_namespace n ON n.nspname = named.schema_name
                JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = named.table_name
                    AND c.relkind IN ('r', 'p')),
            fires AS (
                SELECT DISTINCT w.oid, t.tgname::text AS name, t.tgenabled AS enabled
                FROM wanted w
                CROSS JOIN LATERAL (SELECT w.oid AS relid UNION SELECT relid FROM pg_catalog.pg_partition_tree(w.oid)) AS part
                JOIN pg_catalog.pg_trigger t ON t.tgrelid = part.relid AND NOT t.tgisinternal),
            keys AS (
                SELECT f.* FROM pg_catalog.pg_constraint f WHERE f.contype = 'f' AND f.conparentid = 0)
            SELECT w.nspname, w.relname,
                   ARRAY(SELECT name FROM fires WHERE fires.oid = w.oid AND enabled = 'O' ORDER BY 1),
                   ARRAY(SELECT name FROM fires WHERE fires.oid = w.oid AND enabled = 'R' ORDER BY 1),
                   ARRAY(SELECT name FROM fires WHERE fires.oid = w.oid AND enabled = 'A' ORDER BY 1),
                   ARRAY(SELECT k.conname::text FROM keys k
                         WHERE k.confrelid = w.oid
                           AND (k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', 'd')) ORDER BY 1),
                   ARRAY(SELECT k.conname::text FROM keys k
                         WHERE k.conrelid = w.oid AND NOT EXISTS (SELECT FROM wanted o WHERE o.oid = k.confrelid)
                            OR k.confrelid = w.oid AND NOT EXISTS (SELECT FROM wanted o WHERE o.oid = k.conrelid)
                         ORDER BY 1),
                   ARRAY(SELECT u.conname::text FROM pg_catalog.pg_constraint u
                         WHERE u.conrelid = w.oid AND u.contype IN ('p', 'u', 'x') AND u.condeferrable ORDER BY 1)
            FROM wanted w
            """;

    /**
     * What fires on each of {@code ids}; names that are no tables are absent.
     *
     * @throws SQLException as the driver gives it
     */
    public static Map<TableId, TableTriggers> read(Connection target, Collection<TableId> ids) throws SQLException {
        Map<TableId, TableTriggers> found = new HashMap<>();
        try (PreparedStatement query = target.prepareStatement(QUERY)) {
            query.setArray(1, target.createArrayOf("text", ids.stream().map(TableId::schema).toArray()));
            query.setArray(2, target.createArrayOf("text", ids.stream().map(TableId::table).toArray()));
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    found.put(
                            new TableId(row.getString(1), row.getString(2)),
                            new TableTriggers(
                                    texts(row, 3), texts(row, 4), texts(row, 5), texts(row, 6), texts(row, 7), texts(row, 8)));
                }
            }
        }
        return found;
    }

    private static List<String> texts(ResultSet row, int column) throws SQLException {
        return List.of((String[]) row.getArray(column).getArray());
    }

    /** Whether the role may keep triggers from firing. The server is asked to set what is set already. */
    public static boolean maySuppress(Connection target) throws SQLException {
        boolean inTransaction = !target.getAutoCommit();
        Savepoint before = inTransaction ? target.setSavepoint() : null;
        try (Statement set = target.createStatement()) {
            set.execute("SELECT pg_catalog.set_config('session_replication_role',"
                    + " pg_catalog.current_setting('session_replication_role'), true)");
            return true;
        } catch (SQLException e) {
            if (!INSUFFICIENT_PRIVILEGE.equals(e.getSQLState())) {
                throw e;
            }
            if (inTransaction) {
                target.rollback(before);
            }
            return false;
        } finally {
            if (inTransaction) {
                target.releaseSavepoint(before);
            }
        }
    }

    /** Nothing speaks against writing the table with its triggers kept from firing. */
    public boolean isSuppressible() {
        return outside.isEmpty() && deferrable.isEmpty();
    }
}
