package dev.sluice.preflight;

import dev.sluice.catalog.Column;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.TableMapping;
import dev.sluice.config.TablePolicy.NewColumns;
import dev.sluice.schemas.TableId;
import dev.sluice.transform.Transforms;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/**
 * Whether the rows of a source table fit into its target table: columns, types, what stays empty, and the key.
 *
 * <p>Generated columns are not in the stream (PostgreSQL 18 manual, 29.6 "Generated Column Replication"), so the target
 * has to generate them as well, or to do without.
 */
final class TableFit {
    private static final int INPUT_CHECK_VERSION = 160_000;

    private final TableMapping mapping;
    private final TableShape target;
    private final Findings findings;
    private final Findings rules;
    private final Predicate<String> isNew;
    private final String alter;

    /** A table of which nothing was applied before. */
    TableFit(TableMapping mapping, TableShape target, Findings findings) {
        this(mapping, target, findings, findings, column -> false);
    }

    /**
     * @param rules takes what single rows may break and the table as such does not
     * @param isNew tells of a source column whether it appeared while the table was already carried
     */
    TableFit(TableMapping mapping, TableShape target, Findings findings, Findings rules, Predicate<String> isNew) {
        this.rules = rules;
        this.isNew = isNew;
        this.mapping = mapping;
        this.target = target;
        this.findings = findings;
        this.alter = "ALTER TABLE %s ".formatted(target.id().quoted());
    }

    /**
     * Constants need a column that takes them. The value's form is checked where the server can, which is 16 and
     * later, and for its own types: asking for one in a schema that the role may not use is an error.
     */
    void constants(Connection connection) throws SQLException {
        boolean checksInput = SourcePreflight.version(connection) >= INPUT_CHECK_VERSION;
        for (Map.Entry<String, String> constant : mapping.constants().entrySet()) {
            Optional<Column> column = target.column(constant.getKey());
            if (column.isEmpty()) {
                findings.error(
                        target.id(),
                        "has no column '%s' for a constant".formatted(constant.getKey()),
                        alter + "ADD COLUMN %s text; or take it out of constants".formatted(TableId.quote(constant.getKey())));
            } else if (column.get().generated()) {
                findings.error(
                        target.id(),
                        "column '%s' is generated and takes no constant".formatted(constant.getKey()),
                        "take it out of constants");
            } else if (checksInput && !column.get().type().contains(".") && !takes(connection, column.get(), constant.getValue())) {
                findings.error(
                        target.id(),
                        "column '%s' of type %s does not take its constant".formatted(column.get().name(), column.get().type()),
                        "correct constants." + column.get().name());
            }
        }
    }

    /** Has the target's server judge the computed columns. */
    void transforms(Connection from, TableShape source, Connection to) throws SQLException {
        Transforms.read(from, to, mapping, source, target)
                .problems()
                .forEach(problem -> findings.error(target.id(), problem.text(), problem.cure()));
    }

    private static boolean takes(Connection connection, Column column, String value) throws SQLException {
        return Sql.one(
                connection,
                "SELECT pg_catalog.pg_input_is_valid(?, ?)",
                row -> row.getBoolean(1),
                value,
                column.type());
    }

    void columns(TableShape source) {
        for (Column from : source.columns()) {
            if (!mapping.exclude().contains(from.name())) {
                column(from);
            }
        }
        Set<String> filled = filled(source);
        for (Column to : target.columns()) {
            if (to.notNull() && !to.hasDefault() && !to.generated() && !filled.contains(to.name())) {
                findings.error(
                        target.id(),
                        "nothing fills column '%s', which is NOT NULL and has no default".formatted(to.name()),
                        "give it a constant or transform, or " + alter + "ALTER COLUMN %s DROP NOT NULL;".formatted(TableId.quote(to.name())));
            }
        }
    }

    private void column(Column from) {
        String name = mapping.targetColumn(from.name());
        Optional<Column> found = target.column(name);
        String exclude = "exclude '%s'".formatted(from.name());
        if (found.isEmpty()) {
            missing(from, name, exclude);
            return;
        }
        Column to = found.get();
        if (from.generated() != to.generated()) {
            findings.error(
                    target.id(),
                    from.generated()
                            ? "column '%s' is generated at the source, so its values are not sent".formatted(name)
                            : "column '%s' is generated and cannot be written".formatted(name),
                    from.generated()
                            ? "make it the same GENERATED ALWAYS AS column, or " + exclude
                            : alter + "ALTER COLUMN %s DROP EXPRESSION; or ".formatted(TableId.quote(name)) + exclude);
            return;
        }
        if (!from.type().equals(to.type())) {
            findings.warning(
                    target.id(),
                    "column '%s' is %s, at the source %s: a value that it does not take, or prints otherwise, differs"
                            .formatted(name, to.type(), from.type()),
                    alter + "ALTER COLUMN %s TYPE %s;".formatted(TableId.quote(name), from.type()));
        }
        if (to.notNull() && !from.notNull() && !to.generated()) {
            rules.warning(
                    target.id(),
                    "column '%s' is NOT NULL, at the source it is not: a row without it cannot be applied".formatted(name),
                    alter + "ALTER COLUMN %s DROP NOT NULL;".formatted(TableId.quote(name)));
        }
    }

