package dev.sluice.reconciler;

import dev.sluice.config.LaneConfig;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/**
 * The publication sends some rows of a table only.
 *
 * @param cause for a person
 * @param unsent keys, of those that were asked for, of rows that it does not send
 */
record RowFilter(String cause, Set<List<String>> unsent) {
    /**
     * Row filters are new in 15. Source: PostgreSQL 18 manual, 53.18 "pg_publication_tables".
     *
     * @param keys of rows of the source
     */
    static Optional<RowFilter> read(Connection source, LaneConfig lane, ComparedTable table, List<List<String>> keys) throws SQLException {
        if (source.getMetaData().getDatabaseMajorVersion() < 15 || keys.isEmpty()) {
            return Optional.empty();
        }
        Optional<String> filter = filter(source, lane, table.mapping().source());
        if (filter.isEmpty()) {
            return Optional.empty();
        }
        RowCondition unsent = new RowCondition.Both(
                new RowCondition.Keys(keys, table.key().size()),
                (columns, types) -> "\nWHERE (" + filter.get() + ") IS NOT TRUE");
        return Optional.of(new RowFilter(
                "filtered: publication %s sends no rows of it but those WHERE %s"
                        .formatted(TableId.quote(lane.publication()), filter.get()),
                new HashSet<>(Questions.answers(source, sql(table.source(), unsent), table.key().size()).keySet())));
    }

    private static String sql(ComparedSide side, RowCondition unsent) {
        return side.rowsSql(side.from(unsent), Stream.of("'t'"));
    }

    private static Optional<String> filter(Connection source, LaneConfig lane, TableId table) throws SQLException {
        try (PreparedStatement query = source.prepareStatement(
                """
                SELECT rowfilter FROM pg_publication_tables
                WHERE pubname = ? AND schemaname = ? AND tablename = ? AND rowfilter IS NOT NULL""")) {
            query.setString(1, lane.publication());
            query.setString(2, table.schema());
            query.setString(3, table.table());
            try (ResultSet row = query.executeQuery()) {
                return row.next() ? Optional.of(row.getString(1)) : Optional.empty();
            }
        }
    }
}
