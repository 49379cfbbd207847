package dev.sluice.preflight;

import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** What apply has noted in the target of the tables that it carries: the columns of their rows, and which of them are held. */
final class Carried {
    private final Map<TableId, Set<String>> columns = new HashMap<>();
    private final Map<TableId, Held> held = new TreeMap<>();

    /** Why a table is held. */
    record Held(String text, String cure, String since) {}

    private Carried() {}

    static Carried read(Connection target, PipelineConfig config, LaneConfig lane) throws SQLException {
        Carried carried = new Carried();
        String name = config.nameInTarget(lane);
        // made last, so the other is there too; a role that may not read it is told so elsewhere
        boolean isThere = Sql.one(
                target,
                """
                SELECT coalesce(pg_catalog.has_table_privilege(to_regclass('sluice.held_table')::oid, 'SELECT')
                    AND pg_catalog.has_table_privilege(to_regclass('sluice.source_columns')::oid, 'SELECT'), false)""",
                row -> row.getBoolean(1));
        if (isThere) {
            Sql.list(
                    target,
                    "SELECT source_schema, source_table, columns, ignored FROM sluice.source_columns WHERE lane = ?",
                    row -> {
                        Set<String> taken = new HashSet<>(Sql.texts(row, 3));
                        Sql.texts(row, 4).forEach(taken::remove);
                        return carried.columns.put(Sql.table(row, 1), taken);
                    },
                    name);
            Sql.list(
                    target,
                    """
                    SELECT source_schema, source_table, reason, cure,
                           to_char(held_since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
                    FROM sluice.held_table WHERE lane = ?""",
                    row -> carried.held.put(
                            Sql.table(row, 1), new Held(row.getString(3), row.getString(4), row.getString(5))),
                    name);
        }
        return carried;
    }

    /** Whether rows of the table have been applied before without this column. */
    boolean isNew(TableId table, String column) {
        return columns.containsKey(table) && !columns.get(table).contains(column);
    }

    /** By source table. */
    Map<TableId, Held> held() {
        return held;
    }
}
