package dev.sluice.catalog;

import dev.sluice.schemas.TableId;
import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads tables, their indexes and their foreign keys from {@code pg_catalog}.
 *
 * <p>Two statements for any number of tables, names as bind parameters. The result does not depend on the
 * connection's {@code search_path}. Works on PostgreSQL 14 and later: {@code pg_type.typsubscript}, which tells true
 * arrays from other subscriptable types, is new there.
 *
 * <p>Source: PostgreSQL 18 manual, chapter 52 "System Catalogs"; {@code format_type_extended} in
 * {@code src/backend/utils/adt/format_type.c} for when a type's name is printed with its schema.
 */
public final class Catalog {

    private static final String WANTED =
            """
            FROM unnest(?::text[], ?::text[]) AS wanted (schema_name, table_name)
            JOIN pg_catalog.pg_namespace n ON n.nspname = wanted.schema_name
            JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.table_name
                AND c.relkind IN ('r', 'p')
            """;

    // format_type leaves the schema out when the type, or an array's element type, is visible in the search_path
    private static final String COLUMNS =
            """
            SELECT n.nspname, c.relname, c.relkind::text, c.relpersistence::text, c.relreplident::text, c.relispartition,
                   a.attname, a.atttypid::bigint,
                   CASE WHEN tn.nspname <> 'pg_catalog' AND pg_catalog.pg_type_is_visible(named.oid)
                        THEN pg_catalog.quote_ident(tn.nspname) || '.' ELSE '' END
                       || pg_catalog.format_type(a.atttypid, a.atttypmod),
                   a.attnotnull OR t.typnotnull,
                   a.atthasdef OR a.attidentity <> '' OR t.typdefault IS NOT NULL,
                   a.attgenerated <> '', a.attidentity = 'a'
            """
                    + WANTED
                    + """
            LEFT JOIN (pg_catalog.pg_attribute a
                JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
                JOIN pg_catalog.pg_type named ON named.oid = CASE
                    WHEN t.typsubscript = 'pg_catalog.array_subscript_handler'::regproc THEN t.typelem ELSE t.oid END
                JOIN pg_catalog.pg_namespace tn ON tn.oid = named.typnamespace)
                ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            ORDER BY n.nspname, c.relname, a.attnum
            """;

    private static final String INDEXES =
            """
            SELECT n.nspname, c.relname, i.indisprimary, i.indisreplident,
                   i.indisvalid AND i.indisunique AND i.indimmediate AND NOT i.indisexclusion
                       AND i.indpred IS NULL AND i.indexprs IS NULL,
                   ARRAY(SELECT a.attname::text
                         FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS key (attnum, place)
                         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = key.attnum
                         WHERE key.place <= i.indnkeyatts
                         ORDER BY key.place)
            """
                    + WANTED
                    + """
            JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisunique
            ORDER BY n.nspname, c.relname, i.indexrelid
            """;

    private static final String FOREIGN_KEYS =
            """
            WITH wanted_table AS (SELECT c.oid, n.nspname, c.relname
            """
                    + WANTED
                    + """
            )
            SELECT f.conname, child.nspname, child.relname, parent.nspname, parent.relname, f.condeferrable
            FROM pg_catalog.pg_constraint f
            JOIN wanted_table child ON child.oid = f.conrelid
            JOIN wanted_table parent ON parent.oid = f.confrelid
            WHERE f.contype = 'f' AND f.conparentid = 0
            ORDER BY child.nspname, child.relname, f.conname
            """;

    private Catalog() {}

    /** Whether a table is there, and the role may look into its schema. */
    public static boolean isThere(Connection connection, TableId table) throws SQLException {
        try (PreparedStatement ask = connection.prepareStatement("SELECT to_regclass(?) IS NOT NULL")) {
            ask.setString(1, table.quoted());
            try (ResultSet there = ask.executeQuery()) {
                there.next();
                return there.getBoolean(1);
            }
        }
    }

    /**
     * To be called before a table of schema {@code sluice} is made, in the same transaction: of two that make the same table at once
     * the server refuses one.
     */
    public static void waitToMakeTables(Connection target) throws SQLException {
        try (Statement lock = target.createStatement()) {
            lock.execute("SELECT pg_advisory_xact_lock(hashtextextended('sluice.tables', 0))");
        }
    }

