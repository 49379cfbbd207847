package dev.sluice.capture;

import dev.sluice.catalog.Catalog;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
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
        List<TableId> tables = lane.tables().stream().map(TableMapping::source).toList();
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
     * Throws unless the publication is there and has the tables that the lane has had before.
     *
     * @throws Failure.Fatal naming the publication or the tables
     */
    void requireComplete(Connection connection, Collection<TableId> known) throws SQLException {
        if (!exists(connection)) {
            throw new Failure.Fatal(
                    Stop.SETUP, "publication '%s' is missing".formatted(lane.publication()), createSql() + ";");
        }
        List<TableId> missing = missing(connection).stream().filter(known::contains).toList();
        if (!missing.isEmpty()) {
            throw new Failure.Fatal(
                    Stop.HOLE,
                    "publication '%s' does not contain %s any more: changes made since it was taken out are not captured"
                            .formatted(lane.publication(), missing),
                    addSql(missing) + "; and read the table again, or take it out of the configuration");
        }
    }

    private List<TableId> missing(Connection connection) throws SQLException {
        Set<TableId> published = new LinkedHashSet<>();
        try (PreparedStatement query = connection.prepareStatement(
                "SELECT schemaname, tablename FROM pg_catalog.pg_publication_tables WHERE pubname = ?")) {
            query.setString(1, lane.publication());
            try (ResultSet rows = query.executeQuery()) {
                while (rows.next()) {
                    published.add(new TableId(rows.getString(1), rows.getString(2)));
                }
            }
        }
        return lane.tables().stream()
                .map(TableMapping::source)
                .filter(table -> !published.contains(table))
                .toList();
    }
}
