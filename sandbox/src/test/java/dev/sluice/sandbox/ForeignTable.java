package dev.sluice.sandbox;

import dev.sluice.schemas.TableId;
import java.sql.Array;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;

/**
 * A table of a schema that nobody has described to the test, as its catalog shows it.
 *
 * @param key columns of the primary key or, without one, of the index that is the replica identity; empty if it has neither
 * @param indexed columns of any index
 * @param uniqueNumbers columns of an integer type whose values are unique by themselves
 */
record ForeignTable(
        TableId id,
        List<Column> columns,
        List<String> key,
        List<String> uniqueNumbers,
        List<String> indexed,
        List<Reference> references) {
    /** @param identity {@code a} always, {@code d} by default, else blank */
    record Column(String name, String type, long typeOid, boolean notNull, boolean hasDefault, char identity) {
        String quoted() {
            return TableId.quote(name);
        }
    }

    /** A foreign key. */
    record Reference(List<String> columns, String table, List<String> to) {}

    private static final String TABLES =
            """
            SELECT c.oid, n.nspname, c.relname,
                   coalesce(
                       (SELECT array_agg(a.attname::text) FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid
                          AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
                        WHERE i.indrelid = c.oid AND i.indisprimary),
                       (SELECT array_agg(a.attname::text) FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid
                          AND a.attnum = ANY (i.indkey) WHERE i.indrelid = c.oid AND i.indisreplident), '{}'),
                   ARRAY(SELECT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid
                          AND a.attnum = i.indkey[0] AND a.atttypid IN (20, 23)
                        WHERE i.indrelid = c.oid AND i.indisunique AND i.indnkeyatts = 1 AND i.indpred IS NULL
                          AND a.attidentity <> 'a'),
                   ARRAY(SELECT DISTINCT a.attname::text FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid
                          AND a.attnum = ANY (i.indkey) WHERE i.indrelid = c.oid)
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ '^pg_|^information_schema$'
            ORDER BY c.oid""";

    private static final String COLUMNS =
            """
            SELECT attname, format_type(atttypid, atttypmod), atttypid, attnotnull, atthasdef, attidentity::text
            FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum""";

    private static final String REFERENCES =
            """
            SELECT ARRAY(SELECT a.attname::text FROM unnest(f.conkey) WITH ORDINALITY AS k (n, place)
                         JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.n ORDER BY place),
                   quote_ident(n.nspname) || '.' || quote_ident(c.relname),
                   ARRAY(SELECT a.attname::text FROM unnest(f.confkey) WITH ORDINALITY AS k (n, place)
                         JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.n ORDER BY place)
            FROM pg_constraint f JOIN pg_class c ON c.oid = f.confrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE f.conrelid = %s AND f.contype = 'f' AND NOT c.relispartition ORDER BY f.conname""";

    static List<ForeignTable> read(Connection connection) throws SQLException {
        List<ForeignTable> tables = new ArrayList<>();
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery(TABLES)) {
            while (row.next()) {
                String oid = row.getString(1);
                tables.add(new ForeignTable(
                        new TableId(row.getString(2), row.getString(3)),
                        list(connection, COLUMNS.formatted(oid), c -> new Column(
                                c.getString(1), c.getString(2), c.getLong(3), c.getBoolean(4), c.getBoolean(5),
                                c.getString(6).isEmpty() ? ' ' : c.getString(6).charAt(0))),
                        texts(row.getArray(4)),
                        texts(row.getArray(5)),
                        texts(row.getArray(6)),
                        list(connection, REFERENCES.formatted(oid),
                                f -> new Reference(texts(f.getArray(1)), f.getString(2), texts(f.getArray(3))))));
            }
        }
        return tables;
    }

    Column column(String name) {
        return columns.stream().filter(column -> column.name().equals(name)).findFirst().orElseThrow();
    }

    boolean isKey(Column column) {
        return key.contains(column.name());
    }

    boolean isIndexed(Column column) {
        return indexed.contains(column.name());
    }

    private interface Reader<T> {
        T read(ResultSet row) throws SQLException;
    }

    private static <T> List<T> list(Connection connection, String sql, Reader<T> reader) throws SQLException {
        List<T> list = new ArrayList<>();
        try (Statement statement = connection.createStatement();
                ResultSet row = statement.executeQuery(sql)) {
            while (row.next()) {
                list.add(reader.read(row));
            }
        }
        return list;
    }

    private static List<String> texts(Array array) throws SQLException {
        return List.of((String[]) array.getArray());
    }
}
