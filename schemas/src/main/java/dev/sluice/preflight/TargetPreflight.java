package dev.sluice.preflight;

import dev.sluice.catalog.Catalog;
import dev.sluice.catalog.OriginRights;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.config.TablePolicy;
import dev.sluice.config.TablePolicy.NewColumns;
import dev.sluice.process.Finding;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Everything about the target that can be checked before the first event, and how source and target tables fit.
 *
 * <p>Reads catalogs and settings; nothing is changed, no lock is kept. For computed columns temporary tables are made and rolled back.
 */
public final class TargetPreflight {

    private static final int OLDEST_VERSION = 140_000;

    private final Optional<Connection> source;
    private final Connection target;
    private final PipelineConfig config;
    private final LaneConfig lane;
    private final Findings findings = new Findings("target");

    private TargetPreflight(Optional<Connection> source, Connection target, PipelineConfig config, LaneConfig lane) {
        this.source = source;
        this.target = target;
        this.config = config;
        this.lane = lane;
    }

    /**
     * Every finding of one lane, in the order server, role, schema {@code sluice}, tables.
     *
     * @param source without it the tables are not compared with the source's
     * @throws SQLException as the driver gives it
     */
    public static List<Finding> findings(
            Optional<Connection> source, Connection target, PipelineConfig config, LaneConfig lane) throws SQLException {
        return new TargetPreflight(source, target, config, lane).findings();
    }

    /**
     * How the rows of a table that has been carried do not fit any more: columns, types, enums, key. Not what single rows may
     * break.
     *
     * @param source without it nothing can be said
     */
    public static List<Finding> misfits(
            Optional<Connection> source, Connection target, PipelineConfig config, LaneConfig lane, TableMapping mapping)
            throws SQLException {
        TargetPreflight preflight = new TargetPreflight(source, target, config, lane);
        if (source.isPresent()) {
            TableShape from = Catalog.read(source.get(), List.of(mapping.source())).get(mapping.source());
            TableShape to = Catalog.read(target, List.of(mapping.target())).get(mapping.target());
            if (from != null && to != null) {
                // a column that is new and left out keeps no row from being written
                TableMapping following = mapping.with(new TablePolicy(
                        NewColumns.ADD, mapping.policy().truncate(), mapping.policy().triggers()));
                preflight.fit(
                        following, from, to, new Findings("target"), Carried.read(target, config, lane), new Enums(source, target));
            }
        }
        return preflight.findings.list();
    }

    private void fit(
            TableMapping mapping, TableShape from, TableShape to, Findings rules, Carried carried, Enums enums)
            throws SQLException {
        TableFit fit = new TableFit(mapping, to, findings, rules, column -> carried.isNew(mapping.source(), column));
        fit.columns(from);
        fit.keys(from);
        fit.transforms(source.orElseThrow(), from, target);
        enums.compare(mapping, from, to, findings);
    }

    private List<Finding> findings() throws SQLException {
        int version = SourcePreflight.version(target);
        if (version < OLDEST_VERSION) {
            findings.error(config.target().address(), "is PostgreSQL " + version / 10_000 + ", too old", "upgrade to 14 or later");
            return findings.list();
        }
        server();
        sameDatabase();
        ownSchema();
        origin();
        tables();
        return findings.list();
    }

    private void server() throws SQLException {
        String address = config.target().address();
        Sql.one(
                target,
                """
                SELECT pg_catalog.pg_is_in_recovery(), current_setting('default_transaction_read_only') = 'on',
                       current_setting('server_encoding'), current_database(), current_user""",
                row -> {
                    if (row.getBoolean(1)) {
                        findings.error(address, "is a standby, nothing can be written", "set target.host to the primary");
                    }
                    if (row.getBoolean(2)) {
                        findings.error(
                                address,
                                "transactions are read-only by default (default_transaction_read_only)",
                                "ALTER ROLE %s IN DATABASE %s SET default_transaction_read_only = off;"
                                        .formatted(TableId.quote(row.getString(5)), TableId.quote(row.getString(4))));
                    }
                    if (!row.getString(3).equals("UTF8")) {
                        findings.warning(
                                address,
                                "database encoding is %s: text of the source may have characters that it lacks"
                                        .formatted(row.getString(3)),
                                "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0;");
                    }
                    return true;
                });
    }

