package dev.sluice.preflight;

import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.process.Finding;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;

/**
 * Everything about the source that can be checked before the first event.
 *
 * <p>Reads catalogs and settings only; nothing is changed, no lock is kept.
 *
 * <p>Source of the facts: PostgreSQL 18 manual, 29.11 "Configuration Settings" and 29.12 "Security" of logical
 * replication, 53.20 "pg_replication_slots".
 */
public final class SourcePreflight {

    private static final int OLDEST_VERSION = 140_000;
    private static final int SMALL_KEEP_MB = 1024;

    /** What capture calls; all are granted to PUBLIC unless somebody took it away. Signatures differ by version. */
    private static final List<String> FUNCTIONS = List.of(
            "pg_create_logical_replication_slot",
            "pg_replication_slot_advance",
            "pg_logical_emit_message",
            "pg_control_system",
            "pg_control_checkpoint");

    private SourcePreflight() {}

    /**
     * Every finding of one lane, in the order server, role, tables, publication, slot. Of a server too old for the
     * other questions that finding only.
     *
     * @throws SQLException as the driver gives it
     */
    public static List<Finding> findings(Connection source, PipelineConfig config, LaneConfig lane) throws SQLException {
        Findings findings = new Findings("source");
        int version = version(source);
        if (version < OLDEST_VERSION) {
            findings.error(config.source().address(), "is PostgreSQL " + version / 10_000 + ", too old", "upgrade to 14 or later");
            return findings.list();
        }
        server(source, config, findings);
        role(source, findings);
        limits(source, config, findings);
        new SourceTables(source, lane, findings).check();
        new PublicationChecks(source, lane, findings).check();
        slot(source, lane, findings);
        return findings.list();
    }

    /**
     * Findings of the lane's tables alone: published without a replica identity, a table that the application could
     * update until now cannot be updated any more.
     *
     * @throws SQLException as the driver gives it
     */
    public static List<Finding> tableFindings(Connection source, LaneConfig lane) throws SQLException {
        Findings findings = new Findings("source");
        if (version(source) >= OLDEST_VERSION) {
            new SourceTables(source, lane, findings).check();
        }
        return findings.list();
    }

    static int version(Connection connection) throws SQLException {
        return Sql.one(connection, "SELECT current_setting('server_version_num')::int", row -> row.getInt(1));
    }

    private static void server(Connection source, PipelineConfig config, Findings findings) throws SQLException {
        String address = config.source().address();
        Sql.one(
                source,
                "SELECT pg_catalog.pg_is_in_recovery(), current_setting('wal_level'), current_setting('server_encoding')",
                row -> {
                    if (row.getBoolean(1)) {
                        findings.error(address, "is a standby: markers cannot be written there", "set source.host to the primary");
                    }
                    if (!row.getString(2).equals("logical")) {
                        findings.error(
                                address,
                                "wal_level is '%s', the WAL lacks what decoding needs".formatted(row.getString(2)),
                                "ALTER SYSTEM SET wal_level = 'logical'; and restart the server"
                                        + " (Amazon RDS: rds.logical_replication = 1)");
                    }
                    if (row.getString(3).equals("SQL_ASCII")) {
                        findings.warning(
                                address,
                                "database encoding is SQL_ASCII: nobody has checked that its text is UTF-8,"
                                        + " text that is not cannot be read",
                                "find such text first, or move to a database with encoding UTF8");
                    }
                    return true;
                });
    }

    private static void role(Connection source, Findings findings) throws SQLException {
        Sql.one(
                source,
                """
                SELECT r.rolname, r.rolsuper OR r.rolreplication OR EXISTS (
                           SELECT FROM pg_catalog.pg_roles m
                           WHERE m.rolname IN ('rds_replication', 'rds_superuser')
                             AND pg_catalog.pg_has_role(m.oid, 'MEMBER')),
                       ARRAY(SELECT p.oid::regprocedure::text FROM pg_catalog.pg_proc p
                             WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname = ANY (?::text[])
                               AND NOT pg_catalog.has_function_privilege(p.oid, 'EXECUTE'))
                FROM pg_catalog.pg_roles r WHERE r.rolname = current_user""",
                row -> {
                    String role = TableId.quote(row.getString(1));
                    if (!row.getBoolean(2)) {
                        findings.error(
                                "role " + row.getString(1),
                                "may not replicate",
                                "ALTER ROLE %s REPLICATION; (Amazon RDS: GRANT rds_replication TO %s;)".formatted(role, role));
                    }
                    for (String function : Sql.texts(row, 3)) {
                        findings.error(
                                "role " + row.getString(1),
                                "may not call " + function,
                                "GRANT EXECUTE ON FUNCTION %s TO %s;".formatted(function, role));
                    }
                    return true;
                },
                FUNCTIONS);
    }

