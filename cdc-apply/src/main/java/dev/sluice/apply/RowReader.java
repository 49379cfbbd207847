package dev.sluice.apply;

import dev.sluice.apply.RowChange.Key;
import dev.sluice.catalog.Catalog;
import dev.sluice.catalog.Column;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Databases;
import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.SourceSnapshot;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/**
 * Reads rows by their keys, all in one snapshot of the source.
 *
 * <p>Threads: the reading has one of its own; called by the lane's.
 */
final class RowReader implements AutoCloseable {
    private final DatabaseConfig source;
    private final ExecutorService thread;

    /**
     * What the source had.
     *
     * @param until the lane has applied what the snapshot has seen when it has reached this
     * @param keyColumns in key order
     * @param columns of the rows' values
     * @param found by the key that was asked for; of keys without a row nothing
     */
    record Rows(
            SourceSnapshot snapshot, Lsn until, List<String> keyColumns, List<String> columns, Map<Key, List<String>> found) {

        /** As the source prints it, which may be another spelling than was asked for: 1.00 is 1.0. */
        Key key(List<String> row) {
            return new Key(keyColumns.stream().map(name -> row.get(columns.indexOf(name))).toList());
        }
    }

    RowReader(DatabaseConfig source) {
        this.source = source;
        this.thread = Executors.newSingleThreadExecutor(work -> {
            Thread reader = new Thread(work, "apply-repair");
            reader.setDaemon(true);
            return reader;
        });
    }

    /** The lane has applied nothing yet that the snapshot will not see, or sees it come by from now on. */
    Future<Rows> read(TableId table, List<Key> keys) {
        return thread.submit(() -> {
            try (Connection connection = Databases.connect(source, "sluice-apply repair")) {
                return read(connection, table, keys);
            }
        });
    }

    private static Rows read(Connection connection, TableId table, List<Key> keys) throws SQLException, InterruptedException {
        LargeRow.refuse(connection);
        SourceSql.prepare(connection);
        SourceSnapshot snapshot = snapshot(connection);
        TableShape shape = Catalog.read(connection, List.of(table)).get(table);
        if (shape == null || shape.keyColumns().isEmpty()) {
            throw new SQLException("the source has no table %s with a key".formatted(table), "42P01");
        }
        List<String> columns =
                shape.columns().stream().filter(column -> !column.generated()).map(Column::name).toList();
        Map<Key, List<String>> found = found(connection, shape, columns, keys);
        Lsn until = SourceSql.position(connection);
        connection.commit();
        connection.setAutoCommit(true);
        SourceSql.mark(connection, "repair");
        return new Rows(snapshot, until, shape.keyColumns(), columns, found);
    }

    private static Map<Key, List<String>> found(
            Connection connection, TableShape shape, List<String> columns, List<Key> keys) throws SQLException {
        Map<Integer, ColumnType> types = ColumnType.read(
                connection, shape.columns().stream().map(Column::typeOid).toList());
        String sql = "SELECT "
                + columns.stream().map(name -> TableId.quote(name) + "::text").collect(Collectors.joining(", "))
                + " FROM " + shape.id().quoted() + " WHERE "
                + ColumnType.matches(shape.keyColumns(), shape, types);
        Map<Key, List<String>> found = new HashMap<>();
        try (PreparedStatement query = connection.prepareStatement(sql)) {
            for (Key key : keys) {
                for (int i = 0; i < key.values().size(); i++) {
                    query.setString(i + 1, key.values().get(i));
                }
                try (ResultSet row = query.executeQuery()) {
                    if (row.next()) {
                        List<String> values = new ArrayList<>();
                        for (int i = 1; i <= columns.size(); i++) {
                            values.add(row.getString(i));
                        }
                        found.put(key, values);
                    }
                }
            }
        }
        return found;
    }

    /**
     * One that sees every transaction that was running at first: the lane may have applied one of them already, since a commit
     * shows in the log before it shows in snapshots.
     */
    private static SourceSnapshot snapshot(Connection connection) throws SQLException, InterruptedException {
        connection.setAutoCommit(false);
        Set<Long> running = SourceSql.snapshot(connection).runningInStream();
        while (true) {
            connection.rollback();
            SourceSql.execute(connection, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY");
            SourceSnapshot snapshot = SourceSql.snapshot(connection);
            if (running.stream().allMatch(snapshot::sees)) {
                return snapshot;
            }
            TimeUnit.MILLISECONDS.sleep(5);
        }
    }

    @Override
    public void close() {
        thread.shutdownNow();
    }
}
