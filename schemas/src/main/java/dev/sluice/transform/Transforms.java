package dev.sluice.transform;

import dev.sluice.catalog.Column;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.TableMapping;
import dev.sluice.config.TableMapping.Transform;
import dev.sluice.schemas.TableId;
import dev.sluice.transform.ComputedColumn.Input;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.postgresql.core.NativeQuery;
import org.postgresql.core.Parser;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

/**
 * The computed columns of a table, and why some of them cannot be computed.
 *
 * <p>The target's server judges: it is given a temporary table with the source's columns and a generated column, so that it
 * refuses what is not immutable, subqueries, aggregates, unknown columns and other types; its catalog then has the expression
 * as it was understood, and the columns that it uses. All of it is rolled back.
 *
 * <p>An expression that is more than one, {@code 1); DROP TABLE t; --}, would be several statements to the driver, which splits
 * them, or further columns to the server; both are refused, and only what the server prints is used later.
 *
 * <p>Source: PostgreSQL 18 manual, 5.4 "Generated Columns"; {@code Parser.parseJdbcSql} of pgjdbc.
 *
 * @param columns in the order of the configuration; those with a problem are missing
 */
public record Transforms(List<ComputedColumn> columns, List<Problem> problems) {
    public static final Transforms NONE = new Transforms(List.of(), List.of());

    private static final String TABLE = "sluice_transform";

    private static final Map<String, String> CURES = Map.of(
            "42P17", "use immutable functions only, which give the same at any time and under any setting",
            "0A000", "write an expression over one row of the source, without subqueries",
            "42803", "write an expression over one row of the source, without aggregates",
            "42804", "cast the expression to the column's type",
            "42501", "let the role make temporary tables and use what the expression names: GRANT TEMPORARY ON DATABASE …;");

    /**
     * What is wrong with one transformed column.
     *
     * @param text begins with the key of the configuration
     * @param cure what to do about it
     */
    public record Problem(String text, String cure) {}

    /** Why an expression was refused. */
    private static final class Refused extends Exception {
        private static final long serialVersionUID = 1L;

        private final String cure;

        Refused(String reason, String cure) {
            super(reason);
            this.cure = cure;
        }
    }

    /**
     * Has the server read all expressions of a mapping. The target's transaction, if one is open, is as before in the end.
     *
     * @param from the source table as it is now
     * @param to the target table
     * @throws SQLException as the driver gives it, if it is not about an expression
     */
    public static Transforms read(
            Connection source, Connection target, TableMapping mapping, TableShape from, TableShape to) throws SQLException {
        if (mapping.transform().isEmpty()) {
            return NONE;
        }
        Map<String, SourceType> types = sourceTypes(source, from);
        Set<String> known = knownTypes(target, types.values());
        List<ComputedColumn> columns = new ArrayList<>();
        List<Problem> problems = new ArrayList<>();
        for (Map.Entry<String, Transform> transform : mapping.transform().entrySet()) {
            String key = transform.getValue().key();
            try {
                Column column = writable(transform.getKey(), mapping, from, to);
                columns.add(new Reading(target, types, known).read(column, transform.getValue()));
            } catch (Refused e) {
                problems.add(new Problem(
                        "%s, the expression \"%s\": %s".formatted(key, transform.getValue().expression(), e.getMessage()), e.cure));
            }
        }
        return new Transforms(List.copyOf(columns), List.copyOf(problems));
    }

    private static Column writable(String name, TableMapping mapping, TableShape from, TableShape to) throws Refused {
        Column column = to.column(name).orElseThrow(() -> new Refused(
                "target %s has no column '%s'".formatted(to.id(), name),
                "ALTER TABLE %s ADD COLUMN %s ...; or take it out of transform".formatted(to.id().quoted(), TableId.quote(name))));
        Optional<String> carried = from.columns().stream()
                .filter(other -> !other.generated() && !mapping.exclude().contains(other.name()))
                .map(Column::name)
                .filter(other -> mapping.targetColumn(other).equals(name))
                .findFirst();
        boolean isKey = to.primaryKey().contains(name)
                || carried.isPresent() && from.keyColumns().contains(carried.get());
        if (isKey) {
            throw new Refused(
                    "'%s' is of the key, by which rows are found".formatted(name), "take it out of transform, and carry the column");
        }
        if (carried.isPresent()) {
            throw new Refused(
                    "source column '%s' would be written to '%s' too".formatted(carried.get(), name),
                    "exclude '%s', or rename it".formatted(carried.get()));
        }
        if (column.generated() || column.identityAlways()) {
            throw new Refused(
                    "column '%s' of %s is generated by the target".formatted(name, to.id()),
                    "take it out of transform, or " + "ALTER TABLE %s ALTER COLUMN %s DROP %s;"
                            .formatted(to.id().quoted(), TableId.quote(name), column.generated() ? "EXPRESSION" : "IDENTITY"));
        }
        return column;
    }

