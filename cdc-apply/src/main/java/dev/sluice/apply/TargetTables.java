package dev.sluice.apply;

import dev.sluice.apply.SourceColumns.Columns;
import dev.sluice.apply.TargetTable.Suppressed;
import dev.sluice.catalog.Catalog;
import dev.sluice.catalog.ForeignKey;
import dev.sluice.catalog.TableShape;
import dev.sluice.catalog.TableTriggers;
import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Databases;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.config.TablePolicy.Triggers;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import dev.sluice.transform.Transforms;
import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/** What the writer needs to know of the target's catalog, read once at the start of a run. */
final class TargetTables {
    private final Map<TableId, TableShape> shapes;
    private final Map<Integer, ColumnType> types;
    private final Set<TableId> cascading;
    private final Map<TableId, Suppressed> suppressed;
    private final boolean hasDeferrable;
    private final TableOrder order;
    private final Reread reread;
    /** By source table. */
    private final Map<TableId, Transforms> transforms;

    private TargetTables(
            Map<TableId, TableShape> shapes,
            Map<Integer, ColumnType> types,
            Set<TableId> cascading,
            Map<TableId, Suppressed> suppressed,
            boolean hasDeferrable,
            TableOrder order,
            Reread reread,
            Map<TableId, Transforms> transforms) {
        this.transforms = transforms;
        this.shapes = shapes;
        this.types = types;
        this.cascading = cascading;
        this.suppressed = suppressed;
        this.hasDeferrable = hasDeferrable;
        this.order = order;
        this.reread = reread;
    }

    /**
     * @param source asked for rows that must be in the target and are not; nothing is read from it here
     * @param reread source tables that are being read again: nothing of theirs can be held against rows of others
     */
    static TargetTables read(Connection target, LaneConfig lane, DatabaseConfig source, Set<TableId> reread)
            throws SQLException {
        List<TableId> ids = lane.tables().stream().map(TableMapping::target).toList();
        Map<TableId, TableShape> shapes = Catalog.read(target, ids);
        Set<Integer> oids = new HashSet<>();
        shapes.values().forEach(shape -> shape.columns().forEach(column -> oids.add(column.typeOid())));
        List<ForeignKey> foreignKeys = Catalog.foreignKeys(target, ids);
        Map<TableId, Suppressed> suppressed = suppressed(target, lane, ids, withNeighbours(lane, reread, foreignKeys));
        Set<TableId> cascading = cascading(target, ids);
        cascading.removeAll(suppressed.keySet());
        return new TargetTables(
                shapes,
                ColumnType.read(target, oids),
                cascading,
                suppressed,
                hasDeferrable(target, ids),
                new TableOrder(ids, foreignKeys),
                new Reread(source),
                transforms(target, lane, source, shapes));
    }

    /** @throws Failure.Retryable if the source cannot be asked for what columns are computed from */
    private static Map<TableId, Transforms> transforms(
            Connection target, LaneConfig lane, DatabaseConfig source, Map<TableId, TableShape> shapes) throws SQLException {
        List<TableMapping> computed = lane.tables().stream()
                .filter(mapping -> !mapping.transform().isEmpty() && shapes.containsKey(mapping.target()))
                .toList();
        Map<TableId, Transforms> transforms = new HashMap<>();
        if (computed.isEmpty()) {
            return transforms;
        }
        try (Connection asked = Databases.connectBriefly(source, "sluice-apply transform")) {
            Map<TableId, TableShape> sources = Catalog.read(asked, computed.stream().map(TableMapping::source).toList());
            for (TableMapping mapping : computed) {
                TableShape from = sources.get(mapping.source());
                transforms.put(
                        mapping.source(),
                        from == null ? Transforms.NONE : Transforms.read(asked, target, mapping, from, shapes.get(mapping.target())));
            }
            return transforms;
        } catch (SQLException e) {
            if (!target.isValid(1)) {
                throw e;
            }
            throw new Failure.Retryable(
                    "source %s: asking for the types of columns that others are computed from: %s (SQLSTATE %s)"
                            .formatted(source.address(), Databases.reason(e), e.getSQLState()),
                    e);
        }
    }

    /** As they were found when this was read. */
    Transforms transforms(TableId source) {
        return transforms.getOrDefault(source, Transforms.NONE);
    }

    /** Target tables whose foreign keys cannot hold while the tables are read again, in either direction. */
    private static Set<TableId> withNeighbours(LaneConfig lane, Set<TableId> reread, List<ForeignKey> foreignKeys) {
        Set<TableId> own = new HashSet<>();
        lane.tables().stream()
                .filter(mapping -> reread.contains(mapping.source()))
                .forEach(mapping -> own.add(mapping.target()));
        Set<TableId> found = new HashSet<>();
        for (ForeignKey key : foreignKeys) {
            if (own.contains(key.child()) || own.contains(key.parent())) {
                found.add(key.child());
                found.add(key.parent());
            }
        }
        return found;
    }

    /** Without the permission nothing is suppressed; preflight has said what that means, and refused it where it must. */
    private static Map<TableId, Suppressed> suppressed(
            Connection target, LaneConfig lane, Collection<TableId> ids, Set<TableId> incomplete) throws SQLException {
        Map<TableId, TableTriggers> triggers = TableTriggers.read(target, ids);
        Map<TableId, Suppressed> suppressed = new HashMap<>();
        for (TableMapping mapping : lane.tables()) {
            TableTriggers table = triggers.get(mapping.target());
            if (table != null && table.isSuppressible() && mapping.policy().triggers() == Triggers.SUPPRESS) {
                if (!table.ordinary().isEmpty()) {
                    suppressed.put(mapping.target(), Suppressed.ALL);
                } else if (!table.cascading().isEmpty()) {
                    suppressed.put(mapping.target(), Suppressed.OF_KEYS);
                }
            }
        }
        incomplete.forEach(table -> suppressed.put(table, Suppressed.ALL));
        return suppressed.isEmpty() || TableTriggers.maySuppress(target) ? suppressed : Map.of();
    }

