package dev.sluice.sandbox;

import dev.sluice.sandbox.ForeignTable.Column;
import dev.sluice.sandbox.ForeignTable.Reference;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Statements of every kind over tables that are known by their catalog only. Some fail, as some of an application do. */
final class RandomChanges {
    /** What is done to a table; the more often it stands here, the more often it happens. */
    private static final List<Kind> KINDS = List.of(
            Kind.INSERT, Kind.INSERT, Kind.INSERT, Kind.INSERT_OR_UPDATE, Kind.INSERT_OR_UPDATE, Kind.COPY, Kind.UPDATE,
            Kind.UPDATE, Kind.UPDATE, Kind.UPDATE_ALL, Kind.UPDATE_ALL, Kind.DELETE, Kind.DELETE, Kind.NEW_KEY, Kind.NEW_KEY,
            Kind.NEW_KEY, Kind.SHIFT, Kind.SHIFT, Kind.SWAP, Kind.SWAP, Kind.SWAP_BY_THIRD, Kind.SWAP_BY_THIRD, Kind.MERGE,
            Kind.MERGE, Kind.CURSOR);

    enum Kind {
        INSERT, INSERT_OR_UPDATE, COPY, UPDATE, UPDATE_ALL, DELETE, NEW_KEY, SHIFT, SWAP, SWAP_BY_THIRD, MERGE, CURSOR, TRUNCATE
    }

    /** @param sql of a {@link Kind#COPY} a query whose rows are copied in */
    record Change(Kind kind, ForeignTable table, String sql) {}

    private final List<ForeignTable> tables;
    private final SplittableRandom random;
    private final RandomValues values;

    RandomChanges(Connection source, SplittableRandom random) throws SQLException {
        this.tables = ForeignTable.read(source);
        this.random = random;
        this.values = new RandomValues(source, random);
    }

    List<ForeignTable> tables() {
        return tables;
    }

    Change insert(ForeignTable table) {
        return new Change(Kind.INSERT, table, insertSql(table));
    }

    /** A change that can be made of the table that was chosen; an insert where its kind does not fit. */
    Change next() {
        ForeignTable table = tables.get(random.nextInt(tables.size()));
        Kind kind = KINDS.get(random.nextInt(KINDS.size()));
        String sql = switch (kind) {
            case INSERT, TRUNCATE -> insertSql(table);
            case INSERT_OR_UPDATE -> insertSql(table) + onConflict(table);
            case COPY -> rows(table, inserted(table, false), 1 + random.nextInt(6));
            case UPDATE -> "UPDATE %s AS t SET %s WHERE %s".formatted(name(table), assignments(table), some(table, 6));
            case UPDATE_ALL -> "UPDATE %s AS t SET %s".formatted(name(table), assignments(table));
            case DELETE -> "DELETE FROM %s AS t WHERE %s".formatted(name(table), some(table, 4));
            case NEW_KEY -> newKey(table);
            case SHIFT -> numbered(table, "UPDATE %1$s SET %2$s = " + values.pick("%2$s + 1", "%2$s - 1", "61 - %2$s", "-%2$s"));
            case SWAP -> numbered(table, """
                    WITH two AS (
                      SELECT min(n) AS a, max(n) AS b FROM (SELECT %2$s AS n FROM %1$s ORDER BY random() LIMIT 2) AS few)
                    UPDATE %1$s AS t SET %2$s = CASE t.%2$s WHEN two.a THEN two.b ELSE two.a END
                    FROM two WHERE t.%2$s IN (two.a, two.b)""");
            case SWAP_BY_THIRD -> numbered(table, """
                    DO $do$ DECLARE two int[] := ARRAY(SELECT %2$s FROM %1$s ORDER BY random() LIMIT 2); BEGIN
                      UPDATE %1$s SET %2$s = -77777 WHERE %2$s = two[1];
                      UPDATE %1$s SET %2$s = two[1] WHERE %2$s = two[2];
                      UPDATE %1$s SET %2$s = two[2] WHERE %2$s = -77777;
                    END $do$""");
            case MERGE -> merge(table);
            case CURSOR -> """
                    DO $do$ DECLARE few CURSOR FOR SELECT * FROM %1$s ORDER BY random() LIMIT 3 FOR UPDATE; BEGIN
                      FOR one IN few LOOP UPDATE %1$s AS t SET %2$s WHERE CURRENT OF few; END LOOP;
                    END $do$""".replace(" ORDER BY random()", table.key().isEmpty() ? "" : " ORDER BY random()")
                    .formatted(name(table), assignments(table));
        };
        return new Change(sql.isEmpty() ? Kind.INSERT : kind, table, sql.isEmpty() ? insertSql(table) : sql);
    }

