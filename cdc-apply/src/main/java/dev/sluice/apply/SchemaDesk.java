package dev.sluice.apply;

import dev.sluice.apply.BatchWriter.Judge;
import dev.sluice.apply.HeldTables.Reason;
import dev.sluice.apply.Progress.Position;
import dev.sluice.apply.SourceColumns.Columns;
import dev.sluice.catalog.Catalog;
import dev.sluice.catalog.Column;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.Databases;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.preflight.TargetPreflight;
import dev.sluice.process.Finding;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.TableId;
import dev.sluice.transform.ComputedColumn;
import dev.sluice.transform.ComputedColumn.Input;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Decides how a lane goes on when the tables of source and target do not fit any more: with the change followed, or with the
 * table held until a person has done something, while the others go on.
 *
 * <p>Nothing is decided from a catalog that was read before: the target's is read anew each time.
 *
 * <p>Threads: the lane's, while nothing else is in hand.
 */
final class SchemaDesk {
    private static final Logger log = LoggerFactory.getLogger(SchemaDesk.class);
    private static final long LOOK_NANOS = Duration.ofSeconds(5).toNanos();
    /** A table's changes of columns that are followed one after the other while it is released. */
    private static final int MOST_CHANGES = 100;

    private final PipelineConfig config;
    private final LaneConfig lane;
    private final LaneLock lock;
    private final Connection target;
    private final SourceColumns columns;
    private final HeldTables heldTables;
    private final RereadDesk rereads;
    private final Set<TableId> reread;
    private boolean hasUntried;
    /** What this run computes columns with. */
    private Optional<TargetTables> carried = Optional.empty();
    private final Set<TableId> watched = new TreeSet<>();
    private Map<TableId, TableShape> shapes = Map.of();
    private long lookedAt = System.nanoTime();

    /** @param reread begins; the tables that it reads are asked for here */
    SchemaDesk(PipelineConfig config, LaneConfig lane, LaneLock lock, RereadDesk rereads) throws SQLException {
        this.config = config;
        this.lane = lane;
        this.lock = lock;
        this.target = lock.connection();
        this.columns = new SourceColumns(config.nameInTarget(lane));
        this.heldTables = new HeldTables(config.nameInTarget(lane));
        this.rereads = rereads;
        this.reread = rereads.begin(columns.read(target).keySet());
    }

    SourceColumns columns() {
        return columns;
    }

    /** What preflight finds, without what is known of tables that are held. Tables that can be computed no more are held first. */
    List<Finding> findings() throws SQLException {
        holdUncomputable();

        Set<String> held = heldTables.read(target).keySet().stream()
                .flatMap(table -> mapping(table).stream())
                .map(mapping -> "target " + mapping.target())
                .collect(Collectors.toSet());
        return withSource(source -> TargetPreflight.findings(source, target, config, lane)).stream()
                .filter(finding -> !held.contains(finding.subject()))
                .toList();
    }

    /** Only tables of which rows have been applied: what has never been right is for a person to set right before. */
    private void holdUncomputable() throws SQLException {
        Set<TableId> held = heldTables.read(target).keySet();
        for (TableId table : columns.read(target).keySet()) {
            Optional<TableMapping> mapping = mapping(table).filter(it -> !it.transform().isEmpty() && !held.contains(table));
            if (mapping.isPresent()) {
                List<Finding> misfits = misfits(table);
                boolean isUncomputable = misfits.stream().anyMatch(finding -> mapping.get().transform().values().stream()
                        .anyMatch(transform -> finding.problem().startsWith(transform.key() + ",")));
                if (isUncomputable) {
                    hold(stopped(table, misfits));
                }
            }
        }
    }

    private interface Question<T> {
        T ask(Optional<Connection> source) throws SQLException;
    }

    /** A backlog can be applied while the source is away. */
    private <T> T withSource(Question<T> question) throws SQLException {
        lock.keep(true); // asking the source may take a while
        try (Connection source = Databases.connectBriefly(config.source(), "sluice-apply preflight")) {
            return question.ask(Optional.of(source));
        } catch (SQLException e) {
            if (target.isValid(1)) {
                log.info("lane {}: the source cannot be compared with the target: {}", lane.name(), e.getMessage());
                return question.ask(Optional.empty());
            }
            throw e;
        }
    }

