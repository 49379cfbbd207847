package dev.sluice.preflight;

import dev.sluice.catalog.Catalog;
import dev.sluice.catalog.Column;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * The lane's tables at the source: whether their changes can be decoded, named by a key, and read again.
 *
 * <p>Which columns of an old row the WAL carries is the replica identity's matter, and for a partitioned table that of
 * each partition: {@code ALTER TABLE … REPLICA IDENTITY} on the root does not reach those that exist.
 *
 * <p>Source: PostgreSQL 18 manual, ALTER TABLE, "REPLICA IDENTITY"; {@code RelationGetIndexList} in
 * {@code src/backend/utils/cache/relcache.c}: a deferrable primary key is no replica identity.
 */
final class SourceTables {
    private static final Pattern QUOTED = Pattern.compile("([\"'`]).*\\1", Pattern.DOTALL);

    private final Connection source;
    private final LaneConfig lane;
    private final Findings findings;

    SourceTables(Connection source, LaneConfig lane, Findings findings) {
        this.source = source;
        this.lane = lane;
        this.findings = findings;
    }

    void check() throws SQLException {
        List<TableId> tables = lane.tables().stream().map(TableMapping::source).toList();
        Map<TableId, TableAccess> access = TableAccess.read(source, tables, "SELECT");
        Map<TableId, TableShape> shapes = Catalog.read(source, tables);
        Map<TableId, KeyIndexes> indexes = KeyIndexes.read(source, tables);
        for (TableMapping mapping : lane.tables()) {
            TableShape shape = shapes.get(mapping.source());
            if (shape == null) {
                absent(mapping.source(), Optional.ofNullable(access.get(mapping.source())));
            } else {
                kind(shape, access.get(shape.id()));
                privileges(access.get(shape.id()));
                key(shape, indexes.getOrDefault(shape.id(), KeyIndexes.NONE));
                columns(shape);
                mappedColumns(mapping, shape);
                references(mapping, shape, shapes);
            }
        }
        sameNames(tables);
        InexactTypes.check(source, lane, findings);
        partitions(tables);
        generatedIdentities(tables);
        inheritance(tables);
    }

    /** Debezium knows a table by schema and name with a dot between, in which {@code "a.b".c} is {@code a."b.c"}. */
    private void sameNames(List<TableId> tables) {
        Map<String, List<TableId>> byName =
                tables.stream().collect(Collectors.groupingBy(table -> table.schema() + "." + table.table()));
        byName.values().stream().filter(same -> same.size() > 1).forEach(same -> findings.error(
                same.get(0),
                "is the same as %s with a dot between schema and name: Debezium takes one for the other".formatted(same.get(1)),
                "ALTER TABLE %s RENAME TO …;".formatted(same.get(0).quoted())));
    }

    /** From 18 on the server refuses updates of a table whose old row would be published without a part of it. */
    private void generatedIdentities(List<TableId> tables) throws SQLException {
        Sql.list(
                source,
                "SELECT n.nspname, c.relname, ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a"
                        + " WHERE a.attrelid = c.oid AND a.attgenerated <> '' AND NOT a.attisdropped ORDER BY a.attnum)"
                        + Sql.OF_TABLES
                        + """
                WHERE c.relreplident = 'f' AND current_setting('server_version_num')::int >= 180000
                  AND EXISTS (SELECT FROM pg_catalog.pg_attribute a
                              WHERE a.attrelid = c.oid AND NOT a.attisdropped
                                AND (a.attgenerated = 'v' OR a.attgenerated = 's' AND NOT EXISTS (
                                    SELECT FROM pg_catalog.pg_publication p
                                    WHERE p.pubname = ? AND to_jsonb(p) ->> 'pubgencols' = 's')))""",
                row -> {
                    TableId table = Sql.table(row, 1);
                    findings.error(
                            table,
                            "its replica identity is FULL and holds generated columns (%s): once published, the source refuses"
                                            .formatted(String.join(", ", Sql.texts(row, 3)))
                                    + " to update or delete its rows",
                            "ALTER TABLE %s REPLICA IDENTITY DEFAULT; with a primary key, or USING INDEX …".formatted(table.quoted()));
                    return true;
                },
                Sql.schemas(tables),
                Sql.names(tables),
                lane.publication());
    }