    private void sameDatabase() {
        if (!config.source().address().equals(config.target().address())) {
            return;
        }
        Set<TableId> sources = config.lanes().stream()
                .flatMap(each -> each.tables().stream())
                .map(TableMapping::source)
                .collect(Collectors.toSet());
        findings.warning(config.target().address(), "is the source's database too", "correct target, unless this is a trial");
        lane.tables().stream().map(TableMapping::target).filter(sources::contains).forEach(table -> findings.error(
                table, "is a source table of this pipeline: what is applied would be captured again, without end",
                "map it to another table"));
    }

    private void ownSchema() throws SQLException {
        String role = TableId.quote(target.getMetaData().getUserName());
        Sql.one(
                target,
                """
                SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'sluice'),
                       coalesce((SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE')
                                        AND pg_catalog.has_schema_privilege(n.oid, 'CREATE')
                                 FROM pg_catalog.pg_namespace n WHERE n.nspname = 'sluice'), false),
                       pg_catalog.has_database_privilege(current_database(), 'CREATE'),
                       ARRAY(SELECT c.relname::text FROM pg_catalog.pg_class c
                             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'sluice'
                             WHERE c.relkind IN ('r', 'p')
                               AND c.relname <> 'divergence' -- not the lane's: whoever compares may have made it
                               AND EXISTS (
                                 SELECT FROM unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) AS p
                                 WHERE NOT pg_catalog.has_table_privilege(c.oid, p))
                             ORDER BY 1)""",
                row -> {
                    if (!row.getBoolean(1) && !row.getBoolean(3)) {
                        findings.error(
                                "schema sluice",
                                "does not exist, and the role may not make it",
                                "CREATE SCHEMA sluice AUTHORIZATION %s;".formatted(role));
                    } else if (row.getBoolean(1) && !row.getBoolean(2)) {
                        findings.error(
                                "schema sluice",
                                "the role may not work in it",
                                "GRANT USAGE, CREATE ON SCHEMA sluice TO %s;".formatted(role));
                    }
                    List<String> locked = Sql.texts(row, 4);
                    if (!locked.isEmpty()) {
                        findings.error(
                                "schema sluice",
                                "the role may not write " + String.join(", ", locked),
                                "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA sluice TO %s;".formatted(role));
                    }
                    return true;
                });
    }

    /** Only what a verification can tell depends on it. */
    private void origin() throws SQLException {
        if (!OriginRights.isTracking(target)) {
            return;
        }
        List<String> lacking = OriginRights.lacking(target);
        if (!lacking.isEmpty()) {
            String role = target.getMetaData().getUserName();
            findings.warning(
                    "role " + role,
                    "may not set a replication origin: what it writes is not marked, and `sluice verify` cannot tell who wrote a row",
                    "GRANT EXECUTE ON FUNCTION %s TO %s;".formatted(String.join(", ", lacking), TableId.quote(role)));
        }
    }

    private void tables() throws SQLException {
        List<TableId> sources = lane.tables().stream().map(TableMapping::source).toList();
        List<TableId> targets = lane.tables().stream().map(TableMapping::target).toList();
        Map<TableId, TableShape> sourceShapes = source.isPresent() ? Catalog.read(source.get(), sources) : Map.of();
        Map<TableId, TableShape> targetShapes = Catalog.read(target, targets);
        Map<TableId, TableAccess> access =
                TableAccess.read(target, targets, "SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE");
        Enums enums = new Enums(source, target);
        Carried carried = Carried.read(target, config, lane);
        carried.held().forEach((table, reason) -> lane.tables().stream()
                .filter(mapping -> mapping.source().equals(table))
                .forEach(mapping -> findings.error(
                        mapping.target(), "is held since %s: %s".formatted(reason.since(), reason.text()), reason.cure())));
        for (TableMapping mapping : lane.tables()) {
            Optional<TableShape> from = Optional.ofNullable(sourceShapes.get(mapping.source()));
            TableShape to = targetShapes.get(mapping.target());
            if (to == null) {
                absent(mapping, Optional.ofNullable(access.get(mapping.target())), from, enums);
            } else {
                table(to, access.get(to.id()));
                new TableFit(mapping, to, findings).constants(target);
                if (from.isPresent()) {
                    fit(mapping, from.get(), to, findings, carried, enums);
                }
            }
        }
        new TriggerChecks(target, lane, findings).check();
        foreignKeys(targets);
    }

