package dev.sluice.apply;

import dev.sluice.apply.SourceColumns.Columns;
import dev.sluice.catalog.Column;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.IntPredicate;
import java.util.stream.Collectors;

/**
 * One mapped table as the writer sees it: which source column goes where, which columns are the key, and the SQL.
 *
 * <p>The values of a row stand in an array with one place per source column, in the order in which the columns were
 * first met. Names reach SQL only from the target's catalog.
 *
 * <p>Threads: one.
 */
final class TargetTable {
    /** bool, bytea, int8, int2, int4, oid, date, timestamp, timestamptz, uuid. Source: {@code pg_type.dat}. */
    private static final Set<Integer> PLAIN = Set.of(16, 17, 20, 21, 23, 26, 1082, 1114, 1184, 2950);

    private final TableMapping mapping;
    private final TableShape shape;
    private final Map<Integer, ColumnType> types;
    private final boolean hasCascade;
    private final Suppressed suppressed;
    private final Map<String, Integer> places = new HashMap<>();
    private final List<Target> columns = new ArrayList<>();
    private final Map<String, ColumnType> constantTypes = new HashMap<>();
    private final Set<String> ignored;
    /** Source columns that rows have had and whose target column is gone; no row may have them any more. */
    private final Set<String> lost = new HashSet<>();
    private boolean isRecalling;
    private boolean isLearned;
    private boolean isNews;
    private List<String> keyNames = List.of();
    private int[] keyPlaces = {};

    /** A target column and the way to it; {@code column} is null for a source column that is not written. */
    private record Target(Column column, ColumnType type) {}

    /** Which of the table's triggers are kept from firing. */
    enum Suppressed {
        NONE,
        /** Those of foreign keys that refer to the table: they fire where a row is deleted or its key changes. */
        OF_KEYS,
        ALL
    }

    /** A table of which nothing was applied before, with nothing suppressed. */
    TargetTable(TableMapping mapping, TableShape shape, Map<Integer, ColumnType> types, boolean hasCascade) {
        this(mapping, shape, types, hasCascade, Suppressed.NONE, Optional.empty());
    }

    /**
     * @param hasCascade deleting a row reaches rows of other tables
     * @param known the source columns that rows have had before; empty if none were seen
     */
    TargetTable(
            TableMapping mapping,
            TableShape shape,
            Map<Integer, ColumnType> types,
            boolean hasCascade,
            Suppressed suppressed,
            Optional<Columns> known) {
        this.ignored = known.map(Columns::ignored).orElse(Set.of());
        this.hasCascade = hasCascade;
        this.suppressed = suppressed;
        this.mapping = mapping;
        this.shape = shape;
        this.types = types;
        mapping.constants().keySet().forEach(name -> {
            Column column = shape.column(name).orElseThrow(() -> missing(name, "constant"));
            constantTypes.put(name, types.get(column.typeOid()));
        });
        isRecalling = true;
        known.ifPresent(columns -> learn(columns.all()));
        isRecalling = false;
        isNews = false;
    }

    /** Whether it is known which columns the source's rows have. */
    boolean isLearned() {
        return isLearned;
    }

    /** @throws TableStopped if the column is one that the target has lost */
    void requireNotLost(String sourceColumn) {
        if (!lost.isEmpty() && lost.contains(sourceColumn)) {
            Failure.Fatal missing = missing(mapping.targetColumn(sourceColumn), "source column " + sourceColumn);
            throw new TableStopped(source(), missing.getMessage(), missing.remedy());
        }
    }

    /** Takes these for the source's columns, no more and no less. */
    void learn(Set<String> sourceColumns) {
        sourceColumns.forEach(this::place);
        isLearned = true;
        isNews = true;
    }

    /** The source's columns if they have been learned and not been saved. */
    Optional<Columns> news() {
        return isNews ? Optional.of(new Columns(places.keySet(), ignored)) : Optional.empty();
    }

    void newsAreSaved() {
        isNews = false;
    }

    /** The source's columns that have been met. */
    Set<String> sourceNames() {
        return places.keySet();
    }

    /** SQL of whether two values of a column of the target are the same. */
    String same(String column, String one, String other) {
        return types.get(shape.column(column).orElseThrow().typeOid()).same(one, other);
    }