    private void absent(TableId table, Optional<TableAccess> other) throws SQLException {
        if (other.isPresent()) {
            findings.error(
                    table,
                    "is %s; only tables have changes".formatted(other.get().kindInWords()),
                    "map the tables behind it");
            return;
        }
        List<TableId> similar = TableAccess.similar(source, table);
        findings.error(
                table,
                "does not exist",
                similar.isEmpty()
                        ? "correct the name in tables, or take it out"
                        : "correct the name in tables; there is " + Sql.quotedTables(similar));
    }

    private void kind(TableShape shape, TableAccess access) {
        if (shape.partition()) {
            findings.error(
                    shape.id(),
                    "is a partition; changes are sent under the name of its root",
                    "map %s instead".formatted(access.root()));
        }
        if (shape.id().schema().contains("\"") || shape.id().table().contains("\"")) {
            findings.error(
                    shape.id(),
                    "a double quote is in its name or its schema's: Debezium cannot read such a name",
                    "ALTER TABLE %s RENAME TO …; or ALTER SCHEMA … RENAME TO …;".formatted(shape.id().quoted()));
        }
        if (shape.persistence() == 'u') {
            findings.error(
                    shape.id(),
                    "is unlogged: its changes are not in the WAL",
                    "ALTER TABLE %s SET LOGGED;".formatted(shape.id().quoted()));
        } else if (shape.persistence() == 't') {
            findings.error(shape.id(), "is temporary", "take it out of tables");
        }
    }

    private void privileges(TableAccess access) throws SQLException {
        String role = TableId.quote(source.getMetaData().getUserName());
        TableId table = access.id();
        if (!access.schemaUsage()) {
            findings.error(
                    "schema " + table.schema(),
                    "the role may not use it",
                    "GRANT USAGE ON SCHEMA %s TO %s;".formatted(TableId.quote(table.schema()), role));
        }
        if (!access.missing().isEmpty()) {
            findings.error(
                    table, "the role may not read it", "GRANT SELECT ON %s TO %s;".formatted(table.quoted(), role));
        }
        if (access.rowSecurity()) {
            findings.error(
                    table,
                    "row-level security hides rows from the role, though not from the stream",
                    "ALTER ROLE %s BYPASSRLS;".formatted(role));
        }
    }

    private void key(TableShape shape, KeyIndexes indexes) {
        String alter = "ALTER TABLE %s ".formatted(shape.id().quoted());
        List<String> primaryKey = shape.primaryKey();
        boolean identityLacksKey = shape.replicaIdentity() == 'i' && !shape.identityIndex().containsAll(primaryKey);
        if (shape.keyColumns().isEmpty() && shape.replicaIdentity() == 'f') {
            findings.warning(
                    shape.id(),
                    "has no key: each update or delete searches its whole table in the target for one row with all the old values",
                    indexes.candidate()
                            .map(index -> alter + "REPLICA IDENTITY USING INDEX %s;".formatted(TableId.quote(index)))
                            .orElse(alter + "ADD PRIMARY KEY (…); or leave it, if it is small or rows are only added"));
        } else if (shape.keyColumns().isEmpty()) {
            findings.error(
                    shape.id(),
                    "has no usable key: no primary key, and no index as replica identity",
                    indexes.candidate()
                            .map(index -> alter + "REPLICA IDENTITY USING INDEX %s;".formatted(TableId.quote(index)))
                            .orElse(alter + "ADD PRIMARY KEY (…); or, with a unique index over NOT NULL columns, "
                                    + alter + "REPLICA IDENTITY USING INDEX …; or, found slowly by whole rows, "
                                    + alter + "REPLICA IDENTITY FULL;"));
        } else if (shape.replicaIdentity() == 'n' || shape.replicaIdentity() == 'i' && shape.identityIndex().isEmpty()) {
            findings.error(
                    shape.id(),
                    "its replica identity is nothing: updates and deletes do not say which row they mean",
                    alter + "REPLICA IDENTITY DEFAULT;");
        } else if (shape.replicaIdentity() == 'd' && indexes.deferrablePrimaryKey()) {
            findings.error(
                    shape.id(),
                    "its primary key is deferrable, such a key is no replica identity",
                    alter + "REPLICA IDENTITY FULL; or make the primary key not deferrable");
        } else if (identityLacksKey) {
            findings.error(
                    shape.id(),
                    "its replica identity index (%s) lacks primary key columns (%s): deletes do not say which row they mean"
                            .formatted(String.join(", ", shape.identityIndex()), String.join(", ", primaryKey)),
                    alter + "REPLICA IDENTITY DEFAULT;");
        }
    }