    /** Tables to whose rows others refer with ON DELETE CASCADE, SET NULL or SET DEFAULT. */
    private static Set<TableId> cascading(Connection target, Collection<TableId> ids) throws SQLException {
        Set<TableId> found = new HashSet<>();
        try (PreparedStatement query = query(target, ids, "c.confrelid", "c.contype = 'f' AND c.confdeltype IN ('c', 'n', 'd')");
                ResultSet row = query.executeQuery()) {
            while (row.next()) {
                found.add(new TableId(row.getString(1), row.getString(2)));
            }
        }
        return found;
    }

    private static boolean hasDeferrable(Connection target, Collection<TableId> ids) throws SQLException {
        try (PreparedStatement query = query(target, ids, "c.conrelid", "c.condeferrable");
                ResultSet row = query.executeQuery()) {
            return row.next();
        }
    }

    private static PreparedStatement query(Connection target, Collection<TableId> ids, String table, String condition)
            throws SQLException {
        PreparedStatement query = target.prepareStatement(
                """
                SELECT DISTINCT n.nspname, t.relname
                FROM pg_catalog.pg_constraint c
                JOIN pg_catalog.pg_class t ON t.oid = %s
                JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
                JOIN unnest(?::text[], ?::text[]) AS mapped (schema, name)
                  ON n.nspname = mapped.schema AND t.relname = mapped.name
                WHERE %s""".formatted(table, condition));
        Array schemas = target.createArrayOf("text", ids.stream().map(TableId::schema).toArray());
        Array names = target.createArrayOf("text", ids.stream().map(TableId::table).toArray());
        query.setArray(1, schemas);
        query.setArray(2, names);
        return query;
    }

    /**
     * @param known the source columns that the table's rows have had before
     * @throws Failure.Fatal if the target has no such table, or lacks one of those columns
     * @throws TableStopped if a column cannot be computed
     */
    TargetTable of(TableMapping mapping, Optional<Columns> known) {
        TableShape shape = shapes.get(mapping.target());
        if (shape == null) {
            throw new Failure.Fatal(
                    Stop.SETUP,
                    "target table %s is missing".formatted(mapping.target()),
                    "create it, or correct tables[].target");
        }
        Transforms computed = transforms(mapping.source());
        if (computed.columns().size() < mapping.transform().size()) {
            throw stopped(mapping, computed);
        }
        return new TargetTable(
                mapping,
                shape,
                types,
                cascading.contains(mapping.target()),
                suppressed.getOrDefault(mapping.target(), Suppressed.NONE),
                computed.columns(),
                known);
    }

    private static TableStopped stopped(TableMapping mapping, Transforms computed) {
        return computed.problems().isEmpty()
                ? new TableStopped(
                        mapping.source(),
                        "the source has no such table any more, and columns are computed from its types",
                        "take it out of tables")
                : new TableStopped(
                        mapping.source(),
                        computed.problems().stream().map(Transforms.Problem::text).collect(Collectors.joining("; ")),
                        computed.problems().stream().map(Transforms.Problem::cure).distinct().collect(Collectors.joining(" | "))
                                + "; then start apply again");
    }

    /** At the beginning of a transaction: checks that can wait for its end do. */
    void deferConstraints(Connection target) throws SQLException {
        if (hasDeferrable) {
            try (Statement defer = target.createStatement()) {
                defer.execute("SET CONSTRAINTS ALL DEFERRED");
            }
        }
    }

    /**
     * In the middle of a transaction: what these tables' constraints have put off is checked now. Without that the server
     * does not truncate them.
     */
    void checkNow(Connection target, Collection<TableId> tables) throws SQLException {
        List<String> constraints = new ArrayList<>();
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT DISTINCT format('%I.%I', cn.nspname, c.conname)
                FROM pg_catalog.pg_constraint c
                JOIN pg_catalog.pg_namespace cn ON cn.oid = c.connamespace
                JOIN pg_catalog.pg_class t ON t.oid IN (c.conrelid, c.confrelid)
                JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
                JOIN unnest(?::text[], ?::text[]) AS wanted (schema, name)
                  ON n.nspname = wanted.schema AND t.relname = wanted.name
                WHERE c.condeferrable""")) {
            query.setArray(1, target.createArrayOf("text", tables.stream().map(TableId::schema).toArray()));
            query.setArray(2, target.createArrayOf("text", tables.stream().map(TableId::table).toArray()));
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    constraints.add(row.getString(1));
                }
            }
        }
        try (Statement check = target.createStatement()) {
            check.execute("SET CONSTRAINTS " + (constraints.isEmpty() ? "ALL" : String.join(", ", constraints)) + " IMMEDIATE");
        }
    }

    boolean hasDeferrable() {
        return hasDeferrable;
    }

    /** Tables whose deletions reach rows of other tables, which is not kept from happening. */
    Set<TableId> cascading() {
        return cascading;
    }

    Reread reread() {
        return reread;
    }

    TableOrder order() {
        return order;
    }
}