    /** The same rows in another table, which has the columns that are written, and no triggers or identities. */
    TargetTable standIn(TableId id) {
        TableShape other = new TableShape(
                id, 'r', 't', shape.columns().stream().map(TargetTable::plain).toList(), List.of(), 'd', List.of(), List.of(), false);
        TargetTable standIn = new TargetTable(mapping, other, types, false);
        standIn.places.putAll(places);
        columns.forEach(target -> standIn.columns.add(
                target.column() == null ? target : new Target(plain(target.column()), target.type())));
        standIn.isLearned = isLearned;
        standIn.keyNames = keyNames;
        standIn.keyPlaces = keyPlaces;
        return standIn;
    }

    private static Column plain(Column column) {
        return new Column(
                column.name(), column.type(), column.typeOid(), column.notNull(), column.hasDefault(), column.generated(), false);
    }

    /** How many columns a row of the source has. */
    int sourceWidth() {
        return places.size();
    }

    TableMapping mapping() {
        return mapping;
    }

    TableShape shape() {
        return shape;
    }

    /** Whether the column is known, or anything is because nothing has been learned. */
    boolean isExpected(String sourceColumn) {
        return !isLearned || places.containsKey(sourceColumn);
    }

    /** Whether deleting a row reaches rows of other tables. */
    boolean hasCascade() {
        return hasCascade;
    }

    Suppressed suppressed() {
        return suppressed;
    }

    /** Whether keys are equal only if their texts are, which 1.0 and 1.00 are not. */
    boolean hasPlainKey() {
        for (int place : keyPlaces) {
            if (!PLAIN.contains(columns.get(place).column().typeOid())) {
                return false;
            }
        }
        return true;
    }

    TableId source() {
        return mapping.source();
    }

    TableId id() {
        return shape.id();
    }

    /** How many places a row's array needs at least. */
    int width() {
        return columns.size();
    }

    /**
     * The place of a source column.
     *
     * @throws Failure.Fatal if the mapping wants the column and the target does not have it
     */
    int place(String sourceColumn) {
        Integer known = places.get(sourceColumn);
        if (known != null) {
            return known;
        }
        Target target = new Target(null, null);
        if (!mapping.exclude().contains(sourceColumn)) {
            String name = mapping.targetColumn(sourceColumn);
            Optional<Column> column = shape.column(name);
            if (column.isEmpty() && !ignored.contains(sourceColumn)) {
                if (!isRecalling) {
                    throw missing(name, "source column " + sourceColumn);
                }
                lost.add(sourceColumn);
            }
            if (column.isPresent() && !column.get().generated()) {
                target = new Target(column.get(), types.get(column.get().typeOid()));
            }
        }
        places.put(sourceColumn, columns.size());
        columns.add(target);
        return columns.size() - 1;
    }

    /** The columns of the source that come in the stream by now and are mapped. */
    List<String> sourceColumns(TableShape shape) {
        return shape.columns().stream()
                .filter(column -> !column.generated() && !mapping.exclude().contains(column.name()))
                .map(Column::name)
                .filter(this::isExpected)
                .toList();
    }

    /** Whether the target has columns that no change fills, so that a row put in anew would lose their values. */
    boolean hasColumnsOfItsOwn() {
        Set<String> filled = new HashSet<>(mapping.constants().keySet());
        columns.stream().filter(target -> target.column() != null).forEach(target -> filled.add(target.column().name()));
        return shape.columns().stream().anyMatch(column -> !column.generated() && !filled.contains(column.name()));
    }

    private Failure.Fatal missing(String column, String wantedBy) {
        return new Failure.Fatal(
                Stop.SETUP,
                "target %s has no column '%s' for the %s of %s".formatted(shape.id(), column, wantedBy, mapping.source()),
                "add the column to the target (ALTER TABLE %s ADD COLUMN %s ...), or leave it out with tables[].exclude"
                        .formatted(shape.id().quoted(), TableId.quote(column)));
    }

    /** Whether the column is written. */
    boolean isWritten(int place) {
        return columns.get(place).column() != null;
    }

    /** Those of the columns that are written. */
    int[] writtenPlaces(IntPredicate wanted) {
        int[] places = new int[width()];
        int count = 0;
        for (int place = 0; place < places.length; place++) {
            if (isWritten(place) && wanted.test(place)) {
                places[count++] = place;
            }
        }
        return Arrays.copyOf(places, count);
    }