    private void missing(Column from, String name, String exclude) {
        if (from.generated()) {
            findings.warning(
                    target.id(),
                    "has no column '%s', generated at the source".formatted(name),
                    "add it as GENERATED ALWAYS AS there, or " + exclude);
        } else if (isNew.test(from.name())) {
            if (mapping.policy().newColumns() != NewColumns.ADD) {
                findings.warning(
                        target.id(),
                        "has no column '%s', new at the source: %s"
                                .formatted(
                                        name,
                                        mapping.policy().newColumns() == NewColumns.STOP
                                                ? "the table is held at the first row that has it"
                                                : "its values are left out"),
                        alter + "ADD COLUMN %s %s; or ".formatted(TableId.quote(name), from.type()) + exclude);
            }
        } else {
            findings.error(
                    target.id(),
                    "has no column '%s'".formatted(name),
                    alter + "ADD COLUMN %s %s; or ".formatted(TableId.quote(name), from.type()) + exclude);
        }
    }

    private Set<String> filled(TableShape source) {
        Set<String> filled = new HashSet<>(mapping.constants().keySet());
        filled.addAll(mapping.transform().keySet());
        source.columns().stream()
                .map(Column::name)
                .filter(name -> !mapping.exclude().contains(name))
                .forEach(name -> filled.add(mapping.targetColumn(name)));
        return filled;
    }

    void keys(TableShape source) {
        List<String> key = targetColumns(source.keyColumns());
        boolean unique = target.uniqueIndexes().stream().anyMatch(index -> sameColumns(index, key));
        if (!key.isEmpty() && !unique) {
            String columns = Sql.quoted(key);
            findings.error(
                    target.id(),
                    "has no unique index on exactly the key (%s), or only one that is deferrable, WITHOUT OVERLAPS or invalid:"
                                    .formatted(String.join(", ", key))
                            + " rows cannot be found",
                    target.primaryKey().isEmpty()
                            ? alter + "ADD PRIMARY KEY (%s);".formatted(columns)
                            : "CREATE UNIQUE INDEX ON %s (%s);".formatted(target.id().quoted(), columns));
        }
        for (List<String> index : target.uniqueIndexes()) {
            boolean implied = source.uniqueIndexes().stream().map(this::targetColumns).anyMatch(index::containsAll)
                    || !key.isEmpty() && index.containsAll(key);
            if (!implied) {
                rules.warning(
                        target.id(),
                        "(%s) must be unique, at the source it need not be: a second row with the same cannot be applied"
                                .formatted(String.join(", ", index)),
                        "make it unique at the source, or not unique here");
            }
        }
    }

    private List<String> targetColumns(List<String> sourceColumns) {
        return sourceColumns.stream().map(mapping::targetColumn).toList();
    }

    private static boolean sameColumns(List<String> index, List<String> key) {
        return index.size() == key.size() && index.containsAll(key);
    }

    /**
     * A table that takes the source's rows: columns, types, NOT NULL and the key; no defaults, no further constraints. Constants
     * and computed columns are text, which takes whatever they are.
     */
    static String createSql(TableMapping mapping, TableShape source) {
        List<String> parts = new ArrayList<>();
        for (Column column : source.columns()) {
            if (!mapping.exclude().contains(column.name()) && !column.generated()) {
                parts.add(TableId.quote(mapping.targetColumn(column.name())) + " " + column.type()
                        + (column.notNull() ? " NOT NULL" : ""));
            }
        }
        mapping.constants().keySet().forEach(name -> parts.add(TableId.quote(name) + " text"));
        mapping.transform().keySet().forEach(name -> parts.add(TableId.quote(name) + " text"));
        List<String> key = source.keyColumns().stream().map(mapping::targetColumn).toList();
        if (!key.isEmpty()) {
            parts.add("PRIMARY KEY (" + Sql.quoted(key) + ")");
        }
        return parts.stream()
                .collect(Collectors.joining(", ", "CREATE TABLE %s (".formatted(mapping.target().quoted()), ");"));
    }
}