    /**
     * Debezium keeps columns in maps without regard to case, and takes quotes off a name that has them around it.
     *
     * <p>Source: Debezium 3.6.3, {@code Strings.unquoteIdentifierPart}.
     */
    private void columns(TableShape shape) {
        if (shape.columns().stream().allMatch(Column::generated)) {
            findings.error(
                    shape.id(),
                    "has no column that is sent: Debezium leaves its rows out",
                    "ALTER TABLE %s ADD COLUMN …; or take it out of tables".formatted(shape.id().quoted()));
        }
        shape.columns().stream().map(Column::name).filter(name -> QUOTED.matcher(name).matches()).forEach(name -> findings.error(
                shape.id(),
                "column %s has quotes around its name: Debezium takes them off".formatted(name),
                "ALTER TABLE %s RENAME COLUMN %s TO …;".formatted(shape.id().quoted(), TableId.quote(name))));
        Map<String, List<String>> byLowerCase = shape.columns().stream()
                .map(Column::name)
                .collect(Collectors.groupingBy(name -> name.toLowerCase(Locale.ROOT), TreeMap::new, Collectors.toList()));
        byLowerCase.values().stream().filter(names -> names.size() > 1).forEach(names -> findings.error(
                shape.id(),
                "columns differ by case only: " + String.join(", ", names),
                "ALTER TABLE %s RENAME COLUMN %s TO …;".formatted(shape.id().quoted(), TableId.quote(names.get(1)))));
    }

    private void mappedColumns(TableMapping mapping, TableShape shape) {
        List<String> named = new ArrayList<>(mapping.rename().keySet());
        named.addAll(mapping.exclude());
        named.stream().filter(name -> shape.column(name).isEmpty()).forEach(name -> findings.error(
                shape.id(),
                "has no column '%s', which rename or exclude names".formatted(name),
                "correct the name; columns are: "
                        + shape.columns().stream().map(Column::name).collect(Collectors.joining(", "))));
        shape.keyColumns().stream().filter(mapping.exclude()::contains).forEach(name -> findings.error(
                shape.id(), "key column '%s' is excluded".formatted(name), "take it out of exclude: rows are found by it"));
        Map<String, String> filledBy = new HashMap<>();
        for (Column column : shape.columns()) {
            if (!mapping.exclude().contains(column.name())) {
                String name = mapping.targetColumn(column.name());
                String other = filledBy.putIfAbsent(name, column.name());
                if (other != null) {
                    findings.error(
                            shape.id(),
                            "columns '%s' and '%s' would both be written to '%s'".formatted(other, column.name(), name),
                            "change rename, or exclude one of them");
                }
                if (mapping.constants().containsKey(name)) {
                    findings.error(
                            shape.id(),
                            "column '%s' and a constant would both be written to '%s'".formatted(column.name(), name),
                            "exclude the column, or drop the constant");
                }
            }
        }
    }