    // ---- types

    private record SourceType(String schema, String name, String declared, boolean isGenerated) {
        String quoted() {
            return TableId.quote(schema) + "." + TableId.quote(name);
        }
    }

    private static Map<String, SourceType> sourceTypes(Connection source, TableShape table) throws SQLException {
        Map<String, SourceType> types = new LinkedHashMap<>();
        try (PreparedStatement query = source.prepareStatement(
                """
                SELECT a.attname, tn.nspname, t.typname, a.attgenerated <> ''
                FROM pg_catalog.pg_attribute a
                JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relname = ?
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = ?
                JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
                JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace
                WHERE a.attnum > 0 AND NOT a.attisdropped
                ORDER BY a.attnum""")) {
            query.setString(1, table.id().table());
            query.setString(2, table.id().schema());
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    String name = row.getString(1);
                    Optional<String> declared = table.column(name).map(Column::type);
                    if (declared.isPresent()) { // else it has been added since
                        types.put(name, new SourceType(row.getString(2), row.getString(3), declared.get(), row.getBoolean(4)));
                    }
                }
            }
        }
        return types;
    }

    /** Those of the types that the target has, quoted. */
    private static Set<String> knownTypes(Connection target, Iterable<SourceType> types) throws SQLException {
        List<String> schemas = new ArrayList<>();
        List<String> names = new ArrayList<>();
        types.forEach(type -> {
            schemas.add(type.schema());
            names.add(type.name());
        });
        Set<String> known = new LinkedHashSet<>();
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT n.nspname, t.typname
                FROM unnest(?::text[], ?::text[]) AS wanted (schema_name, type_name)
                JOIN pg_catalog.pg_namespace n ON n.nspname = wanted.schema_name
                JOIN pg_catalog.pg_type t ON t.typnamespace = n.oid AND t.typname = wanted.type_name""")) {
            query.setArray(1, target.createArrayOf("text", schemas.toArray()));
            query.setArray(2, target.createArrayOf("text", names.toArray()));
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    known.add(TableId.quote(row.getString(1)) + "." + TableId.quote(row.getString(2)));
                }
            }
        }
        return known;
    }

    // ---- one expression

    private record Reading(Connection target, Map<String, SourceType> types, Set<String> known) {

        ComputedColumn read(Column column, Transform transform) throws SQLException, Refused {
            boolean isAlone = target.getAutoCommit();
            target.setAutoCommit(false);
            Savepoint before = target.setSavepoint();
            try {
                return understood(column, transform);
            } catch (PSQLException e) {
                ServerErrorMessage said = e.getServerErrorMessage();
                if (said == null || !isAboutTheExpression(String.valueOf(e.getSQLState()))) {
                    throw e;
                }
                throw refused(said);
            } finally {
                target.rollback(before);
                target.releaseSavepoint(before);
                if (isAlone) {
                    target.rollback();
                    target.setAutoCommit(true);
                }
            }
        }

        /** Classes of errors that come from what was written: data, syntax and access rules, what is not supported. */
        private static boolean isAboutTheExpression(String state) {
            return state.startsWith("42") || state.startsWith("22") || state.startsWith("0A") || state.startsWith("54");
        }

        private Refused refused(ServerErrorMessage said) {
            String state = String.valueOf(said.getSQLState());
            String message = "%s (SQLSTATE %s)".formatted(said.getMessage(), state);
            if (state.equals("42703")) {
                String unknown = types.entrySet().stream()
                        .filter(type -> !known.contains(type.getValue().quoted()))
                        .map(type -> "; '%s' is %s, a type that the target does not have".formatted(type.getKey(), type.getValue().quoted()))
                        .collect(Collectors.joining());
                return new Refused(message, "use the source's columns, by their names there: "
                        + String.join(", ", types.keySet()) + unknown);
            }
            return new Refused(message, CURES.getOrDefault(state, "correct the expression"));
        }

        private ComputedColumn understood(Column column, Transform transform) throws SQLException, Refused {
            String generated = column.name();
            while (types.containsKey(generated)) {
                generated = "_" + generated.substring(0, Math.min(generated.length(), 40));
            }
            List<String> definitions = new ArrayList<>();
            types.forEach((name, type) -> {
                if (known.contains(type.quoted())) {
                    definitions.add(TableId.quote(name) + " " + type.quoted());
                }
            });
            definitions.add("%s %s GENERATED ALWAYS AS (\n%s\n) STORED"
                    .formatted(TableId.quote(generated), column.type(), transform.expression()));
            execute("SET LOCAL standard_conforming_strings = on");
            String create = "CREATE TEMP TABLE %s (%s)".formatted(TABLE, String.join(", ", definitions));
            requireOneStatement(create);
            execute(create);
            execute("SET LOCAL search_path = pg_catalog");
            ComputedColumn computed = catalogued(column.name(), transform.key(), generated, definitions.size());
            describe("SELECT " + computed.preparedSql(input -> "CAST(NULL AS " + computed.inputs().get(input).type() + ")"));
            return computed;
        }

        /** Not what the server would take for one, but what the driver would send. */
        private static void requireOneStatement(String sql) throws SQLException, Refused {
            List<NativeQuery> sent = Parser.parseJdbcSql(sql, true, false, true, false, false);
            if (sent.size() != 1) {
                throw notOne();
            }
        }

        private static Refused notOne() {
            return new Refused("it is more than one expression", "write one expression");
        }

        private void execute(String sql) throws SQLException {
            try (Statement statement = target.createStatement()) {
                statement.setEscapeProcessing(false);
                statement.execute(sql);
            }
        }

        /** Has the statement read and not run: names that only a table has, such as {@code tableoid}, are found now. */
        private void describe(String sql) throws SQLException {
            try (PreparedStatement statement = target.prepareStatement(sql)) {
                statement.getMetaData();
            }
        }

        private ComputedColumn catalogued(String column, String key, String generated, int columnCount)
                throws SQLException, Refused {
            try (PreparedStatement query = target.prepareStatement(
                    """
                    SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid),
                           (SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute o
                            WHERE o.attrelid = a.attrelid AND o.attnum > 0),
                           ARRAY(SELECT DISTINCT u.attname::text
                                 FROM pg_catalog.pg_depend p
                                 JOIN pg_catalog.pg_attribute u ON u.attrelid = p.refobjid AND u.attnum = p.refobjsubid AND u.attnum > 0
                                 WHERE p.refclassid = 'pg_catalog.pg_class'::regclass AND p.refobjid = a.attrelid
                                   AND u.attnum <> a.attnum
                                   AND (p.classid = 'pg_catalog.pg_attrdef'::regclass AND p.objid = d.oid
                                        OR p.classid = 'pg_catalog.pg_class'::regclass AND p.objid = a.attrelid
                                           AND p.objsubid = a.attnum)
                                 ORDER BY 1)
                    FROM pg_catalog.pg_attribute a
                    JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
                    WHERE a.attrelid = ('pg_temp.' || ?)::regclass AND a.attname = ?""")) {
                query.setString(1, TABLE);
                query.setString(2, generated);
                try (ResultSet row = query.executeQuery()) {
                    if (!row.next() || row.getInt(2) != columnCount) {
                        throw notOne();
                    }
                    Map<String, Input> inputs = new LinkedHashMap<>();
                    for (String input : (String[]) row.getArray(3).getArray()) {
                        SourceType type = types.get(input);
                        if (type.isGenerated()) {
                            throw new Refused(
                                    "column '%s' is generated at the source, so its values are not sent".formatted(input),
                                    "write out in its place what it is generated from");
                        }
                        inputs.put(input, new Input(type.quoted(), type.declared()));
                    }
                    return new ComputedColumn(column, key, row.getString(1), inputs);
                }
            }
        }
    }
}
