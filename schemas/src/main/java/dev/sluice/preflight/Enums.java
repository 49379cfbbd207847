package dev.sluice.preflight;

import dev.sluice.catalog.TableShape;
import dev.sluice.config.TableMapping;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** The labels of enum columns, arrays of enums and domains over them included, at both sides. */
final class Enums {
    private static final String QUERY =
            """
            SELECT a.attname, pg_catalog.quote_ident(en.nspname) || '.' || pg_catalog.quote_ident(e.typname), l.enumlabel
            """
                    + Sql.OF_TABLES
                    + """
            JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            CROSS JOIN LATERAL (
                WITH RECURSIVE part (oid) AS (
                    SELECT a.atttypid
                    UNION
                    SELECT inner_type.oid FROM part
                    JOIN pg_catalog.pg_type t ON t.oid = part.oid
                    CROSS JOIN LATERAL unnest(ARRAY[t.typelem, t.typbasetype]) AS inner_type (oid))
                SELECT oid FROM part) AS part
            JOIN pg_catalog.pg_type e ON e.oid = part.oid AND e.typtype = 'e'
            JOIN pg_catalog.pg_namespace en ON en.oid = e.typnamespace
            LEFT JOIN pg_catalog.pg_enum l ON l.enumtypid = e.oid
            ORDER BY a.attnum, l.enumsortorder
            """;

    private final Optional<Connection> source;
    private final Connection target;

    Enums(Optional<Connection> source, Connection target) {
        this.source = source;
        this.target = target;
    }

    private record Labels(String type, List<String> labels) {}

    /** Finds labels that a row of the source may have and the target's type does not know. */
    void compare(TableMapping mapping, TableShape from, TableShape to, Findings findings) throws SQLException {
        if (source.isEmpty()) {
            return;
        }
        Map<String, Labels> targets = read(target, to);
        Map<String, String> cures = new LinkedHashMap<>();
        read(source.get(), from).forEach((column, labels) -> {
            Labels other = targets.get(mapping.targetColumn(column));
            if (other != null && !mapping.exclude().contains(column)) {
                for (String label : labels.labels()) {
                    if (!other.labels().contains(label)) {
                        cures.put(
                                "enum %s lacks label '%s' of the source's %s".formatted(other.type(), label, labels.type()),
                                "ALTER TYPE %s ADD VALUE %s;".formatted(other.type(), Sql.literal(label)));
                    }
                }
            }
        });
        cures.forEach((problem, cure) -> findings.error(to.id(), problem, cure));
    }

    /** The types that a copy of the source's table needs and the target has not got; empty text if it has all. */
    String createMissingSql(TableMapping mapping, TableShape from) throws SQLException {
        Map<String, String> statements = new TreeMap<>();
        if (source.isPresent()) {
            for (Map.Entry<String, Labels> column : read(source.get(), from).entrySet()) {
                String type = column.getValue().type();
                // to_regtype would fail in a schema that the role may not use
                boolean exists = Sql.one(
                        target,
                        """
                        SELECT EXISTS (SELECT FROM pg_catalog.pg_type t
                                       JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
                                       WHERE pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.typname) = ?)""",
                        row -> row.getBoolean(1),
                        type);
                if (!exists && !mapping.exclude().contains(column.getKey())) {
                    statements.put(type, "CREATE TYPE %s AS ENUM (%s); ".formatted(
                            type,
                            column.getValue().labels().stream().map(Sql::literal).collect(Collectors.joining(", "))));
                }
            }
        }
        return String.join("", statements.values());
    }

    private static Map<String, Labels> read(Connection connection, TableShape table) throws SQLException {
        Map<String, Labels> byColumn = new HashMap<>();
        Sql.list(
                connection,
                QUERY,
                row -> {
                    String type = row.getString(2);
                    List<String> labels =
                            byColumn.computeIfAbsent(row.getString(1), column -> new Labels(type, new ArrayList<>())).labels();
                    Optional.ofNullable(row.getString(3)).ifPresent(labels::add); // an enum may have none
                    return labels;
                },
                List.of(table.id().schema()),
                List.of(table.id().table()));
        return byColumn;
    }
}
