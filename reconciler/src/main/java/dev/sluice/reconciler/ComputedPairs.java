package dev.sluice.reconciler;

import dev.sluice.catalog.Column;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Databases;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.transform.ComputedColumn;
import dev.sluice.transform.Transforms;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * How the computed columns of a table are compared: the source is asked for their expressions, as the target understands them.
 *
 * @param expressions SQL over the source's columns, by target column
 * @param reasons why others cannot be compared, by target column
 */
record ComputedPairs(Map<String, String> expressions, Map<String, String> reasons) {
    static final ComputedPairs NONE = new ComputedPairs(Map.of(), Map.of());

    static ComputedPairs read(PipelineConfig config, TableMapping mapping, TableShape from, TableShape to) throws SQLException {
        if (mapping.transform().isEmpty()) {
            return NONE;
        }
        try (Connection source = open(config.source());
                Connection target = open(config.target())) {
            Transforms transforms = Transforms.read(source, target, mapping, from, to);
            try (Statement set = source.createStatement()) {
                set.execute("SET search_path = pg_catalog");
            }
            Map<String, String> expressions = new LinkedHashMap<>();
            Map<String, String> reasons = new LinkedHashMap<>();
            for (ComputedColumn column : transforms.columns()) {
                try {
                    String value = column.preparedSql(input -> "CAST(NULL AS %s)".formatted(column.inputs().get(input).type()));
                    describe(source, "SELECT " + cast(value, to.column(column.column()).orElseThrow()));
                    expressions.put(column.column(), column.expression());
                } catch (SQLException e) {
                    if (!String.valueOf(e.getSQLState()).startsWith("42")) {
                        throw e;
                    }
                    reasons.put(column.column(), "the source cannot compute it: " + e.getMessage());
                }
            }
            mapping.transform().keySet().stream()
                    .filter(name -> !expressions.containsKey(name) && !reasons.containsKey(name))
                    .forEach(name -> reasons.put(name, "cannot be computed, `sluice check` says why"));
            return new ComputedPairs(expressions, reasons);
        }
    }

    private static Connection open(DatabaseConfig database) throws SQLException {
        return Databases.connect(database, "sluice-compare");
    }

    private static void describe(Connection source, String sql) throws SQLException {
        try (PreparedStatement statement = source.prepareStatement(sql)) {
            statement.getMetaData();
        }
    }

    /** The value as the target's column has it. */
    static String cast(String value, Column column) {
        return "CAST((" + value + ") AS " + column.type() + ")";
    }
}