    Change truncate() {
        String names = IntStream.rangeClosed(0, random.nextInt(2)).mapToObj(i -> name(tables.get(random.nextInt(tables.size()))))
                .distinct().collect(Collectors.joining(", "));
        return new Change(Kind.TRUNCATE, tables.get(0), "TRUNCATE " + names + values.pick("", " RESTART IDENTITY") + " CASCADE");
    }

    static String name(ForeignTable table) {
        return table.id().quoted();
    }

    /** The names that the rows of {@link #rows} have. */
    static String names(List<Column> columns) {
        return columns.stream().map(Column::quoted).collect(Collectors.joining(", "));
    }

    /** What {@code COPY} fills. */
    List<Column> copied(ForeignTable table) {
        return inserted(table, false);
    }

    private String insertSql(ForeignTable table) {
        boolean overrides = values.oneOf(8);
        List<Column> all = inserted(table, overrides);
        List<Column> given = all.stream().filter(column -> !column.hasDefault() || !values.oneOf(3)).toList();
        List<Column> columns = given.isEmpty() ? all : given;
        return "INSERT INTO %s AS t (%s)%s %s".formatted(
                name(table), names(columns), overrides ? " OVERRIDING SYSTEM VALUE" : "",
                rows(table, columns, 1 + random.nextInt(5)));
    }

    private static List<Column> inserted(ForeignTable table, boolean overrides) {
        return table.columns().stream().filter(column -> overrides || column.identity() == ' ').toList();
    }

    private String onConflict(ForeignTable table) {
        if (table.key().isEmpty() || values.oneOf(3)) {
            return " ON CONFLICT DO NOTHING";
        }
        return " ON CONFLICT (" + table.key().stream().map(TableId::quote).collect(Collectors.joining(", ")) + ") DO UPDATE SET "
                + assignments(table);
    }

    /** Rows whose foreign keys find something, if there is anything. */
    private String rows(ForeignTable table, List<Column> columns, int count) {
        return IntStream.range(0, count).mapToObj(i -> row(table, columns)).collect(Collectors.joining(" UNION ALL "));
    }

    private String row(ForeignTable table, List<Column> columns) {
        Map<String, String> expressions = new HashMap<>();
        StringBuilder from = new StringBuilder(" FROM (SELECT) AS one");
        for (Reference reference : table.references()) {
            if (columns.stream().noneMatch(column -> reference.columns().contains(column.name()))) {
                continue;
            }
            String alias = "f" + table.references().indexOf(reference);
            List<String> known = new ArrayList<>();
            List<String> wanted = new ArrayList<>();
            for (int i = 0; i < reference.columns().size(); i++) {
                String to = "r." + TableId.quote(reference.to().get(i));
                String given = expressions.putIfAbsent(reference.columns().get(i), alias + ".c" + i);
                wanted.add(to + " AS c" + i);
                if (given != null) {
                    known.add(to + " = " + given);
                }
            }
            from.append(" LEFT JOIN LATERAL (SELECT %s FROM %s AS r WHERE %s ORDER BY random() LIMIT 1) AS %s ON %s".formatted(
                    String.join(", ", wanted), reference.table(), known.isEmpty() ? "true" : String.join(" AND ", known), alias,
                    values.oneOf(6) && isOptional(table, reference) ? "false" : "true"));
        }
        return "SELECT " + columns.stream().map(column -> {
            String reference = expressions.get(column.name());
            return reference == null ? value(table, column) : reference + "::" + column.type();
        }).collect(Collectors.joining(", ")) + from;
    }

