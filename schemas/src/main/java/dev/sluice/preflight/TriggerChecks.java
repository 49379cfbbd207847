package dev.sluice.preflight;

import dev.sluice.catalog.TableTriggers;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.config.TablePolicy.Triggers;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;

/**
 * What fires in the target when apply writes, and whether it can be kept from firing: what a trigger or a cascading foreign
 * key did at the source comes in the stream, and must not be done twice.
 */
final class TriggerChecks {
    private final Connection target;
    private final LaneConfig lane;
    private final Findings findings;

    TriggerChecks(Connection target, LaneConfig lane, Findings findings) {
        this.target = target;
        this.lane = lane;
        this.findings = findings;
    }

    void check() throws SQLException {
        List<TableId> tables = lane.tables().stream().map(TableMapping::target).toList();
        Map<TableId, TableTriggers> triggers = TableTriggers.read(target, tables);
        boolean maySuppress = TableTriggers.maySuppress(target);
        rules(tables);
        for (TableMapping mapping : lane.tables()) {
            TableTriggers found = triggers.get(mapping.target());
            if (found == null) {
                continue;
            }
            if (mapping.policy().triggers() == Triggers.FIRE) {
                found.ordinary().forEach(trigger -> fires(mapping.target(), trigger));
            } else if (!found.ordinary().isEmpty()) {
                suppressed(mapping.target(), found, maySuppress);
            } else if (!found.cascading().isEmpty()) {
                cascades(mapping.target(), found, maySuppress);
            }
            found.always().forEach(trigger -> fires(mapping.target(), trigger));
        }
    }

    /**
     * Rules change what apply writes before any trigger could, and no role keeps those of updates from standing against
     * ON CONFLICT.
     *
     * <p>Source: {@code matchLocks} and {@code RewriteQuery} in {@code src/backend/rewrite/rewriteHandler.c}.
     */
    private void rules(List<TableId> tables) throws SQLException {
        Sql.list(
                target,
                "SELECT n.nspname, c.relname, r.rulename"
                        + Sql.OF_TABLES
                        + """
                JOIN pg_catalog.pg_rewrite r ON r.ev_class = c.oid AND (r.ev_enabled <> 'D' OR r.ev_type = '2')
                ORDER BY 1, 2, 3""",
                row -> {
                    TableId table = Sql.table(row, 1);
                    findings.error(
                            table,
                            "rule %s would change what is applied, after it has done so at the source"
                                    .formatted(row.getString(3)),
                            "DROP RULE %s ON %s; until the cutover, in the target"
                                    .formatted(TableId.quote(row.getString(3)), table.quoted()));
                    return true;
                },
                Sql.schemas(tables),
                Sql.names(tables));
    }

    private void fires(TableId table, String trigger) {
        findings.warning(
                table,
                "trigger %s fires for every row that is applied, after it has fired at the source".formatted(trigger),
                "ALTER TABLE %s DISABLE TRIGGER %s; until the cutover".formatted(table.quoted(), TableId.quote(trigger)));
    }

    private void suppressed(TableId table, TableTriggers found, boolean maySuppress) throws SQLException {
        String triggers = "triggers (%s) would fire for every row that is applied, after they have fired at the source"
                .formatted(String.join(", ", found.ordinary()));
        String otherwise = " or, if they may fire twice, tables[].triggers: fire; or ALTER TABLE %s DISABLE TRIGGER USER; until the cutover"
                .formatted(table.quoted());
        if (!maySuppress) {
            findings.error(table, triggers + ", and the role may not suppress that", grant() + otherwise);
        }
        if (!found.deferrable().isEmpty()) {
            findings.error(
                    table,
                    triggers + "; suppressed, the server would not look again at its deferrable constraints (%s)"
                            .formatted(String.join(", ", found.deferrable())),
                    "make them NOT DEFERRABLE in the target: ALTER TABLE %s DROP CONSTRAINT …, ADD …;".formatted(table.quoted())
                            + otherwise);
        }
        if (!found.outside().isEmpty()) {
            findings.error(
                    table,
                    triggers + "; suppressed, the server would not check its foreign keys with tables outside of the lane (%s)"
                            .formatted(String.join(", ", found.outside())),
                    "put those tables into the lane too" + otherwise);
        }
        found.replica().forEach(trigger -> fires(table, trigger));
    }

    private void cascades(TableId table, TableTriggers found, boolean maySuppress) throws SQLException {
        String reaches = "what is deleted or gets another key reaches rows of other tables (%s)"
                .formatted(String.join(", ", found.cascading()));
        if (!found.isSuppressible()) {
            findings.warning(
                    table,
                    reaches + ", which is not suppressed because of "
                            + String.join(", ", found.outside().isEmpty() ? found.deferrable() : found.outside()),
                    found.outside().isEmpty()
                            ? "make those constraints NOT DEFERRABLE in the target"
                            : "put the tables of those foreign keys into the lane too");
        } else if (!maySuppress) {
            findings.warning(table, reaches + ", after it has at the source, and the role may not suppress that", grant());
        }
    }

    /** Before 15 only a superuser may. */
    private String grant() throws SQLException {
        String role = TableId.quote(target.getMetaData().getUserName());
        return target.getMetaData().getDatabaseMajorVersion() < 15
                ? "ALTER ROLE %s SUPERUSER; or upgrade to 15 and GRANT SET ON PARAMETER session_replication_role TO %s;"
                        .formatted(role, role)
                : "GRANT SET ON PARAMETER session_replication_role TO %s;".formatted(role);
    }
}
