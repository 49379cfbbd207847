package dev.sluice.reconciler;

import dev.sluice.catalog.Catalog;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.divergence.Divergence;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Compares every mapped table of both databases row by row and column by column, with nothing rounded.
 *
 * <p>Both databases must be at rest, and everything applied: each side is read in one snapshot of its own, and whatever
 * is on its way between the two shows up as a difference.
 *
 * <p>Memory does not depend on the size of the tables; the servers sort, on disk if need be.
 *
 * <p>Threads: one at a time.
 */
public final class RowComparison {
    /** Most differences of a kind that are listed per table. */
    public static final int LISTED = 20;

    private final PipelineConfig config;

    public RowComparison(PipelineConfig config) {
        this.config = config;
    }

    /**
     * @throws Failure.Fatal if a table or column is missing, or may not be read
     * @throws Failure.Retryable if a database cannot be reached or the connection is lost
     */
    public ComparisonReport run() {
        return run(Divergences.NOT_KEPT);
    }

    /** Tells {@code divergences} of every row that differs, too. */
    ComparisonReport run(Divergences divergences) {
        List<TableMapping> mappings =
                config.lanes().stream().flatMap(lane -> lane.tables().stream()).toList();
        try (Connection source = Snapshots.open(config.source());
                Connection target = Snapshots.open(config.target())) {
            Map<TableId, TableShape> sources =
                    Catalog.read(source, mappings.stream().map(TableMapping::source).toList());
            Map<TableId, TableShape> targets =
                    Catalog.read(target, mappings.stream().map(TableMapping::target).toList());
            OffsetDateTime began = beginning(target);
            List<TableComparison> tables = new ArrayList<>();
            for (LaneConfig lane : config.lanes()) {
                for (TableMapping mapping : lane.tables()) {
                    TableShape here = shape(sources, mapping.source(), config.source());
                    TableShape there = shape(targets, mapping.target(), config.target());
                    ComputedPairs computed = ComputedPairs.read(config, mapping, here, there);
                    ComparedTable table = new ComparedTable(mapping, here, there, computed);
                    divergences.begin(lane, table, began);
                    TableComparison comparison = compare(table, source, target, one -> divergences.found(one, began));
                    divergences.end(comparison);
                    tables.add(comparison);
                }
            }
            return new ComparisonReport(tables);
        } catch (SQLException e) {
            throw Snapshots.translate(e);
        }
    }

    private static TableComparison compare(ComparedTable table, Connection source, Connection target, Consumer<Divergence> found)
            throws SQLException {
        try (RowStream here = new RowStream(source, table.sourceSql());
                RowStream there = new RowStream(target, table.targetSql())) {
            return new TableMerge(table, here, there, found).run();
        }
    }

    /** The target's clock when its transaction began. */
    private static OffsetDateTime beginning(Connection target) throws SQLException {
        try (Statement statement = target.createStatement();
                ResultSet now = statement.executeQuery("SELECT now()")) {
            now.next();
            return now.getObject(1, OffsetDateTime.class);
        }
    }

    static TableShape shape(Map<TableId, TableShape> shapes, TableId id, DatabaseConfig database) {
        TableShape shape = shapes.get(id);
        if (shape == null) {
            throw new Failure.Fatal(
                    Stop.SETUP,
                    "%s %s has no table %s".formatted(database.role(), database.address(), id),
                    "create it, or correct its name under tables of the configuration");
        }
        return shape;
    }
}