    /** Long values fit into no index. */
    private String value(ForeignTable table, Column column) {
        return table.isIndexed(column) ? values.of(column).replaceAll("long_text\\(\\d+\\)", "long_text(1)") : values.of(column);
    }

    private static boolean isOptional(ForeignTable table, Reference reference) {
        return reference.columns().stream().noneMatch(name -> table.column(name).notNull());
    }

    /** Of one to three columns beside the key. */
    private String assignments(ForeignTable table) {
        Map<String, String> assignments = new LinkedHashMap<>();
        List<Column> columns = table.columns().stream()
                .filter(column -> !table.isKey(column) && column.identity() != 'a')
                .toList();
        if (columns.isEmpty()) {
            Column any = table.columns().get(0);
            return any.quoted() + " = t." + any.quoted();
        }
        for (int i = random.nextInt(3); i >= 0; i--) {
            assign(table, columns.get(random.nextInt(columns.size())), assignments);
        }
        return assignments.entrySet().stream()
                .map(set -> set.getKey() + " = " + set.getValue())
                .collect(Collectors.joining(", "));
    }

    /** A column of a foreign key takes its value from a row that agrees with the key's other columns. */
    private void assign(ForeignTable table, Column column, Map<String, String> assignments) {
        for (Reference reference : table.references()) {
            int place = reference.columns().indexOf(column.name());
            if (place >= 0 && !(values.oneOf(6) && !column.notNull())) {
                String others = IntStream.range(0, reference.columns().size()).filter(i -> i != place)
                        .mapToObj(i -> " AND r.%s = t.%s".formatted(
                                TableId.quote(reference.to().get(i)), TableId.quote(reference.columns().get(i))))
                        .collect(Collectors.joining());
                assignments.put(column.quoted(), "(SELECT r.%s FROM %s AS r WHERE true%s ORDER BY random() LIMIT 1)".formatted(
                        TableId.quote(reference.to().get(place)), reference.table(), others));
                return;
            }
        }
        assignments.put(column.quoted(), value(table, column));
    }

    private String newKey(ForeignTable table) {
        List<Column> keys = table.columns().stream().filter(column -> table.isKey(column) && column.identity() != 'a').toList();
        if (keys.isEmpty()) {
            return "";
        }
        Map<String, String> assignments = new LinkedHashMap<>();
        assign(table, keys.get(random.nextInt(keys.size())), assignments);
        String others = values.oneOf(2) ? ", " + assignments(table) : "";
        Map.Entry<String, String> key = assignments.entrySet().iterator().next();
        return "UPDATE %s AS t SET %s = %s%s WHERE %s".formatted(
                name(table), key.getKey(), key.getValue(), others, some(table, 2));
    }

    private String numbered(ForeignTable table, String sql) {
        List<String> numbers = table.uniqueNumbers();
        return numbers.isEmpty() ? "" : sql.formatted(name(table), TableId.quote(numbers.get(random.nextInt(numbers.size()))));
    }

    private String merge(ForeignTable table) {
        List<Column> columns = inserted(table, false);
        List<Column> keys = columns.stream().filter(table::isKey).toList();
        if (keys.isEmpty()) {
            return "";
        }
        String same = keys.stream()
                .map(key -> "t.%1$s::text = s.%1$s::text".formatted(key.quoted()))
                .collect(Collectors.joining(" AND "));
        String given = columns.stream().map(column -> "s." + column.quoted()).collect(Collectors.joining(", "));
        return """
                MERGE INTO %1$s AS t USING (%2$s) AS s (%3$s) ON %4$s
                WHEN MATCHED AND random() < 0.3 THEN DELETE
                WHEN MATCHED THEN UPDATE SET %5$s
                WHEN NOT MATCHED THEN INSERT (%3$s) VALUES (%6$s)"""
                .formatted(
                        name(table), rows(table, columns, 1 + random.nextInt(6)), names(columns), same, assignments(table),
                        given);
    }

    private String some(ForeignTable table, int most) {
        return "(t.tableoid, t.ctid) IN (SELECT tableoid, ctid FROM %s ORDER BY random() LIMIT %d)".formatted(
                name(table), 1 + random.nextInt(most));
    }
}