    private void references(TableMapping mapping, TableShape shape, Map<TableId, TableShape> shapes) {
        for (TableMapping.Reference reference : mapping.references()) {
            named(shape, reference.columns(), reference.path() + ".columns");
            Optional.ofNullable(shapes.get(reference.table()))
                    .ifPresent(parent -> named(parent, reference.key(), reference.path() + ".key"));
        }
    }

    private void named(TableShape shape, List<String> columns, String key) {
        columns.stream().filter(name -> shape.column(name).isEmpty()).forEach(name -> findings.error(
                shape.id(),
                "has no column '%s', which %s names".formatted(name, key),
                "correct the name; columns are: "
                        + shape.columns().stream().map(Column::name).collect(Collectors.joining(", "))));
    }

    private record Leaf(TableId root, TableId leaf, char kind, char persistence, boolean identified) {}

    private void partitions(List<TableId> tables) throws SQLException {
        List<Leaf> leaves = Sql.list(
                source,
                """
                SELECT n.nspname, c.relname, ln.nspname, l.relname, l.relkind::text, l.relpersistence::text,
                       CASE l.relreplident
                           WHEN 'f' THEN true
                           WHEN 'd' THEN EXISTS (SELECT FROM pg_catalog.pg_index i
                                                 WHERE i.indrelid = l.oid AND i.indisprimary AND i.indimmediate)
                           WHEN 'i' THEN EXISTS (SELECT FROM pg_catalog.pg_index i
                                                 WHERE i.indrelid = l.oid AND i.indisreplident)
                           ELSE false END
                """
                        + Sql.OF_TABLES
                        + """
                CROSS JOIN LATERAL pg_catalog.pg_partition_tree(c.oid) AS tree
                JOIN pg_catalog.pg_class l ON l.oid = tree.relid AND tree.isleaf
                JOIN pg_catalog.pg_namespace ln ON ln.oid = l.relnamespace
                WHERE c.relkind = 'p' AND l.relkind <> 'p'
                ORDER BY 1, 2, 3, 4""",
                row -> new Leaf(
                        Sql.table(row, 1),
                        Sql.table(row, 3),
                        row.getString(5).charAt(0),
                        row.getString(6).charAt(0),
                        row.getBoolean(7)),
                Sql.schemas(tables),
                Sql.names(tables));
        for (Leaf leaf : leaves) {
            String alter = "ALTER TABLE %s ".formatted(leaf.leaf().quoted());
            if (leaf.kind() != 'r') {
                findings.error(
                        leaf.root(),
                        "its partition %s is a foreign table: its changes are not in this server's WAL".formatted(leaf.leaf()),
                        "ALTER TABLE %s DETACH PARTITION %s;".formatted(leaf.root().quoted(), leaf.leaf().quoted()));
            } else if (leaf.persistence() != 'p') {
                findings.error(leaf.root(), "its partition %s is unlogged".formatted(leaf.leaf()), alter + "SET LOGGED;");
            } else if (!leaf.identified()) {
                findings.error(
                        leaf.root(),
                        "its partition %s has no replica identity of its own".formatted(leaf.leaf()),
                        alter + "REPLICA IDENTITY DEFAULT; or USING INDEX, if it has no primary key");
            }
        }
    }

    private void inheritance(List<TableId> tables) throws SQLException {
        Sql.list(
                        source,
                        "SELECT n.nspname, c.relname"
                                + Sql.OF_TABLES
                                + "WHERE c.relkind = 'r' AND EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhparent = c.oid)",
                        row -> Sql.table(row, 1),
                        Sql.schemas(tables),
                        Sql.names(tables))
                .forEach(table -> findings.warning(
                        table,
                        "other tables inherit from it: a query of it shows their rows, the stream names them apart",
                        "map the children as tables of their own"));
    }
}
