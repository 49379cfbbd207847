package dev.sluice.apply;

import dev.sluice.apply.RereadStore.Range;
import dev.sluice.apply.RowChange.Key;
import dev.sluice.apply.TableReread.Piece;
import dev.sluice.apply.TableReread.Scope;
import dev.sluice.apply.TargetTable.Filling;
import dev.sluice.apply.TargetTable.Suppressed;
import dev.sluice.catalog.Catalog;
import dev.sluice.catalog.Column;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Databases;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.config.TextForm;
import dev.sluice.process.Failpoints;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyIn;
import org.postgresql.copy.CopyOut;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads ranges of a table from the source into the target, by COPY, one at a time.
 *
 * <p>A range is read in one snapshot of the source into an open transaction of the target, and waits there until the lane has
 * applied everything that the snapshot has seen. Then {@link #join} adds what the snapshot has not seen and commits: from that
 * moment on the range is exactly what the lane's position says.
 *
 * <p>Threads: the work runs in one thread of its own; its methods are called by the lane's, which waits for the last one to
 * end before it calls the next.
 */
final class RangeReader implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(RangeReader.class);
    private static final long PATIENCE_NANOS = Duration.ofSeconds(10).toNanos();
    private static final int BLOCK_BYTES = 64 << 10;
    /** The server's name for the rows of a range that has rows in the target already. */
    private static final TableId STAGED = new TableId("pg_temp", "sluice_reread");
    private static final TableId SURPLUS = new TableId("pg_temp", "sluice_surplus");
    /** Of {@link #SURPLUS}; a key's column is hardly called that. */
    private static final String NUMBER = TableId.quote(" number");
    /** Most surplus rows that are taken out at once, with the lane waiting: some 50 ms. */
    private static final int CLEARED_ROWS = 10_000;

    private final PipelineConfig config;
    private final RereadStore store;
    private final String lane;
    private final long run;
    private final TargetTables tables;
    private final ExecutorService thread;
    private Connection source;
    private Connection target;
    /** What was asked for last; the lane's. */
    private Task asked = new Task();
    /** What is being done; the reader's. */
    private Task running = asked;
    private boolean isClosed;
    private Rows open;
    /** Rows of {@link #SURPLUS}, and how many of them are out; the reader's. */
    private long surplus;
    private long cleared;

    /** One thing that the lane has asked for, and may not want any more before it begins or while it runs. */
    private static final class Task {
        private volatile boolean isGivenUp;
    }

    /**
     * Both sides as they were looked at before the first range.
     *
     * @param running transactions, 32 bits, of which the lane may have applied some already: the log has a commit before
     *     snapshots do
     * @param from changes from before this position may have another key than the one that was found
     */
    record Prepared(Scope scope, boolean isEmpty, long rowsEstimated, List<Range> done, Set<Long> running, Lsn from) {}

    /** @param isBusy the source has more active sessions than the reread may meet */
    record Planned(boolean isBusy, Key hi) {}

    /**
     * What was read of a range.
     *
     * @param until the lane has applied what the snapshot has seen when it has reached this
     */
    record Rows(SourceSnapshot snapshot, Lsn until, long rows, long bytes, Duration took, List<String> columns) {}

    RangeReader(PipelineConfig config, RereadStore store, String lane, long run, TargetTables tables, int number) {
        this.config = config;
        this.store = store;
        this.lane = lane;
        this.run = run;
        this.tables = tables;
        this.thread = Executors.newSingleThreadExecutor(work -> {
            Thread worker = new Thread(work, "apply-reread-" + number);
            worker.setDaemon(true);
            return worker;
        });
    }

    private <T> Future<T> submit(Callable<T> work) {
        Task task = new Task();
        asked = task;
        return thread.submit(() -> {
            running = task;
            requireNotGivenUp();
            return work.call();
        });
    }

    // ---- looking at both sides

    /**
     * @param request as it stands
     * @param table in the target
     */
    Future<Prepared> prepare(RereadStore.Table request, TargetTable table) {
        return submit(() -> {
            connect();
            TableShape shape = shape(request.source());
            KeyOrder keys = atSource(() -> KeyOrder.read(source, shape));
            boolean isEmpty = isEmpty(table);
            boolean isNew = request.state() == RereadStore.State.REQUESTED;
            boolean hasOtherUnique = !otherUnique(table, keys.hasKey()).isEmpty();
            boolean isPartial = !request.condition().isEmpty();
            if (isPartial && !keys.hasKey()) {
                throw new Failure.Poison(
                        "a condition needs a key to tell the rows apart, and %s has none; cure: read all of it"
                                .formatted(request.source()),
                        null);
            }
            Scope scope = new Scope(keys, isNew ? isEmpty : request.wasEmpty(), hasOtherUnique, isPartial, table.isComputed());
            List<Range> done = isNew ? List.of() : ascending(keys, store.ranges(target, request.source(), keys));
            target.commit();
            Set<Long> running = isNew ? atSource(() -> SourceSql.snapshot(source)).runningInStream() : Set.of();
            Lsn from = atSource(() -> SourceSql.position(source));
            long rows = estimate(shape);
            mark();
            return new Prepared(scope, isEmpty, rows, done, running, from);
        });
    }

    private List<Range> ascending(KeyOrder keys, List<Range> ranges) throws SQLException {
        List<Range> first = ranges.stream().filter(range -> range.lo() == null).toList();
        List<Range> others = ranges.stream().filter(range -> range.lo() != null).toList();
        List<Key> los = others.stream().map(Range::lo).toList();
        int[] ranks = los.isEmpty() ? new int[0] : keys.isPlain()
                ? keys.places(los, los)
                : atSource(() -> keys.places(source, los, los));
        Range[] sorted = new Range[others.size()];
        for (int i = 0; i < ranks.length; i++) {
            sorted[ranks[i] - 1] = others.get(i);
        }
        List<Range> all = new ArrayList<>(first);
        all.addAll(List.of(sorted));
        return all;
    }

    private TableShape shape(TableId id) throws SQLException {
        TableShape shape = atSource(() -> Catalog.read(source, List.of(id)).get(id));
        if (shape == null) {
            throw new SourceSaid(new SQLException("there is no table " + id, "42P01"));
        }
        return shape;
    }

    /** @throws KeyChanged if the source's key is not that of the scope any more */
    private TableShape requireKey(TableId table, Scope scope) throws SQLException {
        TableShape shape = shape(table);
        if (!atSource(() -> KeyOrder.read(source, shape)).text().equals(scope.keys().text())) {
            throw new KeyChanged(table);
        }
        return shape;
    }

    private boolean isEmpty(TargetTable table) throws SQLException {
        return !ask(target, "SELECT EXISTS (SELECT 1 FROM %s)::text".formatted(table.id().quoted())).equals("true");
    }

    private long estimate(TableShape shape) throws SQLException {
        String literal = source.unwrap(PGConnection.class).escapeLiteral(shape.id().quoted());
        return Long.parseLong(ask(
                source,
                """
                SELECT greatest(coalesce(sum(c.reltuples) FILTER (WHERE c.reltuples > 0), 0), 0)::bigint::text
                FROM pg_catalog.pg_class c
                WHERE c.oid = '%s'::regclass OR c.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree('%s'::regclass))"""
                        .formatted(literal, literal)));
    }

    /** Columns of indexes other than the key's that keep values from meeting; all columns where an index has expressions. */
    private List<String> otherUnique(TargetTable table, boolean hasKey) throws SQLException {
        List<String> columns = new ArrayList<>();
        int indexes = 0;
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT i.indexrelid, 0 = ANY (i.indkey::smallint[]) OR i.indpred IS NOT NULL,
                       ARRAY(SELECT a.attname::text FROM unnest(i.indkey::smallint[]) k
                             JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k)
                FROM pg_catalog.pg_index i
                JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = ? AND c.relname = ? AND (i.indisunique OR i.indisexclusion)
                ORDER BY i.indisprimary DESC, 1""")) {
            query.setString(1, table.id().schema());
            query.setString(2, table.id().table());
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    indexes++;
                    if (row.getBoolean(2)) {
                        table.shape().columns().forEach(column -> columns.add(column.name()));
                    } else {
                        columns.addAll(List.of((String[]) row.getArray(3).getArray()));
                    }
                }
            }
        }
        return indexes > (hasKey ? 1 : 0) ? columns.stream().distinct().toList() : List.of();
    }

    // ---- planning

    /** Finds where a part of about so many rows ends, at the beginning of an interval that is to do. */
    Future<Planned> plan(RereadStore.Table request, Scope scope, Range interval, long rows) {
        return submit(() -> {
            connect();
            OptionalLong most = request.throttle().mostActive();
            if (most.isPresent() && active() > most.getAsLong()) {
                return new Planned(true, null);
            }
            requireKey(request.source(), scope);
            if (!scope.keys().hasRanges()) {
                return new Planned(false, null);
            }
            set(source, scope.keys().searchPathSql());
            return new Planned(false, atSource(() -> scope.keys().nth(source, interval, rows, condition(request))));
        });
    }

    private static String condition(RereadStore.Table request) {
        return request.condition().isEmpty() ? "" : " AND (" + request.condition() + ")";
    }

    private long active() throws SQLException {
        return Long.parseLong(ask(
                source,
                "SELECT count(*)::text FROM pg_catalog.pg_stat_activity WHERE state = 'active' AND backend_type = 'client backend'"
                        + " AND pid <> pg_catalog.pg_backend_pid()"));
    }

    // ---- reading

    /** @param passed transactions that the snapshot must see: their changes were not applied */
    Future<Rows> read(RereadStore.Table request, TableReread reread, Range range, Set<Long> passed) {
        TargetTable table = reread.table();
        Scope scope = reread.scope();
        return submit(() -> {
            long began = System.nanoTime();
            TableShape shape = requireKey(request.source(), scope);
            List<String> columns = columns(shape, table);
            begin(table);
            Map<String, String> inputs = table.stagedInputs();
            if (!scope.isDirect()) {
                stage(table, columns, inputs);
            }
            SourceSnapshot snapshot = snapshot(passed);
            Lsn until = atSource(() -> SourceSql.position(source));
            String from = "SELECT %s FROM %s WHERE %s%s".formatted(
                    selected(columns, inputs, table.mapping()),
                    table.source().quoted(),
                    scope.keys().hasKey() ? scope.keys().within(source.unwrap(PGConnection.class), range) : "true",
                    condition(request));
            String to = "COPY %s (%s) FROM STDIN".formatted(
                    (scope.isDirect() ? table.id() : STAGED).quoted(), stagedNames(columns, inputs, table));
            long[] copied = copy("COPY (" + from + ") TO STDOUT", to);
            source.commit();
            mark();
            Failpoints.reach("reread.read");
            open = new Rows(
                    snapshot, until, copied[0], copied[1], Duration.ofNanos(System.nanoTime() - began), columns);
            return open;
        });
    }

    private static List<String> columns(TableShape shape, TargetTable table) {
        return shape.columns().stream()
                .filter(column -> !column.generated() && isCarried(table, column.name()))
                .map(Column::name)
                .toList();
    }

    /** Nothing of the target's own checks and triggers runs where the stream would not let it either. */
    private void begin(TargetTable table) throws SQLException {
        requireRun();
        target.commit();
        if (table.suppressed() == Suppressed.ALL) {
            set(target, "SET LOCAL session_replication_role = replica");
        }
    }

    /** @param inputs what columns are computed from beside those that are carried, as {@link TargetTable#stagedInputs} gives it */
    private void stage(TargetTable table, List<String> columns, Map<String, String> inputs) throws SQLException {
        String names = inputs.values().stream().map(column -> ", " + column).collect(Collectors.joining());
        set(target, "CREATE TEMP TABLE %s ON COMMIT DROP AS SELECT %s FROM %s WITH NO DATA".formatted(
                TableId.quote(STAGED.table()), targetNames(columns, table.mapping()) + names, table.id().quoted()));
    }

    /** Not before it sees what the lane has passed by: a commit shows in the log before it shows in snapshots. */
    private SourceSnapshot snapshot(Set<Long> passed) throws SQLException, InterruptedException {
        source.setAutoCommit(false);
        long began = System.nanoTime();
        boolean isSaid = false;
        while (true) {
            set(source, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY");
            SourceSnapshot snapshot = atSource(() -> SourceSql.snapshot(source));
            if (passed.stream().allMatch(snapshot::sees)) {
                return snapshot;
            }
            source.rollback();
            requireNotGivenUp();
            if (!isSaid && System.nanoTime() - began > PATIENCE_NANOS) {
                isSaid = true;
                log.info(
                        "lane {}: reading waits for {} transactions of the source, which have begun before it was asked for, or"
                                + " wait for a standby",
                        lane, passed.stream().filter(xid -> !snapshot.sees(xid)).count());
            }
            TimeUnit.MILLISECONDS.sleep(5);
        }
    }

    private String selected(List<String> columns, Map<String, String> inputs, TableMapping mapping) throws SQLException {
        PGConnection escaper = source.unwrap(PGConnection.class);
        List<String> selected = new ArrayList<>(columns.stream().map(TableId::quote).toList());
        for (String constant : mapping.constants().values()) {
            selected.add("'" + escaper.escapeLiteral(constant) + "'");
        }
        inputs.keySet().forEach(input -> selected.add(TableId.quote(input)));
        return String.join(", ", selected);
    }

    private static String targetNames(List<String> columns, TableMapping mapping) {
        List<String> names = new ArrayList<>(columns.stream().map(mapping::targetColumn).toList());
        names.addAll(mapping.constants().keySet());
        return names.stream().map(TableId::quote).collect(Collectors.joining(", "));
    }

    private static String stagedNames(List<String> columns, Map<String, String> inputs, TargetTable table) {
        return targetNames(columns, table.mapping())
                + inputs.keySet().stream()
                        .map(input -> ", " + TableId.quote(table.stagedName(input)))
                        .collect(Collectors.joining());
    }

    /** Rows and bytes. */
    private long[] copy(String from, String to) throws SQLException {
        CopyIn in = null;
        CopyOut out = atSource(() -> source.unwrap(PGConnection.class).getCopyAPI().copyOut(from));
        try {
            in = target.unwrap(PGConnection.class).getCopyAPI().copyIn(to);
            byte[] block = new byte[BLOCK_BYTES];
            int filled = 0;
            long rows = 0;
            long bytes = 0;
            for (byte[] row = atSource(out::readFromCopy); row != null; row = atSource(out::readFromCopy)) {
                if (filled + row.length > block.length) {
                    in.writeToCopy(block, 0, filled);
                    filled = 0;
                    requireNotGivenUp();
                }
                if (row.length > block.length) {
                    in.writeToCopy(row, 0, row.length);
                } else {
                    System.arraycopy(row, 0, block, filled, row.length);
                    filled += row.length;
                }
                rows++;
                bytes += row.length;
            }
            in.writeToCopy(block, 0, filled);
            in.endCopy();
            return new long[] {rows, bytes};
        } finally {
            if (in != null && in.isActive()) {
                in.cancelCopy();
            }
            if (out.isActive()) {
                out.cancelCopy();
            }
        }
    }

    private void requireNotGivenUp() {
        if (running.isGivenUp) {
            throw new GivenUp();
        }
    }

    /** Brings the lane beyond the snapshot also where nobody else writes. */
    private void mark() throws SQLException {
        source.setAutoCommit(true);
        atSource(() -> {
            SourceSql.mark(source, "reread");
            return null;
        });
    }

    // ---- joining

    /**
     * Adds what came since to the range that was read last, and makes it one with the lane.
     *
     * @throws Progress.Lost as cause, if another applier has the lane
     * @throws KeyChanged as cause, if changes may have been taken to have the key that the range was cut by, and had not
     */
    Future<Void> join(TableReread reread, Piece piece) {
        TargetTable table = reread.table();
        Scope scope = reread.scope();
        return submit(() -> {
            requireKey(reread.source(), scope);
            requireRun();
            if (table.suppressed() == Suppressed.ALL) {
                set(target, "SET LOCAL session_replication_role = origin"); // the writer sets it as it needs it
            }
            List<RowChange> changes = TableReread.unseen(piece, open.snapshot());
            if (scope.isDirect()) {
                write(changes);
            } else {
                merge(table, scope, changes);
            }
            store.done(target, reread.source(), scope.keys(), piece.range, open.rows(), open.bytes(), open.took());
            Failpoints.reach("reread.before-join");
            target.commit();
            Failpoints.reach("reread.joined");
            open = null;
            return null;
        });
    }

    private void write(List<RowChange> changes) throws SQLException {
        if (!changes.isEmpty()) {
            tables.deferConstraints(target);
            new TargetWriter(target, tables).writeInOrder(changes);
        }
    }

    private void merge(TargetTable table, Scope scope, List<RowChange> changes) throws SQLException {
        List<String> key = scope.keys().names(table.mapping());
        if (!key.isEmpty()) {
            set(target, "CREATE UNIQUE INDEX ON %s (%s)".formatted(STAGED.quoted(), quoted(key)));
        }
        if (!changes.isEmpty()) {
            TargetTable staged = table.standIn(STAGED);
            write(changes.stream()
                    .map(change -> new RowChange(staged, change.kind(), change.key(), change.values(), change.oldKey()))
                    .toList());
        }
        if (table.suppressed() == Suppressed.ALL) {
            set(target, "SET LOCAL session_replication_role = replica");
        }
        tables.deferConstraints(target);
        if (key.isEmpty()) {
            set(target, "DELETE FROM " + table.id().quoted());
        }
        set(target, mergeSql(table, targetColumns(table), key));
    }

    private List<Column> targetColumns(TargetTable table) {
        List<String> names = new ArrayList<>(open.columns().stream().map(table.mapping()::targetColumn).toList());
        names.addAll(table.mapping().constants().keySet());
        return names.stream().map(name -> table.shape().column(name).orElseThrow()).toList();
    }

    /** Rows that are equal already are not written. */
    private static String mergeSql(TargetTable table, List<Column> columns, List<String> key) {
        String names = quoted(columns.stream().map(Column::name).toList());
        List<Filling> computed = table.stagedFillings("s");
        String insert = "INSERT INTO %s AS t (%s)%s SELECT %s FROM %s AS s".formatted(
                table.id().quoted(),
                names + computed.stream().map(one -> ", " + TableId.quote(one.column())).collect(Collectors.joining()),
                columns.stream().anyMatch(Column::identityAlways) ? " OVERRIDING SYSTEM VALUE" : "",
                names + computed.stream().map(one -> ", " + one.sql()).collect(Collectors.joining()),
                STAGED.quoted());
        if (key.isEmpty()) {
            return insert;
        }
        List<String> changed = Stream.concat(
                        columns.stream().filter(column -> !column.identityAlways()).map(Column::name),
                        computed.stream().map(Filling::column))
                .map(TableId::quote)
                .toList();
        String conflict = " ON CONFLICT (" + quoted(key) + ") DO ";
        return changed.isEmpty()
                ? insert + conflict + "NOTHING"
                : insert + conflict + "UPDATE SET "
                        + changed.stream().map(name -> name + " = EXCLUDED." + name).collect(Collectors.joining(", "))
                        + " WHERE ROW(" + changed.stream().map(name -> "t." + name).collect(Collectors.joining(", "))
                        + ")::text IS DISTINCT FROM ROW("
                        + changed.stream().map(name -> "EXCLUDED." + name).collect(Collectors.joining(", ")) + ")::text";
    }

    private static String quoted(List<String> names) {
        return names.stream().map(TableId::quote).collect(Collectors.joining(", "));
    }

    // ---- rows that the source does not have

    /**
     * Finds rows of the target that the source does not have, or has with other unique values, for {@link #clear}.
     *
     * @return the position behind which the target has nothing that the source had only before
     */
    Future<Lsn> seekSurplus(TableReread reread, Set<Long> passed) {
        TargetTable table = reread.table();
        Scope scope = reread.scope();
        return thread.submit(() -> {
            connect();
            set(source, scope.keys().searchPathSql());
            TableMapping mapping = table.mapping();
            TableShape shape = requireKey(reread.source(), scope);
            Set<String> unique = Set.copyOf(otherUnique(table, true));
            List<Filling> computed =
                    table.stagedFillings("s").stream().filter(one -> unique.contains(one.column())).toList();
            boolean isComputed = !computed.isEmpty();
            Map<String, String> inputs = isComputed ? table.stagedInputs() : Map.of();
            List<String> columns = shape.columns().stream()
                    .map(Column::name)
                    .filter(name -> isCarried(table, name)
                            && (shape.keyColumns().contains(name) || unique.contains(mapping.targetColumn(name))
                                    || isComputed && !table.computedFrom(name).isEmpty()))
                    .toList();
            begin(table);
            stage(table, columns, inputs);
            snapshot(passed);
            copy(
                    "COPY (SELECT %s FROM %s) TO STDOUT"
                            .formatted(selected(columns, inputs, mapping), table.source().quoted()),
                    "COPY %s (%s) FROM STDIN".formatted(STAGED.quoted(), stagedNames(columns, inputs, table)));
            Lsn until = atSource(() -> SourceSql.position(source));
            source.commit();
            List<String> key = scope.keys().names(mapping);
            set(target, "CREATE INDEX ON %s (%s)".formatted(STAGED.quoted(), quoted(key)));
            set(target, "ANALYZE " + STAGED.quoted());
            String same = columns.stream()
                    .map(mapping::targetColumn)
                    .map(name -> key.contains(name)
                            ? table.same(name, "s." + TableId.quote(name), "t." + TableId.quote(name))
                            : "s.%1$s::text IS NOT DISTINCT FROM t.%1$s::text".formatted(TableId.quote(name)))
                    .collect(Collectors.joining(" AND "))
                    + computed.stream()
                            .map(one -> " AND %s::text IS NOT DISTINCT FROM t.%s::text"
                                    .formatted(one.sql(), TableId.quote(one.column())))
                            .collect(Collectors.joining());
            // it outlives commits: the rows are taken out in several transactions
            set(target, "DROP TABLE IF EXISTS " + SURPLUS.quoted());
            set(target, ("CREATE TEMP TABLE %s AS SELECT %s, row_number() OVER () AS %s FROM %s AS t"
                            + " WHERE NOT EXISTS (SELECT 1 FROM %s AS s WHERE %s)")
                    .formatted(
                            TableId.quote(SURPLUS.table()), quoted(key), NUMBER, table.id().quoted(), STAGED.quoted(), same));
            set(target, "CREATE INDEX ON %s (%s)".formatted(SURPLUS.quoted(), NUMBER));
            set(target, "ANALYZE " + SURPLUS.quoted());
            surplus = Long.parseLong(ask(target, "SELECT count(*)::text FROM " + SURPLUS.quoted()));
            cleared = 0;
            mark();
            Failpoints.reach("reread.sought");
            return until;
        });
    }

    /**
     * Takes some of the surplus rows out, in a transaction of their own. All of the table is to do until the last are out: what
     * is taken out wrongly, since the lane has added it in between, the reads bring back.
     *
     * @return whether these were the last
     */
    Future<Boolean> clear(TableReread reread) {
        TargetTable table = reread.table();
        List<String> key = reread.scope().keys().names(table.mapping());
        return submit(() -> {
            requireRun();
            if (table.suppressed() == Suppressed.ALL) {
                set(target, "SET LOCAL session_replication_role = replica");
            }
            String same = key.stream()
                    .map(name -> table.same(name, "s." + TableId.quote(name), "t." + TableId.quote(name)))
                    .collect(Collectors.joining(" AND "));
            set(target, "DELETE FROM %s AS t USING %s AS s WHERE s.%s > %d AND s.%s <= %d AND %s".formatted(
                    table.id().quoted(), SURPLUS.quoted(), NUMBER, cleared, NUMBER, cleared + CLEARED_ROWS, same));
            cleared += CLEARED_ROWS;
            boolean isOver = cleared >= surplus;
            if (isOver) {
                set(target, "DROP TABLE " + SURPLUS.quoted());
                store.swept(target, reread.source());
            }
            target.commit();
            return isOver;
        });
    }

    /** To the end of the transaction no other run can begin. */
    private void requireRun() throws SQLException {
        if (!store.isRun(target, run)) {
            throw new Progress.Lost(lane);
        }
    }

    private static boolean isCarried(TargetTable table, String sourceColumn) {
        return !table.mapping().exclude().contains(sourceColumn)
                && table.shape()
                        .column(table.mapping().targetColumn(sourceColumn))
                        .filter(column -> !column.generated())
                        .isPresent();
    }

    // ---- at the end

    /** What {@link ForeignKeyCheck} finds among the lane's tables, by target table. */
    Future<Map<TableId, String>> orphans(Collection<TableId> all, Set<TableId> some, Set<TableId> unread) {
        return submit(() -> {
            connect();
            Map<TableId, String> orphans = ForeignKeyCheck.orphans(target, all, some, unread);
            target.commit();
            return orphans;
        });
    }

    // ---- connections

    private void connect() throws SQLException {
        if (source == null || source.isClosed()) {
            Connection opened = atSource(() -> open(config.source(), "sluice-apply reread"));
            LargeRow.refuse(opened);
            keep(opened, () -> source = opened);
            atSource(() -> {
                SourceSql.prepare(source);
                return null;
            });
        }
        source.setAutoCommit(true);
        if (target == null || target.isClosed()) {
            Connection opened = open(config.target(), store.readersName());
            keep(opened, () -> target = opened);
            set(target, TextForm.sql() + " SET xmloption = content; SET array_nulls = on; SET synchronous_commit = off;"
                    + " SET lock_timeout = '30s'; SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2;"
                    + " SET tcp_keepalives_count = 3");
            target.setAutoCommit(false);
        }
        target.rollback();
    }

    /** No limit to an answer: what is asked takes as long as the table is large. */
    private static Connection open(DatabaseConfig database, String name) throws SQLException {
        Properties properties = Databases.properties(database, name);
        properties.setProperty("socketTimeout", "0");
        return DriverManager.getConnection(Databases.url(database), properties);
    }

    private interface SourceQuestion<T> {
        T ask() throws SQLException;
    }

    private static <T> T atSource(SourceQuestion<T> question) throws SQLException {
        try {
            return question.ask();
        } catch (SQLException e) {
            throw new SourceSaid(e);
        }
    }

    private String ask(Connection connection, String sql) throws SQLException {
        return connection == source ? atSource(() -> SourceSql.ask(source, sql)) : SourceSql.ask(connection, sql);
    }

    private void set(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        } catch (SQLException e) {
            throw connection == source ? new SourceSaid(e) : e;
        }
    }

    /** A connection that comes after {@link #close} is of no use, and nobody would end it. */
    private synchronized void keep(Connection opened, Runnable keeping) throws SQLException {
        if (isClosed) {
            opened.close();
            throw new GivenUp();
        }
        keeping.run();
    }

    /** What was asked for last is of no use any more: the range is to do again. */
    void giveUp() {
        asked.isGivenUp = true;
        thread.submit(() -> {
            open = null;
            connect();
            return null;
        });
    }

    /** The lane does not want the range any more. */
    static final class GivenUp extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    /** Ends what is under way; it takes no effect. */
    @Override
    public synchronized void close() {
        isClosed = true;
        asked.isGivenUp = true;
        thread.shutdownNow();
        for (Connection connection : new Connection[] {source, target}) {
            try {
                if (connection != null) {
                    connection.abort(Runnable::run);
                }
            } catch (SQLException e) {
                log.debug("closing: {}", e.getMessage());
            }
        }
    }
}
