package dev.sluice.preflight;

import dev.sluice.catalog.Catalog;
import dev.sluice.catalog.Column;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The lane's publication: whether the server sends all that the lane needs, or whether capture may make it so.
 *
 * <p>Source: PostgreSQL 18 manual, CREATE PUBLICATION, for the privileges and parameters; 53.18
 * "pg_publication_tables".
 */
final class PublicationChecks {
    private static final int MOST_NAMED = 5;

    private final Connection source;
    private final LaneConfig lane;
    private final Findings findings;
    private final List<TableId> tables;
    private final String subject;
    private final String alter;

    PublicationChecks(Connection source, LaneConfig lane, Findings findings) {
        this.source = source;
        this.lane = lane;
        this.findings = findings;
        this.tables = lane.tables().stream().map(TableMapping::source).toList();
        this.subject = "publication " + lane.publication();
        this.alter = "ALTER PUBLICATION %s ".formatted(TableId.quote(lane.publication()));
    }

    private record Publication(boolean allTables, boolean allOperations, boolean viaRoot) {}

    private record Restriction(TableId table, boolean rowFilter, List<String> columns) {}

    void check() throws SQLException {
        Map<TableId, TableShape> shapes = Catalog.read(source, tables);
        List<Publication> found = Sql.list(
                source,
                """
                SELECT puballtables, pubinsert AND pubupdate AND pubdelete AND pubtruncate, pubviaroot
                FROM pg_catalog.pg_publication WHERE pubname = ?""",
                row -> new Publication(row.getBoolean(1), row.getBoolean(2), row.getBoolean(3)),
                lane.publication());
        if (found.isEmpty()) {
            missing(shapes);
            return;
        }
        Publication publication = found.get(0);
        parameters(publication, shapes);
        Set<TableId> declared = tablesOf("""
                SELECT n.nspname, c.relname FROM pg_catalog.pg_publication p
                JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid
                JOIN pg_catalog.pg_class c ON c.oid = r.prrelid
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE p.pubname = ?""");
        Set<TableId> sent = tablesOf("SELECT schemaname, tablename FROM pg_catalog.pg_publication_tables WHERE pubname = ?");
        unpublished(shapes, declared, sent);
        restrictions(shapes);
        unmapped(publication, declared, sent);
    }

    private Set<TableId> tablesOf(String query) throws SQLException {
        return new LinkedHashSet<>(Sql.list(source, query, row -> Sql.table(row, 1), lane.publication()));
    }

    private void missing(Map<TableId, TableShape> shapes) throws SQLException {
        String create = "CREATE PUBLICATION %s FOR TABLE %s WITH (publish_via_partition_root = true);"
                .formatted(TableId.quote(lane.publication()), Sql.quotedTables(tables));
        if (!lane.createPublication()) {
            findings.error(subject, "does not exist, and createPublication is false", create);
            return;
        }
        List<String> obstacles = new ArrayList<>();
        boolean maySeeDatabase = Sql.one(
                source,
                "SELECT pg_catalog.has_database_privilege(current_database(), 'CREATE')",
                row -> row.getBoolean(1));
        if (!maySeeDatabase) {
            obstacles.add("has no CREATE on the database");
        }
        List<TableId> foreign = TableAccess.read(source, shapes.keySet()).values().stream()
                .filter(access -> !access.owner())
                .map(TableAccess::id)
                .toList();
        if (!foreign.isEmpty()) {
            obstacles.add("does not own " + some(foreign));
        }
        if (!obstacles.isEmpty()) {
            findings.error(
                    subject,
                    "does not exist, and the role may not make it: it " + String.join(" and ", obstacles),
                    "as the tables' owner: " + create);
        }
    }

    private void parameters(Publication publication, Map<TableId, TableShape> shapes) {
        if (!publication.allOperations()) {
            findings.error(
                    subject,
                    "does not publish every operation",
                    alter + "SET (publish = 'insert, update, delete, truncate');");
        }
        List<TableId> partitioned = shapes.values().stream()
                .filter(shape -> shape.kind() == 'p')
                .map(TableShape::id)
                .toList();
        if (!publication.viaRoot() && !partitioned.isEmpty()) {
            findings.error(
                    subject,
                    "publishes under the names of the partitions, not of %s".formatted(some(partitioned)),
                    alter + "SET (publish_via_partition_root = true);");
        }
    }

