package dev.sluice.reconciler;

import dev.sluice.catalog.Catalog;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Optional;

/**
 * What verifications have found, in {@code sluice.verification} of the target; kept for {@value #KEPT_DAYS} days.
 *
 * <p>Every method runs in the caller's transaction.
 *
 * <p>Threads: one at a time.
 */
final class VerificationHistory {
    private static final int KEPT_DAYS = 90;

    private VerificationHistory() {}

    /** Makes the table if it is missing; the schema is there. */
    static void createTable(Connection target) throws SQLException {
        if (Catalog.isThere(target, new TableId("sluice", "verified_reference"))) {
            return;
        }
        Catalog.waitToMakeTables(target);
        try (Statement create = target.createStatement()) {
            create.execute(
                    """
                    CREATE TABLE IF NOT EXISTS sluice.verification (
                      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                      lane text NOT NULL,
                      source_schema text NOT NULL,
                      source_table text NOT NULL,
                      verdict text NOT NULL,
                      as_of timestamptz,
                      source_position pg_lsn,
                      row_count bigint NOT NULL,
                      confirmed bigint NOT NULL,
                      explained bigint NOT NULL,
                      in_flight bigint NOT NULL,
                      finished_at timestamptz NOT NULL DEFAULT clock_timestamp()
                    )""");
            create.execute(
                    """
                    ALTER TABLE sluice.verification
                      ADD COLUMN IF NOT EXISTS began_at timestamptz,
                      ADD COLUMN IF NOT EXISTS target_row_count bigint,
                      ADD COLUMN IF NOT EXISTS columns_compared integer,
                      ADD COLUMN IF NOT EXISTS columns_not_compared text[]""");
            create.execute(
                    """
                    CREATE OR REPLACE VIEW sluice.verified_through AS
                    SELECT DISTINCT ON (lane, source_schema, source_table) lane, source_schema, source_table,
                      max(as_of) FILTER (WHERE verdict = 'IN SYNC') OVER one AS verified_through,
                      verdict AS last_verdict, finished_at AS last_finished_at,
                      cardinality(columns_not_compared) AS columns_not_compared
                    FROM sluice.verification
                    WINDOW one AS (PARTITION BY lane, source_schema, source_table)
                    ORDER BY lane, source_schema, source_table, id DESC""");
            create.execute(
                    """
                    CREATE TABLE IF NOT EXISTS sluice.verified_reference (
                      lane text NOT NULL,
                      source_schema text NOT NULL,
                      source_table text NOT NULL,
                      reference text NOT NULL,
                      verdict text NOT NULL,
                      broken bigint NOT NULL,
                      explained bigint NOT NULL,
                      pre_existing bigint NOT NULL,
                      in_flight bigint NOT NULL,
                      finished_at timestamptz NOT NULL DEFAULT clock_timestamp(),
                      PRIMARY KEY (lane, source_schema, source_table, reference)
                    )""");
            create.execute("CREATE INDEX IF NOT EXISTS verification_table"
                    + " ON sluice.verification (lane, source_schema, source_table, id)");
        }
    }

    /** How long ago the table was verified, if it was in sync. */
    static Optional<Duration> sinceVerified(Connection target, String lane, TableId source) throws SQLException {
        if (!Catalog.isThere(target, new TableId("sluice", "verification"))) {
            return Optional.empty();
        }
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT extract(epoch FROM clock_timestamp() - finished_at)::bigint, verdict = 'IN SYNC' FROM sluice.verification
                WHERE lane = ? AND source_schema = ? AND source_table = ? ORDER BY id DESC LIMIT 1""")) {
            query.setString(1, lane);
            query.setString(2, source.schema());
            query.setString(3, source.table());
            try (ResultSet row = query.executeQuery()) {
                return row.next() && row.getBoolean(2) ? Optional.of(Duration.ofSeconds(row.getLong(1))) : Optional.empty();
            }
        }
    }

    /** @param began the target's clock; null if nothing was read */
    static void save(Connection target, String lane, TableVerification found, OffsetDateTime began) throws SQLException {
        try (Statement forget = target.createStatement()) {
            forget.execute(
                    "DELETE FROM sluice.verification WHERE finished_at < now() - interval '%d days'".formatted(KEPT_DAYS));
        }
        try (PreparedStatement insert = target.prepareStatement(
                """
                INSERT INTO sluice.verification (lane, source_schema, source_table, verdict, as_of, source_position,
                  row_count, confirmed, explained, in_flight, began_at, columns_compared, columns_not_compared, target_row_count)
                VALUES (?, ?, ?, ?, ?, ?::pg_lsn, ?, ?, ?, ?, ?, ?, ?, ?)""")) {
            insert.setString(1, lane);
            insert.setString(2, found.source().schema());
            insert.setString(3, found.source().table());
            insert.setString(4, found.verdict());
            if (found.isUnknown()) {
                insert.setNull(5, Types.TIMESTAMP_WITH_TIMEZONE);
                insert.setNull(6, Types.VARCHAR);
            } else {
                insert.setTimestamp(5, Timestamp.from(found.at()));
                insert.setString(6, found.position().toString());
            }
            insert.setLong(7, found.rows());
            insert.setLong(8, found.confirmed());
            insert.setLong(9, found.explained());
            insert.setLong(10, found.inFlight());
            insert.setObject(11, began, Types.TIMESTAMP_WITH_TIMEZONE);
            insert.setInt(12, found.columns().size() - found.notCompared().size());
            insert.setArray(13, target.createArrayOf("text", found.notCompared().toArray()));
            insert.setLong(14, found.targetRows());
            insert.executeUpdate();
        }
    }

    /** What is known of a table's references, instead of what was known. */
    static void saveReferences(Connection target, String lane, TableId source, List<ReferenceVerification> found) throws SQLException {
        try (PreparedStatement delete = target.prepareStatement(
                "DELETE FROM sluice.verified_reference WHERE lane = ? AND source_schema = ? AND source_table = ?")) {
            delete.setString(1, lane);
            delete.setString(2, source.schema());
            delete.setString(3, source.table());
            delete.executeUpdate();
        }
        try (PreparedStatement insert = target.prepareStatement(
                """
                INSERT INTO sluice.verified_reference (lane, source_schema, source_table, reference, verdict, broken, explained,
                  pre_existing, in_flight)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT DO NOTHING""")) {
            for (ReferenceVerification one : found) {
                insert.setString(1, lane);
                insert.setString(2, source.schema());
                insert.setString(3, source.table());
                insert.setString(4, one.reference());
                insert.setString(5, one.verdict());
                insert.setLong(6, one.broken());
                insert.setLong(7, one.explained());
                insert.setLong(8, one.preExisting());
                insert.setLong(9, one.inFlight());
                insert.addBatch();
            }
            insert.executeBatch();
        }
    }
}