    private Optional<TableMapping> mapping(TableId source) {
        return lane.tables().stream().filter(mapping -> mapping.source().equals(source)).findFirst();
    }

    /**
     * Fills in the tables that are not held, by change topic.
     *
     * @throws Failure.Fatal if one is missing
     */
    TargetTables carried(Set<TableId> held, Map<String, TargetTable> byTopic) throws SQLException {
        TargetTables tables = TargetTables.read(target, lane, config.source(), reread);
        carried = Optional.of(tables);
        Map<TableId, Columns> known = withoutAdded(columns.read(target));
        for (TableMapping mapping : lane.tables()) {
            if (!held.contains(mapping.source())) {
                byTopic.put(
                        config.topics().change(mapping.source()),
                        tables.of(mapping, Optional.ofNullable(known.get(mapping.source()))));
            }
        }
        return tables;
    }

    /** A column that was left out and that the target has got since is written from now on. */
    private Map<TableId, Columns> withoutAdded(Map<TableId, Columns> known) throws SQLException {
        Map<TableId, TableShape> now = shapes(lacking(known));
        for (TableId table : lacking(known)) {
            TableMapping mapping = mapping(table).orElseThrow();
            Set<String> ignored = new LinkedHashSet<>(known.get(table).ignored());
            Set<String> added = new TreeSet<>(ignored);
            added.removeIf(column -> !now.containsKey(mapping.target())
                    || now.get(mapping.target()).column(mapping.targetColumn(column)).isEmpty());
            if (!added.isEmpty()) {
                ignored.removeAll(added);
                known.put(table, new Columns(known.get(table).all(), ignored));
                columns.save(target, table, known.get(table));
                log.warn(
                        "lane {}: {} has the columns {} of {} now, they are written from here on; rows that came before lack their"
                                + " values, cure: `sluice resync --table` of that table",
                        lane.name(), mapping.target(), added, table);
            }
        }
        return known;
    }

    /** Tables of which columns are left out. */
    private Set<TableId> lacking(Map<TableId, Columns> known) {
        return known.entrySet().stream()
                .filter(table -> !table.getValue().ignored().isEmpty() && mapping(table.getKey()).isPresent())
                .map(Map.Entry::getKey)
                .collect(Collectors.toCollection(TreeSet::new));
    }

    // ---- a change of columns

    /**
     * Takes the columns as they are now, or holds the table. What the target lacks is left out, added, or stops the table, as
     * the mapping says.
     */
    void follow(SchemaChange change) throws SQLException {
        try {
            adopt(change);
        } catch (TableStopped e) {
            target.rollback();
            hold(e);
        }
    }

    private void adopt(SchemaChange change) throws SQLException {
        TableMapping mapping = change.table().mapping();
        TableId table = mapping.source();
        TableShape shape = shape(mapping);
        Optional<Columns> known = Optional.ofNullable(columns.read(target).get(table));
        Set<String> before = known.map(Columns::all).orElse(Set.of());
        requireNoneGone(change.table(), shape, before, change.columns());
        Set<String> ignored = new LinkedHashSet<>();
        List<String> added = new ArrayList<>();
        for (String column : change.columns()) {
            if (!before.contains(column) && mapping.transform().containsKey(mapping.targetColumn(column))
                    && !mapping.exclude().contains(column)) {
                throw new TableStopped(
                        table,
                        "the source has a new column '%s', which would be written to what %s computes"
                                .formatted(column, mapping.transform().get(mapping.targetColumn(column)).key()),
                        "exclude '%s', or rename it; then start apply again".formatted(column));
            }
            boolean isLacking = !mapping.exclude().contains(column) && shape.column(mapping.targetColumn(column)).isEmpty();
            if (isLacking && known.isPresent() && known.get().ignored().contains(column)) {
                ignored.add(column);
            } else if (isLacking) {
                switch (mapping.policy().newColumns()) {
                    case IGNORE -> {
                        ignored.add(column);
                        log.warn(
                                "lane {}: {} has a new column '{}' at the source, which {} lacks: its values are left out;"
                                        + " cure: add it there, then `sluice resync --table` of that table",
                                lane.name(), table, column, mapping.target());
                    }
                    case ADD -> added.add(column);
                    case STOP -> throw stoppedByNew(mapping, column);
                }
            }
        }
        ignored.addAll(add(mapping, added));
        columns.save(target, table, new Columns(change.columns(), ignored));
        target.commit();
        log.info("lane {}: the rows of {} have the columns {} from here on", lane.name(), table, change.columns());
    }

