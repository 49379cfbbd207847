package dev.sluice.apply;

import dev.sluice.apply.SourceColumns.Columns;
import dev.sluice.catalog.Column;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import dev.sluice.transform.ComputedColumn;
import dev.sluice.transform.ComputedColumn.Input;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
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
 * <p>Computed columns come in addition: a place for each, which has a value only where a row's own is written back; and a place
 * for each source column that one is computed from, unless it is carried into a column of the same type. Where that place has no
 * value of its own, it has the source column's.
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
    private final List<ComputedColumn> computed;
    private final Map<String, Integer> computedPlaces = new HashMap<>();
    /** By source column. */
    private final Map<String, Integer> inputPlaces = new LinkedHashMap<>();
    private boolean hasInputs;
    private final Set<String> ignored;
    /** Source columns that rows have had and whose target column is gone; no row may have them any more. */
    private final Set<String> lost = new HashSet<>();
    private boolean isRecalling;
    private boolean isLearned;
    private boolean isNews;
    private List<String> keyNames = List.of();
    private int[] keyPlaces = {};

    /**
     * A target column and the way to it; {@code column} is null for what is not written, {@code type} too for what does not
     * even travel.
     */
    private record Target(Column column, ColumnType type) {}

    /** A computed column and the SQL of its value. */
    record Filling(String column, String sql) {}

    /** A statement about one row, and its parameters. */
    record OneRow(String sql, List<String> parameters) {}

    /** Which of the table's triggers are kept from firing. */
    enum Suppressed {
        NONE,
        /** Those of foreign keys that refer to the table: they fire where a row is deleted or its key changes. */
        OF_KEYS,
        ALL
    }

    /** A table of which nothing was applied before, with nothing suppressed. */
    TargetTable(TableMapping mapping, TableShape shape, Map<Integer, ColumnType> types, boolean hasCascade) {
        this(mapping, shape, types, hasCascade, Suppressed.NONE, List.of(), Optional.empty());
    }

    /**
     * @param hasCascade deleting a row reaches rows of other tables
     * @param computed all that the mapping transforms
     * @param known the source columns that rows have had before; empty if none were seen
     */
    TargetTable(
            TableMapping mapping,
            TableShape shape,
            Map<Integer, ColumnType> types,
            boolean hasCascade,
            Suppressed suppressed,
            List<ComputedColumn> computed,
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
        this.computed = computed;
        computed.forEach(this::addComputed);
        isRecalling = true;
        known.ifPresent(columns -> learn(columns.all()));
        isRecalling = false;
        isNews = false;
    }

    private void addComputed(ComputedColumn one) {
        Column column = shape.column(one.column()).orElseThrow(() -> missing(one.column(), "transform"));
        computedPlaces.put(one.column(), columns.size());
        columns.add(new Target(column, types.get(column.typeOid())));
        one.inputs().forEach((name, input) -> {
            if (!inputPlaces.containsKey(name) && !isShared(name, input)) {
                inputPlaces.put(name, columns.size());
                columns.add(new Target(null, new ColumnType(input.type(), "pg_catalog._text", true, "=", Optional.empty())));
            }
        });
    }

    /** Whether a source column that is computed from is carried as well, and the target's column has all of its value. */
    private boolean isShared(String name, Input input) {
        return !mapping.exclude().contains(name)
                && shape.column(mapping.targetColumn(name))
                        .filter(column -> !column.generated() && column.type().equals(input.declared()))
                        .isPresent();
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

    /** @throws TableStopped if the rows come without a column that another is computed from */
    void requireInputs() {
        if (!hasInputs) {
            for (ComputedColumn one : computed) {
                one.inputs().keySet().stream().filter(name -> !places.containsKey(name)).findFirst().ifPresent(name -> {
                    throw new TableStopped(
                            source(),
                            "its rows come without column '%s', which %s uses".formatted(name, one.key()),
                            "if the publication has a column list, add it there; if the rows are of a time before it was added or"
                                    + " renamed: `sluice resync --table %s`".formatted(source()));
                });
            }
            hasInputs = true;
        }
    }

    /** @throws TableStopped if the source's table has no longer all columns that others are computed from */
    void requireInputsIn(TableShape shape) {
        for (ComputedColumn one : computed) {
            one.inputs().keySet().stream().filter(name -> shape.column(name).isEmpty()).findFirst().ifPresent(name -> {
                throw new TableStopped(
                        source(),
                        "the source has dropped or renamed column '%s', which %s uses".formatted(name, one.key()),
                        "write another expression, start apply again, and `sluice resync --table %s`".formatted(source()));
            });
        }
    }

    /** Keys of the configuration, of columns that are computed from this one of the source. */
    List<String> computedFrom(String sourceColumn) {
        return computed.stream().filter(one -> one.inputs().containsKey(sourceColumn)).map(ComputedColumn::key).toList();
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

    /**
     * The same rows in another table, which has the columns that are written, and no triggers or identities. In place of computed
     * columns it has what they are computed from.
     */
    TargetTable standIn(TableId id) {
        List<Column> carried = shape.columns().stream()
                .filter(column -> !computedPlaces.containsKey(column.name()))
                .map(TargetTable::plain)
                .toList();
        TableShape other = new TableShape(id, 'r', 't', carried, List.of(), 'd', List.of(), List.of(), false);
        TargetTable standIn = new TargetTable(mapping, other, types, false);
        standIn.places.putAll(places);
        columns.forEach(target -> standIn.columns.add(
                target.column() == null ? target : new Target(plain(target.column()), target.type())));
        computedPlaces.values().forEach(place -> standIn.columns.set(place, new Target(null, null)));
        inputPlaces.forEach((name, place) -> {
            Column staged = new Column(stagedName(name), type(place).name(), 0, false, false, false, false);
            standIn.columns.set(place, new Target(staged, type(place)));
        });
        standIn.inputPlaces.putAll(inputPlaces);
        standIn.isLearned = isLearned;
        standIn.keyNames = keyNames;
        standIn.keyPlaces = keyPlaces;
        return standIn;
    }

    /** Whether rows cannot be copied as they are, because columns are computed. */
    boolean isComputed() {
        return !computed.isEmpty();
    }

    /** Source columns that a staged row has beside those that are carried, with the definition of their columns there. */
    Map<String, String> stagedInputs() {
        Map<String, String> staged = new LinkedHashMap<>();
        inputPlaces.forEach((name, place) ->
                staged.put(name, "NULL::%s AS %s".formatted(type(place).name(), TableId.quote(stagedName(name)))));
        return staged;
    }

    /** Of a source column that is computed from, in a staged row: a name that no column of the target has. */
    String stagedName(String sourceColumn) {
        StringBuilder name = new StringBuilder("input " + inputPlaces.get(sourceColumn));
        while (shape.column(name.toString()).isPresent()) {
            name.append('_');
        }
        return name.toString();
    }

    /** The computed columns of a staged row, for a statement without parameters. */
    List<Filling> stagedFillings(String row) {
        return computed.stream()
                .map(one -> new Filling(one.column(), one.sql(name -> row + "." + TableId.quote(
                        inputPlaces.containsKey(name) ? stagedName(name) : mapping.targetColumn(name)))))
                .toList();
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
            if (computedPlaces.containsKey(name)) {
                throw new TableStopped(
                        source(),
                        "source column '%s' would be written to '%s', which is computed".formatted(sourceColumn, name),
                        "exclude '%s', or rename it".formatted(sourceColumn));
            }
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

    /** The columns of the source that come in the stream by now and are mapped, or computed from. */
    List<String> sourceColumns(TableShape shape) {
        return shape.columns().stream()
                .filter(column -> !column.generated()
                        && (!mapping.exclude().contains(column.name()) || inputPlaces.containsKey(column.name())))
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
        return places(place -> isWritten(place) && wanted.test(place));
    }

    /** Those of the values that statements are given: of columns that are written or computed from. */
    int[] sentPlaces(IntPredicate wanted) {
        return places(place -> type(place) != null && wanted.test(place));
    }

    private int[] places(IntPredicate wanted) {
        int[] places = new int[width()];
        int count = 0;
        for (int place = 0; place < places.length; place++) {
            if (wanted.test(place)) {
                places[count++] = place;
            }
        }
        return Arrays.copyOf(places, count);
    }

    // ---- computed columns

    /** The value of a place of which the row has none: of a column that is computed from, what came for that column. */
    String copied(String[] values, int place) {
        for (Map.Entry<String, Integer> input : inputPlaces.entrySet()) {
            Integer from = places.get(input.getKey());
            if (input.getValue() == place && from != null && from < values.length) {
                return values[from];
            }
        }
        return RowChange.ABSENT;
    }

    /** Whether the change carries a value of every column that is written or computed from. */
    boolean isWhole(RowChange change) {
        return sentPlaces(place -> !computedPlaces.containsValue(place) && RowChange.isAbsent(change.value(place))).length == 0;
    }

    /**
     * Source columns that a change which leaves a row must be given, because others are computed from them and neither it nor the
     * target's row has them.
     *
     * <p>A change of some columns that carries nothing of what a column is computed from leaves it as it is. A change of key does
     * so only where the target has all of it: the value may be one that was computed from another row, which had the key by then.
     */
    List<String> lackedInputs(RowChange change) {
        List<String> lacked = new ArrayList<>();
        for (ComputedColumn one : computed) {
            List<String> absent = one.inputs().keySet().stream()
                    .filter(name -> inputPlaces.containsKey(name) && !isCarriedBy(change, name))
                    .toList();
            boolean isTouched = change.kind() != RowChange.Kind.PATCH
                    || one.inputs().keySet().stream().anyMatch(name -> isCarriedBy(change, name));
            if (isTouched && isComputedIn(change, one)) {
                absent.stream().filter(name -> !lacked.contains(name)).forEach(lacked::add);
            }
        }
        return lacked;
    }

    private static boolean isCarriedBy(RowChange change, Integer place) {
        return place != null && !RowChange.isAbsent(change.value(place));
    }

    private boolean isCarriedBy(RowChange change, String name) {
        return isCarriedBy(change, inputPlaces.getOrDefault(name, places.get(name)));
    }

    /** Whether the column is not given a value. */
    private boolean isComputedIn(RowChange change, ComputedColumn one) {
        return RowChange.isAbsent(change.value(computedPlaces.get(one.column())));
    }

    /** The change with values of columns that are computed from. */
    RowChange with(RowChange change, Map<String, String> inputs) {
        String[] values = new String[Math.max(width(), change.values().length)];
        Arrays.setAll(values, change::value);
        inputs.forEach((name, value) -> values[inputPlaces.get(name)] = value);
        return new RowChange(this, change.kind(), change.key(), values, change.oldKey());
    }

    /**
     * Of a row that is taken out and put in anew: the columns that must come from the old one. A computed column is one of them
     * only if it cannot be computed.
     */
    int[] keptPlaces(RowChange change) {
        Set<Integer> computable = new HashSet<>();
        for (ComputedColumn one : computed) {
            if (one.inputs().keySet().stream().noneMatch(name -> inputPlaces.containsKey(name) && !isCarriedBy(change, name))) {
                computable.add(computedPlaces.get(one.column()));
            }
        }
        return writtenPlaces(place -> RowChange.isAbsent(change.value(place)) && !computable.contains(place));
    }

    /**
     * The computed columns that a statement fills from its parameters, and from a row that is there.
     *
     * @param sent places of the parameters
     * @param row its name in the statement; empty if there is none, and all columns must be filled
     */
    private List<Filling> fillings(int[] sent, String row) {
        List<Filling> fillings = new ArrayList<>();
        for (ComputedColumn one : computed) {
            if (!contains(sent, computedPlaces.get(one.column()))) {
                boolean isTouched = one.inputs().keySet().stream().anyMatch(name -> isSent(name, sent));
                boolean isComplete = one.inputs().keySet().stream()
                        .allMatch(name -> isSent(name, sent) || !row.isEmpty() && !inputPlaces.containsKey(name));
                if (isComplete && (isTouched || row.isEmpty())) {
                    fillings.add(new Filling(one.column(), one.preparedSql(name -> input(name, sent, row))));
                } else if (row.isEmpty()) {
                    throw new IllegalStateException("%s of %s has nothing to be computed from".formatted(one.key(), source()));
                }
            }
        }
        return fillings;
    }

    private String input(String name, int[] sent, String row) {
        if (!isSent(name, sent)) {
            return row + "." + TableId.quote(mapping.targetColumn(name));
        }
        int place = inputPlaces.getOrDefault(name, places.get(name));
        return type(place).element("u.c" + place);
    }

    private boolean isSent(String name, int[] sent) {
        Integer place = inputPlaces.getOrDefault(name, places.get(name));
        return place != null && contains(sent, place);
    }

    private static boolean contains(int[] places, int place) {
        return Arrays.stream(places).anyMatch(one -> one == place);
    }

    // ---- the key

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
            if (column == null) {
                continue;
            }
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
        for (Filling filling : fillings(written, "")) {
            String column = TableId.quote(filling.column());
            names.append(", ").append(column);
            elements.append(", ").append(filling.sql());
            updates.append(updates.isEmpty() ? "" : ", ").append(column).append(" = EXCLUDED.").append(column);
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
            if (isWritten(place) && !isKey(place) && !columns.get(place).column().identityAlways()) {
                updates.append(updates.isEmpty() ? "" : ", ")
                        .append(quoted(place))
                        .append(" = ")
                        .append(type(place).element("u.c" + place));
            }
        }
        for (Filling filling : fillings(written, "t")) {
            updates.append(updates.isEmpty() ? "" : ", ").append(assignment(filling));
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
        for (int place : writtenOf(written)) {
            names.append(names.isEmpty() ? "" : ", ").append(quoted(place));
            elements.append(elements.isEmpty() ? "" : ", ").append(type(place).element("u.c" + place));
            given.add(columns.get(place).column().name());
        }
        for (Filling filling : fillings(written, "old")) {
            names.append(", ").append(TableId.quote(filling.column()));
            elements.append(", ").append(filling.sql());
            given.add(filling.column());
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
        for (int place : writtenOf(written)) {
            if (columns.get(place).column().identityAlways()) {
                continue;
            }
            updates.append(updates.isEmpty() ? "" : ", ")
                    .append(quoted(place))
                    .append(" = ")
                    .append(type(place).element("u.c" + place));
        }
        for (Filling filling : fillings(written, "t")) {
            updates.append(", ").append(assignment(filling));
        }
        return "UPDATE " + id().quoted() + " AS t SET " + updates + " FROM " + moved(written) + " WHERE "
                + keyMatches("u.o") + sameIdentities(written, " AND ", "u");
    }

    private int[] writtenOf(int[] sent) {
        return Arrays.stream(sent).filter(this::isWritten).toArray();
    }

    private static String assignment(Filling filling) {
        return TableId.quote(filling.column()) + " = " + filling.sql();
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
        for (int place : writtenOf(written)) {
            names.append(names.isEmpty() ? "" : ", ").append(quoted(place));
            elements.append(elements.isEmpty() ? "" : ", ").append(type(place).element("u.c" + place));
            identityAlways |= isIdentityAlways(place);
        }
        for (String constant : mapping.constants().keySet()) {
            names.append(", ").append(TableId.quote(constant));
            elements.append(", u.").append(constantAlias(constant));
        }
        for (Filling filling : fillings(written, "")) {
            names.append(", ").append(TableId.quote(filling.column()));
            elements.append(", ").append(filling.sql());
        }
        return "INSERT INTO " + id().quoted() + " (" + names + ")" + (identityAlways ? " OVERRIDING SYSTEM VALUE" : "")
                + " SELECT " + elements + " FROM " + unnested(written, true);
    }

    boolean isIdentityAlways(int place) {
        Column column = columns.get(place).column();
        return column != null && column.identityAlways();
    }

    /** Deletes one of the rows that are as {@code old}. */
    OneRow deleteOne(RowChange old) {
        List<String> parameters = new ArrayList<>();
        return new OneRow("DELETE FROM " + id().quoted() + " WHERE " + one(old, parameters), parameters);
    }

    /**
     * Changes one of the rows that are as {@code old}, whose columns are all known.
     *
     * @param change says of each column what it is then, or nothing
     */
    OneRow updateOne(RowChange old, RowChange change) {
        List<String> parameters = new ArrayList<>();
        StringBuilder updates = new StringBuilder();
        for (int place : writtenPlaces(place -> isChanged(old, change, place))) {
            updates.append(updates.isEmpty() ? "" : ", ").append(quoted(place)).append(" = ")
                    .append(value(change.value(place), type(place), parameters));
        }
        for (ComputedColumn one : computed) {
            String sql = one.preparedSql(name -> input(one, name, change, old, parameters));
            updates.append(updates.isEmpty() ? "" : ", ").append(assignment(new Filling(one.column(), sql)));
        }
        if (updates.isEmpty()) { // it must find the row all the same
            int any = writtenPlaces(place -> !RowChange.isAbsent(old.value(place)))[0];
            updates.append(quoted(any)).append(" = ").append(value(old.value(any), type(any), parameters));
        }
        return new OneRow("UPDATE " + id().quoted() + " SET " + updates + " WHERE " + one(old, parameters), parameters);
    }

    private static boolean isChanged(RowChange old, RowChange change, int place) {
        String value = change.value(place);
        return !RowChange.isAbsent(value) && !(value == null ? old.value(place) == null : value.equals(old.value(place)));
    }

    /** Whether the row gets another value in a column that cannot be updated. */
    boolean changesIdentityAlways(RowChange old, RowChange change) {
        return writtenPlaces(place -> isIdentityAlways(place) && isChanged(old, change, place)).length > 0;
    }

    /**
     * Values are the same if their texts are, so types without equality are found, and 1.0 is not taken for 1.00. Where
     * equal values have equal texts, an index that somebody made can be used. What is computed from columns that are not carried
     * tells rows apart too.
     */
    private String one(RowChange old, List<String> parameters) {
        StringBuilder same = new StringBuilder();
        for (int place : writtenPlaces(place -> !RowChange.isAbsent(old.value(place)))) {
            Column column = columns.get(place).column();
            String given = "CAST(?::text AS " + column.type() + ")";
            same.append(same.isEmpty() ? "" : " AND ");
            if (old.value(place) == null) {
                same.append("t.").append(quoted(place)).append(" IS NULL");
                continue;
            }
            parameters.add(old.value(place));
            if (PLAIN.contains(column.typeOid())) {
                same.append("t.").append(quoted(place)).append(" = ").append(given);
            } else {
                same.append("t.").append(quoted(place)).append("::text = ").append(given).append("::text");
            }
        }
        for (ComputedColumn one : computed) {
            String type = shape.column(one.column()).orElseThrow().type();
            same.append(same.isEmpty() ? "" : " AND ")
                    .append("t.").append(TableId.quote(one.column())).append("::text IS NOT DISTINCT FROM CAST(")
                    .append(one.preparedSql(name -> input(one, name, old, old, parameters)))
                    .append(" AS ").append(type).append(")::text");
        }
        return "(tableoid, ctid) = (SELECT t.tableoid, t.ctid FROM " + id().quoted() + " AS t WHERE "
                + (same.isEmpty() ? "true" : same) + " LIMIT 1)";
    }

    /** @param otherwise has the value if {@code row} does not say */
    private String input(ComputedColumn one, String name, RowChange row, RowChange otherwise, List<String> parameters) {
        int place = inputPlaces.getOrDefault(name, places.get(name));
        String value = RowChange.isAbsent(row.value(place)) ? otherwise.value(place) : row.value(place);
        if (RowChange.isAbsent(value)) {
            throw new IllegalStateException("%s of %s has nothing to be computed from".formatted(one.key(), source()));
        }
        return value(value, type(place), parameters);
    }

    private static String value(String value, ColumnType type, List<String> parameters) {
        if (value == null) {
            return type.cast("NULL::text");
        }
        parameters.add(value);
        return type.cast("?::text");
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