    /** Learns or confirms the key columns, source names in key order. */
    void keyIs(List<String> sourceColumns) {
        if (!sourceColumns.equals(keyNames)) {
            if (!sourceColumns.stream().allMatch(this::isExpected)) {
                throw new TableStopped(
                        source(),
                        "the key is (%s) now, of columns that the rows have not had".formatted(String.join(", ", sourceColumns)),
                        "make the same change to %s: rename the columns and give it that key".formatted(id().quoted()));
            }
            keyNames = List.copyOf(sourceColumns);
            keyPlaces = keyNames.stream().mapToInt(this::place).toArray();
            for (int i = 0; i < keyPlaces.length; i++) {
                if (!isWritten(keyPlaces[i])) {
                    throw new Failure.Fatal(
                            Stop.SETUP,
                            "key column '%s' of %s is not written to %s".formatted(keyNames.get(i), source(), id()),
                            "map every column of the key");
                }
            }
        }
    }

    List<String> keyNames() {
        return keyNames;
    }

    int[] keyPlaces() {
        return keyPlaces;
    }

    private boolean isKey(int place) {
        for (int key : keyPlaces) {
            if (key == place) {
                return true;
            }
        }
        return false;
    }

    ColumnType type(int place) {
        return columns.get(place).type();
    }

    private String quoted(int place) {
        return TableId.quote(columns.get(place).column().name());
    }

    /** Writes whole rows: inserts, or overwrites the row with the same key. Parameters: one array per place. */
    String upsertSql(int[] written) {
        StringBuilder names = new StringBuilder();
        StringBuilder elements = new StringBuilder();
        StringBuilder updates = new StringBuilder();
        boolean identityAlways = false;
        for (int place : written) {
            Column column = columns.get(place).column();
            names.append(names.isEmpty() ? "" : ", ").append(quoted(place));
            elements.append(elements.isEmpty() ? "" : ", ").append(type(place).element("u.c" + place));
            identityAlways |= column.identityAlways();
            if (!isKey(place) && !column.identityAlways()) {
                updates.append(updates.isEmpty() ? "" : ", ")
                        .append(quoted(place))
                        .append(" = EXCLUDED.")
                        .append(quoted(place));
            }
        }
        for (String constant : mapping.constants().keySet()) {
            names.append(", ").append(TableId.quote(constant));
            elements.append(", u.").append(constantAlias(constant));
            updates.append(updates.isEmpty() ? "" : ", ")
                    .append(TableId.quote(constant))
                    .append(" = EXCLUDED.")
                    .append(TableId.quote(constant));
        }
        String same = sameIdentities(written, " WHERE ", "EXCLUDED");
        if (updates.isEmpty() && !same.isEmpty()) {
            updates.append(quoted(keyPlaces[0])).append(" = EXCLUDED.").append(quoted(keyPlaces[0]));
        }
        return "INSERT INTO " + id().quoted() + " AS t (" + names + ")"
                + (identityAlways ? " OVERRIDING SYSTEM VALUE" : "")
                + " SELECT " + elements + " FROM " + unnested(written, true)
                + " ON CONFLICT (" + keyList() + ") DO "
                + (updates.isEmpty() ? "NOTHING" : "UPDATE SET " + updates + same);
    }

    /**
     * A column that is always generated as identity and no part of the key can only be inserted; a row that changes it is
     * not found.
     */
    private String sameIdentities(int[] written, String before, String other) {
        StringBuilder same = new StringBuilder();
        for (int place : written) {
            if (isIdentityBesideKey(place)) {
                same.append(same.isEmpty() ? before : " AND ")
                        .append("t.").append(quoted(place)).append(" = ").append(other).append(".")
                        .append(other.equals("u") ? "c" + place : quoted(place));
            }
        }
        return same.toString();
    }

    private boolean isIdentityBesideKey(int place) {
        Column column = columns.get(place).column();
        return column != null && column.identityAlways() && !isKey(place);
    }

    /** The columns that {@link #sameIdentities} is about, among all that have been met. */
    List<String> identitiesBesideKey() {
        List<String> names = new ArrayList<>();
        for (int place = 0; place < columns.size(); place++) {
            if (isIdentityBesideKey(place)) {
                names.add(quoted(place));
            }
        }
        return names;
    }

