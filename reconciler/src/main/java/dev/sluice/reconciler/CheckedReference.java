package dev.sluice.reconciler;

import dev.sluice.catalog.Catalog;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Rows of a mapped table refer to rows of another one: because the mapping says so, or by a foreign key of the target, whose checks
 * are switched off while apply writes.
 *
 * @param foreignKey its name in the target; empty if only the mapping says so
 * @param source empty if not all of its columns come from the source: then the target is looked at alone
 * @param parent the mapping of the table that is referred to; empty if nothing is applied to it
 */
record CheckedReference(String foreignKey, Ends target, Optional<Ends> source, Optional<TableMapping> parent) {
    /** Of one side; {@code columns} of the child and {@code key} of the parent stand for each other. */
    record Ends(TableId child, List<String> columns, TableId parent, List<String> key) {
        @Override
        public String toString() {
            return "%s (%s) → %s (%s)".formatted(child, String.join(", ", columns), parent, String.join(", ", key));
        }
    }

    /** Keys of time ranges are left out: what they refer to is no single row. */
    private static final String FOREIGN_KEYS =
            """
            SELECT f.conname, pn.nspname, p.relname,
                   ARRAY(SELECT a.attname::text FROM unnest(f.conkey) WITH ORDINALITY AS k (attnum, place)
                         JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.attnum ORDER BY k.place),
                   ARRAY(SELECT a.attname::text FROM unnest(f.confkey) WITH ORDINALITY AS k (attnum, place)
                         JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.attnum ORDER BY k.place)
            FROM pg_constraint f
            JOIN pg_class p ON p.oid = f.confrelid
            JOIN pg_namespace pn ON pn.oid = p.relnamespace
            WHERE f.conrelid = to_regclass(?) AND f.contype = 'f' AND f.conparentid = 0
              AND coalesce(to_jsonb(f) ->> 'conperiod', 'false') = 'false'
            ORDER BY f.conname""";

    /** Those whose child a table is: of the mapping in its order, then further foreign keys by name. */
    static List<CheckedReference> of(LaneConfig lane, TableMapping child, Connection source, Connection target) throws SQLException {
        Map<TableId, TableMapping> bySource = new HashMap<>();
        Map<TableId, TableMapping> byTarget = new HashMap<>();
        lane.tables().forEach(table -> {
            bySource.put(table.source(), table);
            byTarget.put(table.target(), table);
        });
        List<CheckedReference> all = new ArrayList<>();
        child.references().forEach(reference -> all.add(declared(child, reference, bySource.get(reference.table()))));
        Map<TableId, TableShape> shapes = Catalog.read(source, bySource.keySet());
        try (PreparedStatement query = target.prepareStatement(FOREIGN_KEYS)) {
            query.setString(1, child.target().quoted());
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    Ends ends = new Ends(
                            child.target(), texts(row, 4), new TableId(row.getString(2), row.getString(3)), texts(row, 5));
                    if (all.stream().noneMatch(one -> one.target().equals(ends))) {
                        all.add(foreignKey(row.getString(1), child, ends, Optional.ofNullable(byTarget.get(ends.parent())), shapes));
                    }
                }
            }
        }
        return all;
    }

    private static CheckedReference declared(TableMapping child, TableMapping.Reference reference, TableMapping parent) {
        Ends source = new Ends(child.source(), reference.columns(), parent.source(), reference.key());
        Ends target = new Ends(
                child.target(),
                reference.columns().stream().map(child::targetColumn).toList(),
                parent.target(),
                reference.key().stream().map(parent::targetColumn).toList());
        return new CheckedReference("", target, Optional.of(source), Optional.of(parent));
    }

    private static CheckedReference foreignKey(
            String name, TableMapping child, Ends target, Optional<TableMapping> parent, Map<TableId, TableShape> shapes) {
        Optional<List<String>> columns = sourceColumns(child, target.columns(), shapes);
        Optional<List<String>> key = parent.flatMap(mapping -> sourceColumns(mapping, target.key(), shapes));
        Optional<Ends> source = columns.isPresent() && key.isPresent()
                ? Optional.of(new Ends(child.source(), columns.get(), parent.get().source(), key.get()))
                : Optional.empty();
        return new CheckedReference(name, target, source, parent);
    }

    /** Empty if the source does not fill all of them. */
    private static Optional<List<String>> sourceColumns(
            TableMapping mapping, List<String> columns, Map<TableId, TableShape> shapes) {
        Map<String, String> byTarget = new HashMap<>();
        Optional.ofNullable(shapes.get(mapping.source())).ifPresent(shape -> shape.columns().stream()
                .filter(column -> !mapping.exclude().contains(column.name()))
                .forEach(column -> byTarget.put(mapping.targetColumn(column.name()), column.name())));
        return byTarget.keySet().containsAll(columns) ? Optional.of(columns.stream().map(byTarget::get).toList()) : Optional.empty();
    }

    private static List<String> texts(ResultSet row, int column) throws SQLException {
        return List.of((String[]) row.getArray(column).getArray());
    }

    @Override
    public String toString() {
        return foreignKey.isEmpty() ? "reference " + source.orElse(target) : "foreign key %s of %s".formatted(foreignKey, target);
    }
}