    /**
     * The shapes of {@code ids}, in their order. Names that are missing, or are no table and no partitioned table
     * (views, foreign tables), are absent.
     *
     * @throws SQLException as the driver gives it
     */
    public static Map<TableId, TableShape> read(Connection connection, Collection<TableId> ids) throws SQLException {
        Map<TableId, Draft> drafts = new LinkedHashMap<>();
        query(connection, COLUMNS, ids, row -> {
            Draft draft = drafts.get(table(row, 1));
            if (draft == null) {
                draft = new Draft(table(row, 1), row);
                drafts.put(draft.id, draft);
            }
            draft.addColumn(row);
        });
        query(connection, INDEXES, ids, row -> {
            Draft draft = drafts.get(table(row, 1));
            if (draft != null) {
                draft.addIndex(row);
            }
        });
        Map<TableId, TableShape> shapes = new LinkedHashMap<>();
        for (TableId id : ids) {
            Draft draft = drafts.get(id);
            if (draft != null) {
                shapes.put(id, draft.shape());
            }
        }
        return shapes;
    }

    /**
     * The foreign keys whose child and parent are both among {@code ids}, self references included, ordered by child
     * and name. Of partitioned tables only what is declared at the root: its copies on partitions say the same again.
     *
     * @throws SQLException as the driver gives it
     */
    public static List<ForeignKey> foreignKeys(Connection connection, Collection<TableId> ids) throws SQLException {
        List<ForeignKey> keys = new ArrayList<>();
        query(connection, FOREIGN_KEYS, ids, row ->
                keys.add(new ForeignKey(row.getString(1), table(row, 2), table(row, 4), row.getBoolean(6))));
        return keys;
    }

    private static TableId table(ResultSet row, int first) throws SQLException {
        return new TableId(row.getString(first), row.getString(first + 1));
    }

    private interface RowReader {
        void read(ResultSet row) throws SQLException;
    }

    private static void query(Connection connection, String sql, Collection<TableId> ids, RowReader reader)
            throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            statement.setArray(1, connection.createArrayOf("text", ids.stream().map(TableId::schema).toArray()));
            statement.setArray(2, connection.createArrayOf("text", ids.stream().map(TableId::table).toArray()));
            try (ResultSet rows = statement.executeQuery()) {
                while (rows.next()) {
                    reader.read(rows);
                }
            }
        }
    }

    /** A shape whose columns and indexes are still arriving. */
    private static final class Draft {
        private final TableId id;
        private final char kind;
        private final char persistence;
        private final char replicaIdentity;
        private final boolean partition;
        private final List<Column> columns = new ArrayList<>();
        private final List<List<String>> uniqueIndexes = new ArrayList<>();
        private List<String> primaryKey = List.of();
        private List<String> identityIndex = List.of();

        Draft(TableId id, ResultSet row) throws SQLException {
            this.id = id;
            kind = row.getString(3).charAt(0);
            persistence = row.getString(4).charAt(0);
            replicaIdentity = row.getString(5).charAt(0);
            partition = row.getBoolean(6);
        }

        void addColumn(ResultSet row) throws SQLException {
            String name = row.getString(7);
            if (name != null) { // a table may have no column at all
                // an oid is unsigned; above 2^31 it is negative here, as everywhere in pgjdbc
                columns.add(new Column(
                        name,
                        row.getString(9),
                        (int) row.getLong(8),
                        row.getBoolean(10),
                        row.getBoolean(11),
                        row.getBoolean(12),
                        row.getBoolean(13)));
            }
        }

        void addIndex(ResultSet row) throws SQLException {
            Array names = row.getArray(6);
            List<String> key = List.of((String[]) names.getArray());
            if (row.getBoolean(3)) {
                primaryKey = key;
            }
            if (row.getBoolean(4) && replicaIdentity == 'i') {
                identityIndex = key;
            }
            if (row.getBoolean(5)) {
                uniqueIndexes.add(key);
            }
        }

        TableShape shape() {
            return new TableShape(
                    id,
                    kind,
                    persistence,
                    List.copyOf(columns),
                    primaryKey,
                    replicaIdentity,
                    identityIndex,
                    List.copyOf(uniqueIndexes),
                    partition);
        }
    }
}