    private void unpublished(Map<TableId, TableShape> shapes, Set<TableId> declared, Set<TableId> sent) {
        List<TableId> missing = shapes.keySet().stream()
                .filter(table -> !sent.contains(table) && !declared.contains(table))
                .toList();
        if (!missing.isEmpty()) {
            findings.error(
                    subject,
                    "does not contain " + some(missing),
                    alter + "ADD TABLE " + Sql.quotedTables(missing) + ";");
        }
    }

    /** Row filters and column lists, new in 15: {@code to_jsonb} finds no such columns in 14. */
    private void restrictions(Map<TableId, TableShape> shapes) throws SQLException {
        List<Restriction> restrictions = Sql.list(
                source,
                """
                SELECT n.nspname, c.relname, to_jsonb(r) ->> 'prqual' IS NOT NULL,
                       ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
                             WHERE a.attrelid = c.oid AND a.attnum IN (
                                 SELECT number::int FROM jsonb_array_elements_text(
                                     coalesce(nullif(to_jsonb(r) -> 'prattrs', 'null'), '[]')) AS number))
                FROM pg_catalog.pg_publication p
                JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid
                JOIN pg_catalog.pg_class c ON c.oid = r.prrelid
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE p.pubname = ? AND (to_jsonb(r) ->> 'prqual' IS NOT NULL OR to_jsonb(r) ->> 'prattrs' IS NOT NULL)
                ORDER BY 1, 2""",
                row -> new Restriction(Sql.table(row, 1), row.getBoolean(3), Sql.texts(row, 4)),
                lane.publication());
        for (Restriction restriction : restrictions) {
            TableShape shape = shapes.get(restriction.table());
            if (shape != null) {
                restriction(restriction, shape);
            }
        }
    }

    private void restriction(Restriction restriction, TableShape shape) {
        String cure = alter + "SET TABLE " + Sql.quotedTables(tables) + ";";
        if (restriction.rowFilter()) {
            findings.error(subject, "sends only some rows of %s (WHERE)".formatted(shape.id()), cure);
        }
        if (restriction.columns().isEmpty()) {
            return;
        }
        TableMapping mapping =
                lane.tables().stream().filter(table -> table.source().equals(shape.id())).findFirst().orElseThrow();
        List<String> lacking = shape.columns().stream()
                .filter(column -> !column.generated())
                .map(Column::name)
                .filter(name -> !restriction.columns().contains(name) && !mapping.exclude().contains(name))
                .toList();
        if (lacking.isEmpty()) {
            findings.warning(
                    subject,
                    "has a column list for %s: a column added later is not sent".formatted(shape.id()),
                    cure);
        } else {
            findings.error(
                    subject,
                    "its column list for %s leaves out %s".formatted(shape.id(), String.join(", ", lacking)),
                    cure + " or exclude these columns");
        }
    }

    private void unmapped(Publication publication, Set<TableId> declared, Set<TableId> sent) throws SQLException {
        Set<TableId> others = new LinkedHashSet<>(sent);
        others.addAll(declared);
        Set<TableId> ours = new HashSet<>(tables);
        TableAccess.read(source, others).values().stream()
                .filter(access -> ours.contains(access.root()))
                .forEach(access -> others.remove(access.id()));
        if (others.isEmpty()) {
            return;
        }
        findings.warning(
                subject,
                "also contains %s, which the lane does not map: they are decoded and sent for nothing"
                        .formatted(some(List.copyOf(others))),
                publication.allTables()
                        ? "make one FOR TABLE with the lane's tables only, or map them"
                        : alter + "SET TABLE " + Sql.quotedTables(tables) + "; or map them");
    }

    private static String some(List<TableId> tables) {
        String named = tables.stream().limit(MOST_NAMED).map(TableId::toString).collect(Collectors.joining(", "));
        return tables.size() <= MOST_NAMED ? named : named + " and %d more".formatted(tables.size() - MOST_NAMED);
    }
}
