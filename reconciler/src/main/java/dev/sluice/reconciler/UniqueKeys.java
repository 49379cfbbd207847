package dev.sluice.reconciler;

import dev.sluice.config.LaneConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;

/**
 * Unique keys that the source enforces and the target would not, once it is written by others than apply: missing ones, and those of
 * the target that are not valid.
 *
 * @param compared how many of the source were looked for
 */
record UniqueKeys(int compared, List<Finding> findings) {
    /**
     * @param table of the target
     * @param key its name, at the source if it is missing
     * @param problem for people, to follow the names
     * @param cure SQL for the target
     */
    record Finding(TableId table, String key, String problem, String cure) {
        @Override
        public String toString() {
            return "unique key %s of %s %s; %s".formatted(key, table, problem, cure);
        }
    }

    /** What a key is made of; {@code columns} has an empty text for each expression. */
    private record Key(
            TableId table,
            TableId index,
            boolean isValid,
            List<String> columns,
            List<String> parts,
            String predicate,
            boolean refusesNulls) {
        boolean isPlain() {
            return predicate.isEmpty() && !columns.contains("");
        }

        /** A second row that this key refuses, {@code other} refuses too, or will once it is valid. */
        boolean isCoveredBy(Key other, TableMapping mapping) {
            if (refusesNulls && !other.refusesNulls) {
                return false;
            }
            if (other.isPlain()) {
                return columns.stream().map(mapping::targetColumn).toList().containsAll(other.columns);
            }
            return other.parts.equals(parts) && other.predicate.equals(predicate);
        }
    }

    private static final String QUERY =
            """
            SELECT n.nspname, c.relname, xn.nspname, x.relname, i.indisvalid,
                   ARRAY(SELECT coalesce(a.attname::text, '')
                         FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
                         LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum AND k.attnum > 0
                         WHERE k.place <= i.indnkeyatts ORDER BY k.place),
                   ARRAY(SELECT pg_get_indexdef(i.indexrelid, k, false) FROM generate_series(1, i.indnkeyatts) AS k ORDER BY k),
                   coalesce(pg_get_expr(i.indpred, i.indrelid), ''),
                   coalesce(to_jsonb(i) ->> 'indnullsnotdistinct', 'false') = 'true'
            FROM unnest(?::text[], ?::text[]) AS wanted (schema_name, table_name)
            JOIN pg_namespace n ON n.nspname = wanted.schema_name
            JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.table_name
            JOIN pg_index i ON i.indrelid = c.oid AND i.indisunique
            JOIN pg_class x ON x.oid = i.indexrelid
            JOIN pg_namespace xn ON xn.oid = x.relnamespace
            ORDER BY 1, 2, 4""";

    static UniqueKeys compare(Connection source, Connection target, LaneConfig lane) throws SQLException {
        List<Key> sources = read(source, lane.tables().stream().map(TableMapping::source).toList());
        List<Key> targets = read(target, lane.tables().stream().map(TableMapping::target).toList());
        List<Finding> findings = new ArrayList<>();
        int compared = 0;
        for (TableMapping mapping : lane.tables()) {
            List<Key> there = targets.stream().filter(key -> key.table().equals(mapping.target())).toList();
            there.stream().filter(key -> !key.isValid()).forEach(key -> findings.add(new Finding(
                    key.table(), key.index().table(), "is not valid and refuses nothing for sure",
                    "REINDEX INDEX %s;".formatted(key.index().quoted()))));
            for (Key key : sources) {
                boolean isCarried = key.columns().stream().noneMatch(mapping.exclude()::contains);
                if (key.table().equals(mapping.source()) && key.isValid() && isCarried) {
                    compared++;
                    if (there.stream().noneMatch(other -> key.isCoveredBy(other, mapping))) {
                        findings.add(missing(key, mapping));
                    }
                }
            }
        }
        return new UniqueKeys(compared, findings);
    }

    private static Finding missing(Key key, TableMapping mapping) {
        List<String> parts = new ArrayList<>();
        for (int i = 0; i < key.parts().size(); i++) {
            String column = key.columns().get(i);
            parts.add(column.isEmpty() ? "(" + key.parts().get(i) + ")" : TableId.quote(mapping.targetColumn(column)));
        }
        String cure = "CREATE UNIQUE INDEX ON %s (%s)%s%s;".formatted(
                mapping.target().quoted(),
                String.join(", ", parts),
                key.refusesNulls() ? " NULLS NOT DISTINCT" : "",
                key.predicate().isEmpty() ? "" : " WHERE " + key.predicate());
        return new Finding(
                mapping.target(), key.index().table(), "(%s) is there at the source only".formatted(String.join(", ", key.parts())), cure);
    }

    private static List<Key> read(Connection side, Collection<TableId> tables) throws SQLException {
        List<Key> keys = new ArrayList<>();
        try (PreparedStatement query = side.prepareStatement(QUERY)) {
            query.setArray(1, side.createArrayOf("text", tables.stream().map(TableId::schema).toArray()));
            query.setArray(2, side.createArrayOf("text", tables.stream().map(TableId::table).toArray()));
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    keys.add(new Key(
                            new TableId(row.getString(1), row.getString(2)),
                            new TableId(row.getString(3), row.getString(4)),
                            row.getBoolean(5),
                            texts(row, 6),
                            texts(row, 7),
                            row.getString(8),
                            row.getBoolean(9)));
                }
            }
        }
        return keys;
    }

    private static List<String> texts(ResultSet row, int column) throws SQLException {
        return List.of((String[]) row.getArray(column).getArray());
    }
}
