package dev.sluice.reconciler;

import dev.sluice.catalog.Catalog;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;

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
        if (Catalog.isThere(target, new TableId("sluice", "verification"))) {
            return;
        }
        try (Statement create = target.createStatement()) {
            create.execute("SELECT pg_advisory_xact_lock(hashtextextended('sluice.tables', 0))");
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
            create.execute("CREATE INDEX IF NOT EXISTS verification_table"
                    + " ON sluice.verification (lane, source_schema, source_table, id)");
        }
    }

    static void save(Connection target, String lane, TableVerification found) throws SQLException {
        try (Statement forget = target.createStatement()) {
            forget.execute(
                    "DELETE FROM sluice.verification WHERE finished_at < now() - interval '%d days'".formatted(KEPT_DAYS));
        }
        try (PreparedStatement insert = target.prepareStatement(
                """
                INSERT INTO sluice.verification (lane, source_schema, source_table, verdict, as_of, source_position,
                  row_count, confirmed, explained, in_flight)
                VALUES (?, ?, ?, ?, ?, ?::pg_lsn, ?, ?, ?, ?)""")) {
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
            insert.executeUpdate();
        }
    }
}