    private static TableStopped stoppedByNew(TableMapping mapping, String column) {
        return new TableStopped(
                mapping.source(),
                "the source has a new column '%s', which %s lacks".formatted(column, mapping.target()),
                "ALTER TABLE %s ADD COLUMN %s ...; or exclude '%s'"
                        .formatted(mapping.target().quoted(), TableId.quote(mapping.targetColumn(column)), column));
    }

    private TableShape shape(TableMapping mapping) throws SQLException {
        TableShape shape = Catalog.read(target, List.of(mapping.target())).get(mapping.target());
        if (shape == null) {
            throw new TableStopped(
                    mapping.source(),
                    "target table %s is missing".formatted(mapping.target()),
                    "create it, `sluice check` prints the SQL");
        }
        return shape;
    }

    private static void requireNoneGone(TargetTable table, TableShape shape, Set<String> before, Set<String> now) {
        TableMapping mapping = table.mapping();
        Set<String> filled = now.stream().map(mapping::targetColumn).collect(Collectors.toSet());
        Set<String> news = new TreeSet<>(now);
        news.removeAll(before);
        for (String column : before) {
            String name = mapping.targetColumn(column);
            List<String> computed = now.contains(column) ? List.of() : table.computedFrom(column);
            if (!computed.isEmpty()) {
                throw new TableStopped(
                        mapping.source(),
                        "the source has dropped or renamed column '%s', which %s uses%s"
                                .formatted(column, String.join(", ", computed), news.isEmpty() ? "" : ", new are " + news),
                        "write another expression, and start apply again");
            }
            if (!now.contains(column)
                    && !mapping.exclude().contains(column)
                    && !filled.contains(name)
                    && shape.column(name).filter(it -> !it.generated()).isPresent()) {
                String alter = "ALTER TABLE %s ".formatted(mapping.target().quoted());
                throw new TableStopped(
                        mapping.source(),
                        "the source has dropped or renamed column '%s'%s"
                                .formatted(column, news.isEmpty() ? "" : ", new are " + news),
                        (news.isEmpty() ? "" : alter + "RENAME COLUMN %s TO ...; or ".formatted(TableId.quote(name)))
                                + alter + "DROP COLUMN %s; or, to keep its values as they are, exclude '%s'"
                                        .formatted(TableId.quote(name), column));
            }
        }
    }

    /** Adds columns with the type that they have at the source; gives those that the source does not have any more. */
    private List<String> add(TableMapping mapping, List<String> added) throws SQLException {
        List<String> gone = new ArrayList<>();
        for (String column : added) {
            Optional<Column> atSource = withSource(source -> source.isEmpty()
                    ? Optional.<TableShape>empty()
                    : Optional.ofNullable(Catalog.read(source.get(), List.of(mapping.source())).get(mapping.source())))
                    .orElseThrow(() -> new Failure.Retryable(
                            "the source is away, and the type of the new column '%s' of %s is not known"
                                    .formatted(column, mapping.source()),
                            null))
                    .column(column);
            if (atSource.isEmpty()) {
                gone.add(column);
                continue;
            }
            String alter = "ALTER TABLE %s ADD COLUMN %s %s"
                    .formatted(mapping.target().quoted(), TableId.quote(mapping.targetColumn(column)), atSource.get().type());
            try (Statement statement = target.createStatement()) {
                statement.execute(alter);
            } catch (SQLException e) {
                if (TargetFailures.translate("", e) instanceof Failure.Retryable passing) {
                    throw passing;
                }
                throw new TableStopped(
                        mapping.source(),
                        "the new column '%s' cannot be added: %s (SQLSTATE %s)".formatted(column, e.getMessage(), e.getSQLState()),
                        alter + "; as the owner of the table");
            }
            log.warn("lane {}: {}: new at the source", lane.name(), alter);
        }
        return gone;
    }

