package dev.sluice.catalog;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;

/**
 * Whether a session can mark what it writes by a replication origin, so that others can tell who wrote a row.
 *
 * <p>Source: PostgreSQL 18 manual, 9.28.6 "Replication Management Functions" (for superusers only unless EXECUTE is granted, in each
 * database), 19.6 "Replication" ({@code track_commit_timestamp}).
 */
public final class OriginRights {
    private OriginRights() {}

    /** Whether the server keeps commit times and origins at all. */
    public static boolean isTracking(Connection server) throws SQLException {
        try (Statement query = server.createStatement();
                ResultSet row = query.executeQuery("SELECT current_setting('track_commit_timestamp') = 'on'")) {
            row.next();
            return row.getBoolean(1);
        }
    }

    /** Functions that the role needs and may not execute, as GRANT takes them. */
    public static List<String> lacking(Connection server) throws SQLException {
        List<String> lacking = new ArrayList<>();
        try (Statement query = server.createStatement();
                ResultSet row = query.executeQuery(
                        """
                        SELECT format('pg_catalog.%s(%s)', p.proname, pg_catalog.oidvectortypes(p.proargtypes))
                        FROM pg_catalog.pg_proc p
                        WHERE p.pronamespace = 'pg_catalog'::regnamespace AND NOT pg_catalog.has_function_privilege(p.oid, 'EXECUTE')
                          AND p.proname IN ('pg_replication_origin_create', 'pg_replication_origin_session_setup',
                                            'pg_replication_origin_xact_reset')
                        ORDER BY 1""")) {
            while (row.next()) {
                lacking.add(row.getString(1));
            }
        }
        return lacking;
    }
}
