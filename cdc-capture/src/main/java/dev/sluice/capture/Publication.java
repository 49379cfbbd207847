package dev.sluice.capture;

import dev.sluice.catalog.Catalog;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.Checkpoint;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** The lane's publication: what the source sends. */
final class Publication {
    private final LaneConfig lane;

    Publication(LaneConfig lane) {
        this.lane = lane;
    }

    /** The statement that makes it. */
    String createSql() {
        return "CREATE PUBLICATION %s FOR TABLE %s WITH (publish_via_partition_root = true)"
                .formatted(
                        TableId.quote(lane.publication()),
                        lane.tables().stream().map(t -> t.source().quoted()).collect(Collectors.joining(", ")));
    }

    boolean exists(Connection connection) throws SQLException {
        try (PreparedStatement query =
                connection.prepareStatement("SELECT FROM pg_catalog.pg_publication WHERE pubname = ?")) {
            query.setString(1, lane.publication());
            try (ResultSet row = query.executeQuery()) {
                return row.next();
            }
        }
    }

    /**
     * Makes the publication, or adds the tables that are new to the lane, if the configuration allows it.
     *
     * @param known tables that the lane has had before; one of them missing is a matter for a person
     */
    void createOrExtend(Connection connection, Collection<TableId> known) throws SQLException {
        if (!lane.createPublication()) {
            return;
        }
        List<TableId> tables = tables();
        if (Catalog.read(connection, tables).size() < tables.size()) {
            return; // the preflight names the tables that do not exist
        }
        try (Statement change = connection.createStatement()) {
            if (!exists(connection)) {
                change.execute(createSql());
                return;
            }
            List<TableId> added = missing(connection).stream().filter(table -> !known.contains(table)).toList();
            if (!added.isEmpty()) {
                change.execute(addSql(added));
            }
        }
    }

    private String addSql(List<TableId> tables) {
        return "ALTER PUBLICATION %s ADD TABLE %s"
                .formatted(
                        TableId.quote(lane.publication()),
                        tables.stream().map(TableId::quoted).collect(Collectors.joining(", ")));
    }

    /**
     * Throws unless everything that the lane has had before has been published ever since. A publication that is missing
     * for a while is skipped by the server (18) or stops the stream (before), a table that is missing in it is skipped;
     * both look the same as ever once they are back.
     *
     * @throws Failure.Fatal naming the publication or the tables
     */
    void requireSame(Connection connection, Checkpoint known) throws SQLException {
        Map<String, String> now = ids(connection);
        String name = lane.publication();
        if (!now.containsKey(name)) {
            throw hole("publication '%s' is missing".formatted(name), "");
        }
        Map<String, String> then = known.publicationIds();
        if (!now.get(name).equals(then.getOrDefault(name, now.get(name)))) {
            throw hole("publication '%s' was made anew or altered".formatted(name), "");
        }
        List<TableId> ours = tables().stream().filter(known.tables()::contains).toList();
        List<TableId> missing = ours.stream().filter(table -> !now.containsKey(table.toString())).toList();
        String cure = ", or take %s out of the configuration";
        if (!missing.isEmpty()) {
            throw hole("publication '%s' does not contain %s any more".formatted(name, missing), cure.formatted(missing));
        }
        List<TableId> changed = ours.stream()
                .filter(table -> !now.get(table.toString()).equals(then.get(table.toString())))
                .toList();
        if (!changed.isEmpty()) {
            throw hole(
                    "%s was taken out of publication '%s' and put back, or made anew".formatted(changed, name),
                    cure.formatted(changed));
        }
    }

    private static Failure.Fatal hole(String what, String orElse) {
        return new Failure.Fatal(
                Stop.HOLE,
                what + ": changes made meanwhile are not sent",
                "`sluice recover` has the mapped tables read again: \"Starting a lane anew\" in docs/runbook.md" + orElse);
    }

    /**
     * The source's ids, by name, of the publication and of the lane's tables in it; what is missing has none. The
     * publication's is its oid and the version of its row, a table's its own oid and that of its membership.
     */
    Map<String, String> ids(Connection connection) throws SQLException {
        boolean hasSchemas = connection.getMetaData().getDatabaseMajorVersion() >= 15;
        Map<String, String> ids = new TreeMap<>();
        try (PreparedStatement query = connection.prepareStatement(
                """
                SELECT p.oid || '/' || p.xmin, n.nspname, c.relname, c.oid || '/' || coalesce(r.oid, %s p.oid)
                FROM pg_catalog.pg_publication p
                LEFT JOIN (pg_catalog.pg_publication_tables t
                           JOIN pg_catalog.pg_namespace n ON n.nspname = t.schemaname
                           JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename)
                       ON t.pubname = p.pubname
                LEFT JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = c.oid
                %s
                WHERE p.pubname = ?"""
                        .formatted(
                                hasSchemas ? "s.oid," : "",
                                hasSchemas
                                        ? "LEFT JOIN pg_catalog.pg_publication_namespace s"
                                                + " ON s.pnpubid = p.oid AND s.pnnspid = n.oid"
                                        : ""))) {
            query.setString(1, lane.publication());
            try (ResultSet rows = query.executeQuery()) {
                while (rows.next()) {
                    ids.put(lane.publication(), rows.getString(1));
                    if (rows.getString(2) != null) {
                        TableId table = new TableId(rows.getString(2), rows.getString(3));
                        ids.put(table.toString(), rows.getString(4));
                    }
                }
            }
        }
        Set<String> ours = tables().stream().map(TableId::toString).collect(Collectors.toSet());
        ids.keySet().removeIf(name -> !name.equals(lane.publication()) && !ours.contains(name));
        return ids;
    }

    private List<TableId> tables() {
        return lane.tables().stream().map(TableMapping::source).toList();
    }

    private List<TableId> missing(Connection connection) throws SQLException {
        Map<String, String> published = ids(connection);
        return tables().stream().filter(table -> !published.containsKey(table.toString())).toList();
    }
}
