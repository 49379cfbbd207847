package dev.sluice.apply;

import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Looks for rows that refer to nothing. The server does not look again by itself at a foreign key whose rows came in while it
 * was kept from checking.
 */
final class ForeignKeyCheck {
    private ForeignKeyCheck() {}

    /**
     * @param all the target's tables among which foreign keys are looked at
     * @param some those that were read, which they and their children are looked at for
     * @param unread those that are still to be read: what refers to their rows is looked at when they are there
     * @return by table what is wrong and what is still to be looked at; empty where there is neither
     */
    static Map<TableId, String> orphans(
            Connection target, Collection<TableId> all, Set<TableId> some, Set<TableId> unread) throws SQLException {
        List<Key> keys = keys(target, all);
        Set<TableId> children = keys.stream()
                .filter(key -> some.contains(key.child()) || some.contains(key.parent()))
                .map(Key::child)
                .collect(Collectors.toCollection(TreeSet::new));
        children.addAll(some);
        children.removeAll(unread);
        Map<TableId, String> found = new TreeMap<>();
        for (TableId child : children) {
            List<String> wrong = new ArrayList<>();
            Set<TableId> later = new TreeSet<>();
            for (Key key : keys) {
                if (key.child().equals(child) && unread.contains(key.parent())) {
                    later.add(key.parent());
                } else if (key.child().equals(child)) {
                    long orphans = count(target, key);
                    if (orphans > 0) {
                        wrong.add("%d rows refer by %s to rows of %s that are not there"
                                .formatted(orphans, key.name(), key.parent()));
                    }
                }
            }
            if (!later.isEmpty()) {
                wrong.add(RereadStore.LATER + later.stream().map(TableId::toString).collect(Collectors.joining(", ")) + " is read");
            }
            found.put(child, String.join("; ", wrong));
        }
        return found;
    }

    private record Key(String name, TableId child, TableId parent, List<String> from, List<String> to) {}

    private static List<Key> keys(Connection target, Collection<TableId> all) throws SQLException {
        List<Key> keys = new ArrayList<>();
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT f.conname, cn.nspname, c.relname, pn.nspname, p.relname,
                       ARRAY(SELECT a.attname::text FROM unnest(f.conkey) WITH ORDINALITY k (num, place)
                             JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.num ORDER BY place),
                       ARRAY(SELECT a.attname::text FROM unnest(f.confkey) WITH ORDINALITY k (num, place)
                             JOIN pg_catalog.pg_attribute a ON a.attrelid = p.oid AND a.attnum = k.num ORDER BY place)
                FROM pg_catalog.pg_constraint f
                JOIN pg_catalog.pg_class c ON c.oid = f.conrelid
                JOIN pg_catalog.pg_namespace cn ON cn.oid = c.relnamespace
                JOIN pg_catalog.pg_class p ON p.oid = f.confrelid
                JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
                WHERE f.contype = 'f' AND f.conparentid = 0 ORDER BY 2, 3, 1""");
                ResultSet row = query.executeQuery()) {
            while (row.next()) {
                Key key = new Key(
                        row.getString(1),
                        new TableId(row.getString(2), row.getString(3)),
                        new TableId(row.getString(4), row.getString(5)),
                        List.of((String[]) row.getArray(6).getArray()),
                        List.of((String[]) row.getArray(7).getArray()));
                if (all.contains(key.child()) && all.contains(key.parent())) {
                    keys.add(key);
                }
            }
        }
        return keys;
    }

    private static long count(Connection target, Key key) throws SQLException {
        String refers = key.from().stream()
                .map(column -> "c." + TableId.quote(column) + " IS NOT NULL")
                .collect(Collectors.joining(" AND "));
        String same = IntStream.range(0, key.from().size())
                .mapToObj(i -> "p.%s = c.%s".formatted(TableId.quote(key.to().get(i)), TableId.quote(key.from().get(i))))
                .collect(Collectors.joining(" AND "));
        try (Statement statement = target.createStatement();
                ResultSet row = statement.executeQuery("SELECT count(*) FROM %s AS c WHERE %s AND NOT EXISTS (SELECT 1 FROM %s AS p WHERE %s)"
                        .formatted(key.child().quoted(), refers, key.parent().quoted(), same))) {
            row.next();
            return row.getLong(1);
        }
    }
}