    /** Writes some columns of rows that are there. Parameters: one array per place of {@code written}, key included. */
    String patchSql(int[] written) {
        StringBuilder updates = new StringBuilder();
        for (int place : written) {
            if (!isKey(place) && !columns.get(place).column().identityAlways()) {
                updates.append(updates.isEmpty() ? "" : ", ")
                        .append(quoted(place))
                        .append(" = ")
                        .append(type(place).element("u.c" + place));
            }
        }
        if (updates.isEmpty()) {
            updates.append(quoted(keyPlaces[0])).append(" = t.").append(quoted(keyPlaces[0]));
        }
        return "UPDATE " + id().quoted() + " AS t SET " + updates + " FROM " + unnested(written, false) + " WHERE "
                + keyMatches("u.c") + sameIdentities(written, " AND ", "u");
    }

    /**
     * Moves rows to another key and writes other columns with it; the old key comes in the last parameters.
     *
     * <p>A column that is always generated as identity cannot be updated, so there the row is taken out and put in
     * again, with what the change does not carry from the old one.
     */
    String moveSql(int[] written) {
        return movesIdentity(written) ? reinsertSql(written) : rekeySql(written);
    }

    private boolean movesIdentity(int[] written) {
        for (int place : written) {
            if (isKey(place) && columns.get(place).column().identityAlways()) {
                if (hasCascade) {
                    throw new Failure.Poison(
                            ("the key of a row of %s changes, its column '%s' is GENERATED ALWAYS AS IDENTITY, and deleting the row would"
                                            + " reach other tables (ON DELETE CASCADE or SET); cure: ALTER TABLE %s ALTER COLUMN %s"
                                            + " SET GENERATED BY DEFAULT")
                                    .formatted(id(), columns.get(place).column().name(), id().quoted(), quoted(place)),
                            null);
                }
                return true;
            }
        }
        return false;
    }

    private String reinsertSql(int[] written) {
        StringBuilder names = new StringBuilder();
        StringBuilder elements = new StringBuilder();
        Set<String> given = new HashSet<>();
        for (int place : written) {
            names.append(names.isEmpty() ? "" : ", ").append(quoted(place));
            elements.append(elements.isEmpty() ? "" : ", ").append(type(place).element("u.c" + place));
            given.add(columns.get(place).column().name());
        }
        for (Column column : shape.columns()) {
            if (!column.generated() && !given.contains(column.name())) {
                names.append(", ").append(TableId.quote(column.name()));
                elements.append(", old.").append(TableId.quote(column.name()));
            }
        }
        return "WITH u AS (SELECT * FROM " + moved(written) + "), old AS (DELETE FROM " + id().quoted()
                + " AS t USING u WHERE " + keyMatches("u.o") + " RETURNING t.*) INSERT INTO " + id().quoted() + " ("
                + names + ") OVERRIDING SYSTEM VALUE SELECT " + elements + " FROM old CROSS JOIN u";
    }

    private String rekeySql(int[] written) {
        StringBuilder updates = new StringBuilder();
        for (int place : written) {
            if (columns.get(place).column().identityAlways()) {
                continue;
            }
            updates.append(updates.isEmpty() ? "" : ", ")
                    .append(quoted(place))
                    .append(" = ")
                    .append(type(place).element("u.c" + place));
        }
        return "UPDATE " + id().quoted() + " AS t SET " + updates + " FROM " + moved(written) + " WHERE "
                + keyMatches("u.o") + sameIdentities(written, " AND ", "u");
    }

    private String moved(int[] written) {
        StringBuilder from = new StringBuilder("unnest(");
        StringBuilder names = new StringBuilder();
        for (int place : written) {
            from.append(names.isEmpty() ? "" : ", ").append("?::").append(type(place).parameter());
            names.append(names.isEmpty() ? "" : ", ").append("c").append(place);
        }
        for (int place : keyPlaces) {
            from.append(", ?::").append(type(place).parameter());
            names.append(", o").append(place);
        }
        return from + ") AS u(" + names + ")";
    }

    /** Reads columns of rows by key, as text. Parameters: one array per key column. */
    String readSql(int[] read) {
        String texts = Arrays.stream(read).mapToObj(place -> "t." + quoted(place) + "::text").collect(Collectors.joining(", "));
        return "SELECT " + texts + " FROM " + id().quoted() + " AS t, " + unnested(keyPlaces, false) + " WHERE "
                + keyMatches("u.c");
    }

    /** Deletes rows by key. Parameters: one array per key column. */
    String deleteSql() {
        return "DELETE FROM " + id().quoted() + " AS t USING " + unnested(keyPlaces, false) + " WHERE "
                + keyMatches("u.c");
    }

