package dev.sluice.capture;

import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Notices partitions that come with rows or go with theirs: the stream says nothing of these rows.
 *
 * <p>A partition that was made as one begins empty, and its rows are streamed. One that was attached was a table before:
 * its entry in {@code pg_inherits} is of another transaction than its columns.
 *
 * <p>Threads: {@code capture-watch}.
 */
final class Partitions {
    private static final Logger log = LoggerFactory.getLogger(Partitions.class);

    private static final String QUERY =
            """
            SELECT n.nspname, c.relname, l.oid::bigint, ln.nspname, l.relname,
                   pg_catalog.pg_relation_size(l.oid) > 0
                       AND EXISTS (SELECT FROM pg_catalog.pg_attribute a
                                   JOIN pg_catalog.pg_inherits h ON h.inhrelid = a.attrelid
                                   WHERE a.attrelid = l.oid AND a.attnum = -1 AND a.xmin <> h.xmin)
            FROM unnest(?::text[], ?::text[]) AS wanted (schema_name, table_name)
            JOIN pg_catalog.pg_namespace n ON n.nspname = wanted.schema_name
            JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.table_name AND c.relkind = 'p'
            CROSS JOIN LATERAL pg_catalog.pg_partition_tree(c.oid) AS tree
            JOIN pg_catalog.pg_class l ON l.oid = tree.relid AND tree.isleaf AND l.relkind <> 'p'
            JOIN pg_catalog.pg_namespace ln ON ln.oid = l.relnamespace
            """;

    private final List<TableId> tables;
    /** By oid; null before the first look. */
    private Map<Long, Leaf> known;

    private record Leaf(TableId root, TableId name, boolean wasTableWithRows) {}

    /** @param tables of the lane; those that are not partitioned are passed over */
    Partitions(List<TableId> tables) {
        this.tables = tables;
    }

    /** Compares with the last look, and warns of each difference once. */
    void look(Connection source) throws SQLException {
        Map<Long, Leaf> now = read(source);
        if (known != null) {
            Set<Long> added = new HashSet<>(now.keySet());
            added.removeAll(known.keySet());
            added.stream().map(now::get).filter(Leaf::wasTableWithRows).forEach(leaf -> log.warn(
                    "source {}: partition {} was attached and has rows: those that it had before are not in the stream; cure:"
                            + " `sluice resync --table {}`",
                    leaf.root(),
                    leaf.name(),
                    leaf.root()));
            Set<Long> removed = new HashSet<>(known.keySet());
            removed.removeAll(now.keySet());
            removed.stream().map(known::get).forEach(leaf -> log.warn(
                    "source {}: partition {} was detached or dropped: its rows stay in the target; delete them there if they are to"
                            + " go, see \"Partitions that come and go\" in docs/runbook.md",
                    leaf.root(),
                    leaf.name()));
        }
        known = now;
    }

    private Map<Long, Leaf> read(Connection source) throws SQLException {
        Map<Long, Leaf> leaves = new HashMap<>();
        try (PreparedStatement query = source.prepareStatement(QUERY)) {
            query.setArray(1, source.createArrayOf("text", tables.stream().map(TableId::schema).toArray()));
            query.setArray(2, source.createArrayOf("text", tables.stream().map(TableId::table).toArray()));
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    leaves.put(
                            row.getLong(3),
                            new Leaf(
                                    new TableId(row.getString(1), row.getString(2)),
                                    new TableId(row.getString(4), row.getString(5)),
                                    row.getBoolean(6)));
                }
            }
        }
        return leaves;
    }
}
