package dev.sluice.reconciler;

import dev.sluice.catalog.Catalog;
import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.TableId;
import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The ranges of each table that have been compared, in {@code sluice.verified_range} of the target: of the pass that is going on and of
 * the one before it. A pass that was cut off goes on behind its last range.
 *
 * <p>Every method runs in the caller's transaction.
 *
 * <p>Threads: one at a time.
 */
final class RangeLedger {
    /**
     * A range that was compared.
     *
     * @param pass the target's clock when its pass began
     * @param range its keys
     * @param at the source's clock then
     * @param rows of the source, {@code targetRows} of the target
     * @param confirmed rows that differ
     * @param explained of these, rows that dead letters hold back
     * @param inFlight rows that said nothing then, of the whole table
     */
    record Range(
            OffsetDateTime pass, KeyRange range, OffsetDateTime at, Lsn position, long rows, long targetRows, long confirmed,
            long explained, long inFlight) {}

    private RangeLedger() {}

    /** Makes the table if it is missing; the schema is there. */
    static void createTable(Connection target) throws SQLException {
        if (Catalog.isThere(target, new TableId("sluice", "verified_range"))) {
            return;
        }
        Catalog.waitToMakeTables(target);
        try (Statement create = target.createStatement()) {
            create.execute(
                    """
                    CREATE TABLE IF NOT EXISTS sluice.verified_range (
                      lane text NOT NULL,
                      source_schema text NOT NULL,
                      source_table text NOT NULL,
                      pass timestamptz NOT NULL,
                      number integer NOT NULL,
                      columns text NOT NULL,
                      from_key text[],
                      to_key text[],
                      as_of timestamptz NOT NULL,
                      source_position pg_lsn NOT NULL,
                      row_count bigint NOT NULL,
                      target_row_count bigint NOT NULL,
                      confirmed bigint NOT NULL,
                      explained bigint NOT NULL,
                      in_flight bigint NOT NULL,
                      PRIMARY KEY (lane, source_schema, source_table, pass, number)
                    )""");
        }
    }

    /** @param columns a digest of what is compared: ranges of other columns say nothing of these */
    static void save(Connection target, String lane, TableId source, String columns, int number, Range range) throws SQLException {
        try (PreparedStatement insert = target.prepareStatement(
                """
                INSERT INTO sluice.verified_range (lane, source_schema, source_table, columns, number, pass, from_key, to_key, as_of,
                  source_position, row_count, target_row_count, confirmed, explained, in_flight)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?::pg_lsn, ?, ?, ?, ?, ?)
                ON CONFLICT DO NOTHING""")) {
            table(insert, lane, source);
            insert.setString(4, columns);
            insert.setInt(5, number);
            insert.setObject(6, range.pass());
            key(target, insert, 7, range.range().from());
            key(target, insert, 8, range.range().to());
            insert.setObject(9, range.at());
            insert.setString(10, range.position().toString());
            insert.setLong(11, range.rows());
            insert.setLong(12, range.targetRows());
            insert.setLong(13, range.confirmed());
            insert.setLong(14, range.explained());
            insert.setLong(15, range.inFlight());
            insert.executeUpdate();
        }
    }

    /** A pass is through: what is known of earlier ones is forgotten. */
    static void through(Connection target, String lane, TableId source, OffsetDateTime pass) throws SQLException {
        forget(target, lane, source, pass, "<");
    }

    /** A pass has told nothing. */
    static void drop(Connection target, String lane, TableId source, OffsetDateTime pass) throws SQLException {
        forget(target, lane, source, pass, "=");
    }

    private static void forget(Connection target, String lane, TableId source, OffsetDateTime pass, String which) throws SQLException {
        try (PreparedStatement delete = target.prepareStatement("DELETE FROM sluice.verified_range"
                + " WHERE lane = ? AND source_schema = ? AND source_table = ? AND pass " + which + " ?")) {
            table(delete, lane, source);
            delete.setObject(4, pass);
            delete.executeUpdate();
        }
    }

    /**
     * The ranges of the table's last pass in their order, if it was cut off and not longer ago than it may last.
     *
     * @param columns as {@link #save} had it; a pass over other columns is none
     * @param seconds that a pass may last
     * @param isAny also those in which rows were in flight; else up to the first of these
     */
    static List<Range> cutOff(Connection target, String lane, TableId source, String columns, long seconds, boolean isAny)
            throws SQLException {
        List<Range> ranges = new ArrayList<>();
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT pass, from_key, to_key, as_of, source_position::text, row_count, target_row_count, confirmed, explained, in_flight,
                  columns = ?
                FROM sluice.verified_range
                WHERE lane = ? AND source_schema = ? AND source_table = ?
                  AND pass = (SELECT max(pass) FROM sluice.verified_range WHERE lane = ? AND source_schema = ? AND source_table = ?)
                  AND pass > now() - make_interval(secs => ?)
                ORDER BY number""")) {
            query.setString(1, columns);
            for (int i = 0; i < 2; i++) {
                query.setString(3 * i + 2, lane);
                query.setString(3 * i + 3, source.schema());
                query.setString(3 * i + 4, source.table());
            }
            query.setDouble(8, seconds);
            try (ResultSet row = query.executeQuery()) {
                while (row.next() && (isAny || row.getLong(10) == 0) && row.getBoolean(11)) {
                    ranges.add(new Range(
                            row.getObject(1, OffsetDateTime.class),
                            new KeyRange(key(row, 2), key(row, 3)),
                            row.getObject(4, OffsetDateTime.class),
                            Lsn.parse(row.getString(5)),
                            row.getLong(6),
                            row.getLong(7),
                            row.getLong(8),
                            row.getLong(9),
                            row.getLong(10)));
                }
            }
        }
        boolean isThrough = !ranges.isEmpty() && ranges.get(ranges.size() - 1).range().to() == null;
        return isThrough ? List.of() : ranges;
    }

    private static void table(PreparedStatement statement, String lane, TableId source) throws SQLException {
        statement.setString(1, lane);
        statement.setString(2, source.schema());
        statement.setString(3, source.table());
    }

    private static void key(Connection target, PreparedStatement insert, int parameter, List<String> key) throws SQLException {
        if (key == null) {
            insert.setNull(parameter, Types.ARRAY);
        } else {
            insert.setArray(parameter, target.createArrayOf("text", key.toArray()));
        }
    }

    private static List<String> key(ResultSet row, int column) throws SQLException {
        Array key = row.getArray(column);
        return key == null ? null : Arrays.asList((String[]) key.getArray());
    }
}