    /** Room for the slots and walsenders of all lanes, and how much WAL the server keeps for a capture that is down. */
    private static void limits(Connection source, PipelineConfig config, Findings findings) throws SQLException {
        String address = config.source().address();
        List<String> slots = config.lanes().stream().map(LaneConfig::slot).toList();
        Sql.one(
                source,
                """
                SELECT current_setting('max_replication_slots')::int,
                       (SELECT count(*) FROM pg_catalog.pg_replication_slots),
                       (SELECT count(*) FROM pg_catalog.pg_replication_slots WHERE slot_name = ANY (?::text[])),
                       current_setting('max_wal_senders')::int,
                       (SELECT count(*) FROM pg_catalog.pg_stat_replication),
                       (SELECT count(*) FROM pg_catalog.pg_replication_slots
                        WHERE slot_name = ANY (?::text[]) AND active_pid IS NOT NULL),
                       (SELECT setting::bigint FROM pg_catalog.pg_settings WHERE name = 'max_slot_wal_keep_size'),
                       coalesce((SELECT setting::bigint FROM pg_catalog.pg_settings
                                 WHERE name = 'idle_replication_slot_timeout'), 0)""",
                row -> {
                    room("max_replication_slots", row.getInt(1), row.getInt(2), slots.size() - row.getInt(3), address, findings);
                    room("max_wal_senders", row.getInt(4), row.getInt(5), slots.size() - row.getInt(6), address, findings);
                    keeps(row.getLong(7), address, findings);
                    if (row.getLong(8) > 0) {
                        findings.warning(
                                address,
                                "idle_replication_slot_timeout is set: a capture that is down for that long loses its slot",
                                "ALTER SYSTEM SET idle_replication_slot_timeout = 0; SELECT pg_reload_conf();");
                    }
                    return true;
                },
                slots,
                slots);
    }

    private static void room(String setting, int most, int used, int needed, String address, Findings findings) {
        if (most - used < needed) {
            findings.error(
                    address,
                    "%s is %d, %d are in use, %d more are needed".formatted(setting, most, used, needed),
                    "ALTER SYSTEM SET %s = %d; and restart the server, or give up what nobody uses"
                            .formatted(setting, used + needed));
        }
    }

    private static void keeps(long keepMb, String address, Findings findings) {
        String cure = "ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'; SELECT pg_reload_conf();"
                + " with the WAL of your longest outage, below the free disk space";
        if (keepMb < 0) {
            findings.warning(address, "max_slot_wal_keep_size is unlimited: a capture that stays down fills the source's disk", cure);
        } else if (keepMb < SMALL_KEEP_MB) {
            findings.warning(
                    address,
                    "max_slot_wal_keep_size is %d MB: a short outage of capture loses the slot".formatted(keepMb),
                    cure);
        }
    }

    /** A missing slot is fine: capture makes it at its first start, and knows whether this is the first. */
    private static void slot(Connection source, LaneConfig lane, Findings findings) throws SQLException {
        String subject = "slot " + lane.slot();
        // to_jsonb: conflicting came with 16, invalidation_reason with 17
        Sql.list(
                source,
                """
                SELECT coalesce(s.plugin, ''), coalesce(s.database, ''), s.two_phase, s.temporary,
                       coalesce(to_jsonb(s) ->> 'invalidation_reason', CASE
                           WHEN (to_jsonb(s) ->> 'conflicting')::boolean THEN 'conflict with recovery'
                           WHEN s.wal_status = 'lost' THEN 'its WAL was removed' END),
                       s.wal_status = 'unreserved', current_database()
                FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = ?""",
                row -> {
                    List<String> foreign = new ArrayList<>();
                    if (row.getString(1).isEmpty()) {
                        foreign.add("it is physical");
                    } else if (!row.getString(1).equals("pgoutput")) {
                        foreign.add("its plugin is %s and not pgoutput".formatted(row.getString(1)));
                    } else if (!row.getString(2).equals(row.getString(7))) {
                        foreign.add("it belongs to database '%s'".formatted(row.getString(2)));
                    }
                    if (row.getBoolean(3)) {
                        foreign.add("it decodes prepared transactions (two_phase)");
                    }
                    if (row.getBoolean(4)) {
                        foreign.add("it is temporary");
                    }
                    if (!foreign.isEmpty()) {
                        findings.error(
                                subject,
                                "was not made by Sluice: " + String.join(", ", foreign),
                                "give the lane another name in lanes[].slot, or, if nobody needs it: SELECT pg_drop_replication_slot(%s);"
                                        .formatted(Sql.literal(lane.slot())));
                    }
                    if (row.getString(5) != null) {
                        findings.error(
                                subject,
                                "was given up by the server (%s): changes that capture has not read are gone"
                                        .formatted(row.getString(5)),
                                "follow \"Starting a lane anew\" in docs/runbook.md");
                    } else if (row.getBoolean(6)) {
                        findings.warning(
                                subject,
                                "is about to be lost: its WAL is beyond max_slot_wal_keep_size and goes at the next checkpoint",
                                "ALTER SYSTEM SET max_slot_wal_keep_size = -1; SELECT pg_reload_conf(); and start capture now");
                    }
                    return true;
                },
                lane.slot());
    }
}