    // ---- holding and releasing

    /** Holds the table from the lane's position on. */
    void hold(TableStopped stopped) throws SQLException {
        TableStopped explained = explained(stopped);
        Reason before = heldTables.read(target).get(stopped.table());
        heldTables.hold(target, explained, config.topics().change(stopped.table()));
        target.commit();
        if (before == null || !before.text().equals(explained.getMessage())) {
            log.warn(
                    "lane {}: {} is held, the other tables go on: {}; cure: {}; then it goes on by itself",
                    lane.name(), stopped.table(), explained.getMessage(), explained.cure());
        }
    }

    /** What the catalogs say of it is clearer than what a statement said. */
    private TableStopped explained(TableStopped stopped) throws SQLException {
        List<Finding> misfits = misfits(stopped.table());
        return misfits.isEmpty() || !stopped.getMessage().contains("SQLSTATE") ? stopped : stopped(stopped.table(), misfits);
    }

    private List<Finding> misfits(TableId table) throws SQLException {
        return withSource(source -> TargetPreflight.misfits(source, target, config, lane, mapping(table).orElseThrow()));
    }

    private void requireFits(TableId table) throws SQLException {
        List<Finding> misfits = misfits(table);
        if (!misfits.isEmpty()) {
            throw stopped(table, misfits);
        }
    }

    private static TableStopped stopped(TableId table, List<Finding> misfits) {
        return new TableStopped(
                table,
                misfits.stream().map(finding -> finding.subject() + " " + finding.problem()).collect(Collectors.joining("; ")),
                misfits.stream().map(Finding::cure).distinct().collect(Collectors.joining(" | ")));
    }

    /**
     * Why the target cannot take a row, if it is the table that does not fit the source's any more, or rows of a held table
     * that are missing.
     */
    Optional<TableStopped> explained(Failure.Poison poison, Set<TableId> held) throws SQLException {
        if (poison.table().isEmpty()) {
            return Optional.empty();
        }
        TableId table = poison.table().get();
        boolean isAboutValues =
                poison.getCause() instanceof SQLException refusal && TargetFailures.isAboutValue(refusal);
        List<Finding> misfits = misfits(table).stream()
                .filter(finding -> isAboutValues || finding.level() == Finding.Level.ERROR)
                .toList();
        if (!misfits.isEmpty()) {
            return Optional.of(stopped(table, misfits));
        }
        Optional<TableStopped> retyped = retyped(table);
        if (retyped.isPresent()) {
            return retyped;
        }
        TableOrder order = TargetTables.read(target, lane, config.source(), reread).order();
        TableId own = mapping(table).orElseThrow().target();
        for (TableId other : held) {
            TableId otherTarget = mapping(other).orElseThrow().target();
            boolean isRelated = order.withAncestors(List.of(own)).contains(otherTarget)
                    || order.withAncestors(List.of(otherTarget)).contains(own);
            if (isRelated && !table.equals(other)) {
                return Optional.of(new TableStopped(
                        table, "it is tied to %s by foreign keys, which is held".formatted(other), "see to that table"));
            }
        }
        return Optional.empty();
    }

