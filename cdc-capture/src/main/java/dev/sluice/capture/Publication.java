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
import java.util.ArrayList;
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

    /** Makes the publication if it is missing and the configuration allows it. */
    void createIfMissing(Connection connection) throws SQLException {
        if (exists(connection) || !lane.createPublication()) {
            return;
        }
        List<TableId> tables = lane.tables().stream().map(TableMapping::source).toList();
        if (Catalog.read(connection, tables).size() < tables.size()) {
            return; // the preflight names the tables that do not exist
        }
        try (Statement create = connection.createStatement()) {
            create.execute(createSql());
        }
    }

    /**
     * Throws unless the publication is there and has every table of the lane.
     *
     * @throws Failure.Fatal naming the publication or the tables
     */
    void requireComplete(Connection connection) throws SQLException {
        if (!exists(connection)) {
            throw new Failure.Fatal(
                    Stop.SETUP, "publication '%s' is missing".formatted(lane.publication()), createSql() + ";");
        }
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
        List<TableId> missing = new ArrayList<>();
        lane.tables().forEach(table -> {
            if (!published.contains(table.source())) {
                missing.add(table.source());
            }
        });
        if (!missing.isEmpty()) {
            throw new Failure.Fatal(
                    Stop.HOLE,
                    "publication '%s' does not contain %s: their changes are not sent, and those made meanwhile are not captured"
                            .formatted(lane.publication(), missing),
                    "ALTER PUBLICATION %s ADD TABLE %s; and, if the table was published before, read it again"
                            .formatted(
                                    TableId.quote(lane.publication()),
                                    missing.stream().map(TableId::quoted).collect(Collectors.joining(", "))));
        }
    }
}
