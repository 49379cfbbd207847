package dev.sluice.apply;

import dev.sluice.apply.RowChange.Kind;
import dev.sluice.catalog.Catalog;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Databases;
import dev.sluice.config.TextForm;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads single rows again from the source: those that a change presupposes and the target does not have.
 *
 * <p>The row comes as it is now, which may be later than the change; the changes between then and now follow in the stream
 * and end where the row is already. A row that is gone at the source is gone here when the stream gets there.
 *
 * <p>Threads: the lane's, or that of a reader for which the lane waits. The connection is kept from one row to the next: where
 * a condition has left rows out there may be many.
 */
final class Reread implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Reread.class);

    private final DatabaseConfig source;
    private final Map<TableId, Long> counts = new HashMap<>();
    private Connection kept;

    Reread(DatabaseConfig source) {
        this.source = source;
    }

    /**
     * The row that the change leaves behind, whole; empty if the source does not have it any more.
     *
     * @throws Failure.Retryable if the source cannot be asked
     */
    Optional<RowChange> row(RowChange change) {
        TargetTable table = change.table();
        try {
            Optional<RowChange> row = readOnce(change);
            say(table, row.isPresent());
            return row;
        } catch (SQLException e) {
            throw new Failure.Retryable(
                    "source %s: reading a row of %s again (SQLSTATE %s)"
                            .formatted(source.address(), table.source(), e.getSQLState()),
                    e);
        }
    }

    /** A connection that was kept may have been cut since. */
    private Optional<RowChange> readOnce(RowChange change) throws SQLException {
        boolean isKept = kept != null;
        try {
            return read(change);
        } catch (SQLException e) {
            close();
            if (isKept) {
                return read(change);
            }
            throw e;
        }
    }

    private Optional<RowChange> read(RowChange change) throws SQLException {
        if (kept == null) {
            kept = Databases.connectBriefly(source, "sluice-apply reread");
            try (Statement set = kept.createStatement()) {
                set.execute(TextForm.sql());
            }
        }
        TableId table = change.table().source();
        TableShape shape = Catalog.read(kept, List.of(table)).get(table);
        return shape == null ? Optional.empty() : read(kept, change, shape);
    }

    /** At the first row of a table, the second, the fourth and so on: there may be thousands. */
    private void say(TargetTable table, boolean isThere) {
        long count = counts.merge(table.source(), 1L, Long::sum);
        if (Long.bitCount(count) == 1) {
            log.warn(
                    "{}: a row that a change of some columns presupposes is missing; {}, key columns {}; {} rows of it read again"
                            + " since this run began; somebody else writes to the target, its first copy was not whole, a condition"
                            + " has left rows out, or it is being read from the source",
                    table.id(),
                    isThere ? "it is taken from the source as it is now" : "the source has it no more, so it is left out",
                    table.keyNames(),
                    count);
        }
    }

    @Override
    public void close() {
        try {
            if (kept != null) {
                kept.close();
            }
        } catch (SQLException e) {
            log.debug("closing: {}", e.getMessage());
        }
        kept = null;
    }

    private static Optional<RowChange> read(Connection connection, RowChange change, TableShape shape) throws SQLException {
        TargetTable table = change.table();
        List<String> columns = table.sourceColumns(shape);
        Map<String, ColumnType> types = keyTypes(connection, shape, table.keyNames());
        String sql = "SELECT "
                + columns.stream().map(column -> TableId.quote(column) + "::text").collect(Collectors.joining(", "))
                + " FROM " + table.source().quoted() + " WHERE "
                + table.keyNames().stream()
                        .map(key -> types.get(key).same(TableId.quote(key), types.get(key).cast("?::text")))
                        .collect(Collectors.joining(" AND "));
        try (PreparedStatement query = connection.prepareStatement(sql)) {
            for (int i = 0; i < table.keyNames().size(); i++) {
                query.setString(i + 1, change.key().values().get(i));
            }
            try (ResultSet row = query.executeQuery()) {
                if (!row.next()) {
                    return Optional.empty();
                }
                int[] places = columns.stream().mapToInt(table::place).toArray();
                String[] values = new String[table.width()];
                Arrays.fill(values, RowChange.ABSENT);
                for (int i = 0; i < places.length; i++) {
                    values[places[i]] = row.getString(i + 1);
                }
                return Optional.of(new RowChange(table, Kind.UPSERT, change.key(), values, null));
            }
        }
    }

    private static Map<String, ColumnType> keyTypes(Connection connection, TableShape shape, List<String> key)
            throws SQLException {
        Map<String, Integer> oids = new HashMap<>();
        shape.columns().stream()
                .filter(column -> key.contains(column.name()))
                .forEach(column -> oids.put(column.name(), column.typeOid()));
        Map<Integer, ColumnType> types = ColumnType.read(connection, oids.values());
        return key.stream().collect(Collectors.toMap(Function.identity(), name -> types.get(oids.get(name))));
    }
}
