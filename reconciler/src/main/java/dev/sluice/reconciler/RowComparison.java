package dev.sluice.reconciler;

import dev.sluice.catalog.Catalog;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Databases;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.config.TextForm;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

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

    /**
     * What texts depend on, the same on both sides. Types of other schemas are printed with theirs, since the search
     * path has none.
     */
    private static final String SETTINGS =
            TextForm.sql()
                    + """
            SET search_path = pg_catalog;
            SET xmloption = 'content';
            SET quote_all_identifiers = off;
            SET standard_conforming_strings = on;
            SET statement_timeout = 0;
            SET jit = off;
            """;

    private final PipelineConfig config;

    public RowComparison(PipelineConfig config) {
        this.config = config;
    }

    /**
     * @throws Failure.Fatal if a table or column is missing, or may not be read
     * @throws Failure.Retryable if a database cannot be reached or the connection is lost
     */
    public ComparisonReport run() {
        List<TableMapping> mappings =
                config.lanes().stream().flatMap(lane -> lane.tables().stream()).toList();
        try (Connection source = snapshot(config.source());
                Connection target = snapshot(config.target())) {
            Map<TableId, TableShape> sources =
                    Catalog.read(source, mappings.stream().map(TableMapping::source).toList());
            Map<TableId, TableShape> targets =
                    Catalog.read(target, mappings.stream().map(TableMapping::target).toList());
            List<TableComparison> tables = new ArrayList<>();
            for (TableMapping mapping : mappings) {
                TableShape here = shape(sources, mapping.source(), config.source());
                TableShape there = shape(targets, mapping.target(), config.target());
                tables.add(compare(new ComparedTable(mapping, here, there), source, target));
            }
            return new ComparisonReport(tables);
        } catch (SQLException e) {
            throw translate(e);
        }
    }

    private static TableComparison compare(ComparedTable table, Connection source, Connection target) throws SQLException {
        try (RowStream here = new RowStream(source, table.sourceSql());
                RowStream there = new RowStream(target, table.targetSql())) {
            return new TableMerge(table, here, there).run();
        }
    }

    private static TableShape shape(Map<TableId, TableShape> shapes, TableId id, DatabaseConfig database) {
        TableShape shape = shapes.get(id);
        if (shape == null) {
            throw new Failure.Fatal(
                    Stop.SETUP,
                    "%s %s has no table %s".formatted(database.role(), database.address(), id),
                    "create it, or correct its name under tables of the configuration");
        }
        return shape;
    }

    private static Connection snapshot(DatabaseConfig database) throws SQLException {
        Connection connection = connect(database);
        try (Statement statement = connection.createStatement()) {
            statement.execute(SETTINGS);
            connection.setReadOnly(true);
            connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
            connection.setAutoCommit(false);
            return connection;
        } catch (SQLException e) {
            connection.close();
            throw e;
        }
    }

    private static Connection connect(DatabaseConfig database) throws SQLException {
        try {
            return Databases.connect(patient(database), "sluice-compare");
        } catch (SQLException e) {
            if (!Databases.isAccessRefused(String.valueOf(e.getSQLState()))) {
                throw e;
            }
            String role = database.role();
            throw new Failure.Fatal(
                    Stop.ACCESS,
                    "%s %s: %s".formatted(role, database.address(), e.getMessage()),
                    "correct %s.user and %s.password (or SLUICE_%s_PASSWORD), or allow the role to log in"
                            .formatted(role, role, role.toUpperCase(Locale.ROOT)),
                    e);
        }
    }

    /** A server that sorts a large table says nothing for long. */
    private static DatabaseConfig patient(DatabaseConfig database) {
        Map<String, String> properties = new HashMap<>(database.properties());
        properties.putIfAbsent("socketTimeout", "0");
        return new DatabaseConfig(
                database.role(),
                database.host(),
                database.port(),
                database.database(),
                database.user(),
                database.password(),
                database.sslMode(),
                properties);
    }

    private static Failure translate(SQLException e) {
        String state = String.valueOf(e.getSQLState());
        String message = "could not compare: " + Databases.reason(e);
        if (state.startsWith("08") || state.startsWith("57P") || state.startsWith("53")) {
            return new Failure.Retryable(message, e);
        }
        if (state.equals("42501")) {
            return new Failure.Fatal(Stop.SETUP, message, "grant SELECT on the tables", e);
        }
        return new Failure.Fatal(Stop.FAILED, message, "see the server's message", e);
    }
}
