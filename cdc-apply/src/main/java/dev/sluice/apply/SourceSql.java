package dev.sluice.apply;

import dev.sluice.config.TextForm;
import dev.sluice.schemas.ControlRecord;
import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.SourceSnapshot;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/** What those who read rows of the source beside the stream ask its server. */
final class SourceSql {
    private SourceSql() {}

    /** Values are printed as the stream prints them, and markers wait for no standby: the lane has them before that anyway. */
    static void prepare(Connection source) throws SQLException {
        execute(source, TextForm.sql());
        execute(source, "SET search_path = pg_catalog; SET quote_all_identifiers = off; SET synchronous_commit = local");
    }

    /** Behind everything that the server has committed. */
    static Lsn position(Connection source) throws SQLException {
        return Lsn.parse(ask(source, "SELECT pg_catalog.pg_current_wal_insert_lsn()::text"));
    }

    /** Of the transaction, or in autocommit of now. */
    static SourceSnapshot snapshot(Connection source) throws SQLException {
        return SourceSnapshot.parse(ask(source, "SELECT pg_catalog.pg_current_snapshot()::text"));
    }

    /**
     * Brings the lane beyond the present position also where nobody else writes; in autocommit.
     *
     * @param kind what it is for
     */
    static void mark(Connection source, String kind) throws SQLException {
        execute(source, "SELECT pg_catalog.pg_logical_emit_message(true, '%s', '{\"kind\":\"%s\"}')"
                .formatted(ControlRecord.MARKER_PREFIX, kind));
    }

    static String ask(Connection source, String sql) throws SQLException {
        try (Statement statement = source.createStatement();
                ResultSet row = statement.executeQuery(sql)) {
            row.next();
            return row.getString(1);
        }
    }

    static void execute(Connection source, String sql) throws SQLException {
        try (Statement statement = source.createStatement()) {
            statement.execute(sql);
        }
    }
}