    /** A source column has another type than the one that this run computes with. The next run takes the new one. */
    private Optional<TableStopped> retyped(TableId table) throws SQLException {
        if (carried.isEmpty() || mapping(table).orElseThrow().transform().isEmpty()) {
            return Optional.empty();
        }
        List<ComputedColumn> now = TargetTables.read(target, lane, config.source(), reread).transforms(table).columns();
        for (ComputedColumn before : carried.get().transforms(table).columns()) {
            for (ComputedColumn after : now) {
                for (Map.Entry<String, Input> input : before.inputs().entrySet()) {
                    Input other = after.inputs().getOrDefault(input.getKey(), input.getValue());
                    if (after.column().equals(before.column()) && !other.equals(input.getValue())) {
                        return Optional.of(new TableStopped(
                                table,
                                "the source has changed column '%s', which %s uses, from %s to %s"
                                        .formatted(input.getKey(), before.key(), input.getValue().declared(), other.declared()),
                                "`sluice resync --table %s`, since rows that came before were computed with the other type"
                                        .formatted(table)));
                    }
                }
            }
        }
        return Optional.empty();
    }

    /**
     * Brings held tables to the lane's position where that is possible now; gives those that are still held.
     *
     * @param position the lane's
     */
    Set<TableId> release(Position position) throws SQLException {
        Set<TableId> waiting = new LinkedHashSet<>(heldTables.read(target).keySet());
        waiting.removeIf(table -> mapping(table).isEmpty());
        boolean hasProgress = true;
        while (hasProgress && !waiting.isEmpty()) {
            hasProgress = false;
            for (TableId table : List.copyOf(waiting)) {
                if (heldTables.progress(table).read(target).equals(position)) {
                    hasUntried = true; // it has missed nothing yet, so there is nothing to try
                } else if (isReleased(table, position, waiting)) {
                    waiting.remove(table);
                    hasProgress = true;
                    log.info("lane {}: {} has caught up and is not held any more", lane.name(), table);
                }
            }
        }
        watched.addAll(waiting);
        watched.addAll(lacking(columns.read(target)));
        shapes = shapes(watched);
        return waiting;
    }

    private boolean isReleased(TableId table, Position position, Set<TableId> held) throws SQLException {
        try {
            for (int change = 0; change < MOST_CHANGES; change++) {
                try {
                    TargetTables tables = TargetTables.read(target, lane, config.source(), reread);
                    Optional<Columns> known = Optional.ofNullable(columns.read(target).get(table));
                    TargetTable to = tables.of(mapping(table).orElseThrow(), known);
                    if (reread.contains(table)) {
                        requireFits(table);
                        rereads.again(table);
                        heldTables.release(target, table);
                        target.commit();
                        return true;
                    }
                    try (Reread singleRows = tables.reread();
                            Parking parking = new Parking(config, lane, lock)) {
                        parking.open();
                        Judge judge = poison -> explained(poison, held).isEmpty();
                        new HeldReplay(config, lock, tables, position, parking, judge).run(to, heldTables);
                    }
                    return true;
                } catch (SchemaChange e) {
                    target.rollback();
                    adopt(e);
                }
            }
            throw new TableStopped(table, "its columns change without end", "report this");
        } catch (TableStopped e) {
            target.rollback();
            hold(e);
        } catch (Failure.Poison e) {
            target.rollback();
            hold(explained(e, held).orElseThrow(() -> e));
        } catch (Failure.Fatal e) {
            target.rollback();
            hold(new TableStopped(table, e.getMessage(), e.remedy()));
        }
        return false;
    }

    private Map<TableId, TableShape> shapes(Collection<TableId> tables) throws SQLException {
        List<TableId> targets =
                tables.stream().flatMap(table -> mapping(table).stream()).map(TableMapping::target).toList();
        Map<TableId, TableShape> read = targets.isEmpty() ? Map.of() : new HashMap<>(Catalog.read(target, targets));
        target.commit();
        return read;
    }

    /**
     * Whether somebody has altered in the target what this run has found wanting: tables that are held, or that lack columns;
     * or there is now something to try a held table with. Looks every few seconds.
     *
     * @param hasMoved the lane has, since the run began
     */
    boolean hasChanged(boolean hasMoved) throws SQLException {
        if (watched.isEmpty() || System.nanoTime() - lookedAt < LOOK_NANOS) {
            return false;
        }
        lookedAt = System.nanoTime();
        return hasUntried && hasMoved || !shapes(watched).equals(shapes);
    }
}