    /** Puts rows in as they are. Parameters: one array per place, then the constants. */
    String insertSql(int[] written) {
        StringBuilder names = new StringBuilder();
        StringBuilder elements = new StringBuilder();
        boolean identityAlways = false;
        for (int place : written) {
            names.append(names.isEmpty() ? "" : ", ").append(quoted(place));
            elements.append(elements.isEmpty() ? "" : ", ").append(type(place).element("u.c" + place));
            identityAlways |= isIdentityAlways(place);
        }
        for (String constant : mapping.constants().keySet()) {
            names.append(", ").append(TableId.quote(constant));
            elements.append(", u.").append(constantAlias(constant));
        }
        return "INSERT INTO " + id().quoted() + " (" + names + ")" + (identityAlways ? " OVERRIDING SYSTEM VALUE" : "")
                + " SELECT " + elements + " FROM " + unnested(written, true);
    }

    boolean isIdentityAlways(int place) {
        return columns.get(place).column().identityAlways();
    }

    /** Deletes one of the rows that have these values. Parameters: those that {@link #isBound} in the order of places. */
    String deleteOneSql(int[] places, List<String> values) {
        return "DELETE FROM " + id().quoted() + " WHERE " + one(places, values);
    }

    /** Changes one of the rows that have these values. Parameters: texts for the written places, then as for deleting. */
    String updateOneSql(int[] written, int[] places, List<String> values) {
        StringBuilder updates = new StringBuilder();
        for (int place : written) {
            updates.append(updates.isEmpty() ? "" : ", ").append(quoted(place)).append(" = ")
                    .append(type(place).cast("?::text"));
        }
        return "UPDATE " + id().quoted() + " SET " + updates + " WHERE " + one(places, values);
    }

    /** Whether the search for a value has a parameter. */
    static boolean isBound(String value) {
        return value != null;
    }

    /**
     * Values are the same if their texts are, so types without equality are found, and 1.0 is not taken for 1.00. Where
     * equal values have equal texts, an index that somebody made can be used.
     */
    private String one(int[] places, List<String> values) {
        StringBuilder same = new StringBuilder();
        for (int place : places) {
            String column = "t." + quoted(place);
            String given = "CAST(?::text AS " + columns.get(place).column().type() + ")";
            same.append(same.isEmpty() ? "" : " AND ");
            if (!isBound(values.get(place))) {
                same.append(column).append(" IS NULL");
            } else if (PLAIN.contains(columns.get(place).column().typeOid())) {
                same.append(column).append(" = ").append(given);
            } else {
                same.append(column).append("::text = ").append(given).append("::text");
            }
        }
        return "(tableoid, ctid) = (SELECT t.tableoid, t.ctid FROM " + id().quoted() + " AS t WHERE "
                + (same.isEmpty() ? "true" : same) + " LIMIT 1)";
    }

    private String keyMatches(String prefix) {
        StringBuilder matches = new StringBuilder();
        for (int place : keyPlaces) {
            matches.append(matches.isEmpty() ? "" : " AND ")
                    .append(type(place).same("t." + quoted(place), type(place).element(prefix + place)));
        }
        return matches.toString();
    }

    private String keyList() {
        StringBuilder list = new StringBuilder();
        for (int place : keyPlaces) {
            list.append(list.isEmpty() ? "" : ", ").append(quoted(place));
        }
        return list.toString();
    }

    private String unnested(int[] written, boolean withConstants) {
        StringBuilder from = new StringBuilder("unnest(");
        StringBuilder names = new StringBuilder();
        for (int place : written) {
            from.append(names.isEmpty() ? "" : ", ").append("?::").append(type(place).parameter());
            names.append(names.isEmpty() ? "" : ", ").append("c").append(place);
        }
        from.append(") AS u(").append(names).append(")");
        if (withConstants && !mapping.constants().isEmpty()) {
            StringBuilder constants = new StringBuilder();
            mapping.constants().keySet().forEach(name -> {
                constants
                        .append(constants.isEmpty() ? "" : ", ")
                        .append(constantTypes.get(name).cast("?::text"))
                        .append(" AS ")
                        .append(constantAlias(name));
            });
            return "(SELECT * FROM " + from + " CROSS JOIN (SELECT " + constants + ") AS k) AS u";
        }
        return from.toString();
    }

    private static String constantAlias(String name) {
        return TableId.quote("constant " + name);
    }

    /** Values of the constant columns, in the order of the parameters behind the arrays. */
    List<String> constants() {
        return List.copyOf(mapping.constants().values());
    }
}