    private void absent(
            TableMapping mapping, Optional<TableAccess> other, Optional<TableShape> from, Enums enums) throws SQLException {
        TableId table = mapping.target();
        if (other.isPresent()) {
            findings.error(table, "is %s, not a table".formatted(other.get().kindInWords()), "map to the table behind it");
            return;
        }
        List<TableId> similar = TableAccess.similar(target, table);
        String there = similar.isEmpty() ? "" : " (there is %s)".formatted(Sql.quotedTables(similar));
        findings.error(
                table,
                "does not exist" + there,
                from.isPresent() ? createSql(mapping, from.get(), enums) : "create it, or correct the name in tables");
    }

    private String createSql(TableMapping mapping, TableShape from, Enums enums) throws SQLException {
        boolean schemaExists = Sql.one(
                target,
                "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = ?)",
                row -> row.getBoolean(1),
                mapping.target().schema());
        return (schemaExists ? "" : "CREATE SCHEMA %s; ".formatted(TableId.quote(mapping.target().schema())))
                + enums.createMissingSql(mapping, from)
                + TableFit.createSql(mapping, from);
    }

    private void table(TableShape shape, TableAccess access) throws SQLException {
        TableId table = shape.id();
        String role = TableId.quote(target.getMetaData().getUserName());
        if (!access.schemaUsage()) {
            findings.error(
                    "schema " + table.schema(),
                    "the role may not use it",
                    "GRANT USAGE ON SCHEMA %s TO %s;".formatted(TableId.quote(table.schema()), role));
        }
        Set<String> missing = new LinkedHashSet<>(access.missing());
        if (missing.remove("TRUNCATE")) {
            findings.warning(
                    table,
                    "the role may not truncate it: a TRUNCATE at the source would stop the lane",
                    "GRANT TRUNCATE ON %s TO %s;".formatted(table.quoted(), role));
        }
        if (!missing.isEmpty()) {
            String privileges = String.join(", ", missing);
            findings.error(
                    table,
                    "the role lacks " + privileges,
                    "GRANT %s ON %s TO %s;".formatted(privileges, table.quoted(), role));
        }
        if (access.rowSecurity()) {
            findings.error(
                    table, "row-level security stands between the role and the rows", "ALTER ROLE %s BYPASSRLS;".formatted(role));
        }
        if (shape.persistence() != 'p') {
            findings.error(
                    table,
                    "is not permanent: after a crash its rows are gone, and the progress says they were written",
                    "ALTER TABLE %s SET LOGGED;".formatted(table.quoted()));
        }
    }

    /** A foreign key holds only if its parent is filled before: by the same lane, in the source's order. */
    private void foreignKeys(List<TableId> targets) throws SQLException {
        Set<TableId> sameLane = new HashSet<>(targets);
        Set<TableId> anyLane = config.lanes().stream()
                .flatMap(each -> each.tables().stream())
                .map(TableMapping::target)
                .collect(Collectors.toSet());
        Sql.list(
                target,
                "SELECT n.nspname, c.relname, f.conname, pn.nspname, p.relname"
                        + Sql.OF_TABLES
                        + """
                JOIN pg_catalog.pg_constraint f ON f.conrelid = c.oid AND f.contype = 'f' AND f.conparentid = 0
                JOIN pg_catalog.pg_class p ON p.oid = f.confrelid
                JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
                ORDER BY 1, 2, 3""",
                row -> {
                    TableId child = Sql.table(row, 1);
                    TableId parent = Sql.table(row, 4);
                    String drop = "ALTER TABLE %s DROP CONSTRAINT %s;".formatted(child.quoted(), TableId.quote(row.getString(3)));
                    if (!sameLane.contains(parent) && anyLane.contains(parent)) {
                        findings.error(
                                child,
                                "foreign key %s refers to %s, which another lane fills: no order holds between lanes"
                                        .formatted(row.getString(3), parent),
                                "put both tables into one lane, or " + drop);
                    } else if (!sameLane.contains(parent)) {
                        findings.warning(
                                child,
                                "foreign key %s refers to %s, which this pipeline does not fill"
                                        .formatted(row.getString(3), parent),
                                "map that table too, see that its rows are there, or " + drop);
                    }
                    return true;
                },
                Sql.schemas(targets),
                Sql.names(targets));
    }
}
