package dev.sluice.apply;

import dev.sluice.apply.Progress.Position;
import dev.sluice.apply.RangeReader.Planned;
import dev.sluice.apply.RangeReader.Prepared;
import dev.sluice.apply.RangeReader.Rows;
import dev.sluice.apply.RereadStore.Range;
import dev.sluice.apply.RereadStore.State;
import dev.sluice.apply.RowChange.Key;
import dev.sluice.apply.RowChange.Kind;
import dev.sluice.apply.TableReread.Piece;
import dev.sluice.catalog.Catalog;
import dev.sluice.config.Databases;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.PipelineConfig.Backfill;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.Checkpoint;
import dev.sluice.schemas.CheckpointReader;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.SourceSnapshot;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads tables of a lane again from the source while the stream goes on: backfill, resync and recovery are the same work.
 *
 * <p>The lane decides, between two transactions, which part of a table is read next, and from then on puts that part's changes
 * aside. A {@link RangeReader} reads it in one short snapshot. When the lane has applied everything that the snapshot has
 * seen, the part joins: together with the changes that the snapshot has not seen, in one target transaction, in which nothing
 * else happens. So a part that is done is always exactly at the lane's position, and nothing has to be remembered of its
 * snapshot. A crash before takes the part back to what it was.
 *
 * <p>Threads: the lane's; the readers' threads are only met through futures.
 */
final class RereadDesk implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(RereadDesk.class);
    private static final int READERS = 2;
    private static final Duration LOOK = Duration.ofSeconds(1);
    private static final long LOOK_NANOS = LOOK.toNanos();
    private static final long SHOW_NANOS = Duration.ofSeconds(10).toNanos();

    /** Transactions that are kept in mind before it is asked which of them every snapshot sees. */
    private static final int MOST_PASSED = 10_000;

    private final PipelineConfig config;
    private final LaneConfig lane;
    private final LaneLock lock;
    private final Connection target;
    private final RereadStore store;
    private final Map<TableId, RereadWork> unfinished = new TreeMap<>();
    /** By target table, the source table. */
    private final Map<TableId, TableId> finished = new TreeMap<>();
    private final List<Desk> desks = new ArrayList<>();
    private Future<Map<TableId, String>> checking;
    private long run;
    private Map<TableId, RereadStore.Table> requests = Map.of();
    private final PassedTransactions passed;
    /** Tables that the source has emptied in the lane's open transaction. */
    private final Set<TableId> truncated = new TreeSet<>();
    private final RereadRouter router;
    private final Repairs repairs;
    private final DeadLetterStore letters;
    private final ExecutorService asking;
    private final SlowQuestion<Optional<Checkpoint>> checkpoint;
    private final SlowQuestion<SourceSnapshot> snapshot;
    private Set<TableId> carried = Set.of();
    private long carriedEpoch;
    private long lookedAt;
    /** In this turn the lane has waited for a reader already. */
    private boolean hasStood;
    private long shownAt = System.nanoTime();

    /** What one reader is at. */
    private static final class Desk {
        private final RangeReader reader;
        private RereadWork work;
        private Future<Prepared> preparing;
        private Future<Lsn> sweeping;
        private Range interval;
        private Future<Planned> planning;
        private Piece piece;
        private Future<Rows> reading;
        private Rows read;

        Desk(RangeReader reader) {
            this.reader = reader;
        }

        void free() {
            if (work != null) {
                work.release(this);
            }
            work = null;
            preparing = null;
            sweeping = null;
            interval = null;
            planning = null;
            piece = null;
            reading = null;
            read = null;
        }
    }

    RereadDesk(PipelineConfig config, LaneConfig lane, LaneLock lock) {
        this.config = config;
        this.lane = lane;
        this.lock = lock;
        this.target = lock.connection();
        this.store = new RereadStore(config.nameInTarget(lane));
        this.passed = new PassedTransactions(store);
        this.router = new RereadRouter(config.source(), lock, passed);
        this.letters = new DeadLetterStore(config.nameInTarget(lane));
        this.repairs =
                new Repairs(new RepairStore(config.nameInTarget(lane)), letters, lock, new RowReader(config.source()));
        this.asking = Executors.newSingleThreadExecutor(work -> {
            Thread asker = new Thread(work, "apply-reread-ask");
            asker.setDaemon(true);
            return asker;
        });
        this.checkpoint = new SlowQuestion<>(
                "lane %s: kafka, which tables are carried".formatted(lane.name()),
                asking,
                () -> CheckpointReader.read(config, lane.name()));
        this.snapshot = new SlowQuestion<>(
                "lane %s: source %s, which transactions it shows".formatted(lane.name(), config.source().address()),
                asking,
                this::currentSnapshot);
    }

    /**
     * Takes over from every earlier run, and asks for what was never read.
     *
     * @param columns tables of which something was applied
     * @return the source tables that are not in step with the lane
     */
    Set<TableId> begin(Set<TableId> columns) throws SQLException {
        store.endReaders(target);
        run = store.beginRun(target);
        passed.load(target);
        Map<TableId, RereadStore.Table> known = store.read(target);
        for (TableMapping mapping : lane.tables()) {
            TableId table = mapping.source();
            boolean isNew = !known.containsKey(table) && !columns.contains(table);
            if (isNew && config.backfill() == Backfill.AUTO) {
                backfill(mapping);
            }
        }
        target.commit();
        lookedAt = System.nanoTime();
        Set<TableId> mapped = new HashSet<>(lane.tables().stream().map(TableMapping::source).toList());
        requests = store.read(target);
        for (TableMapping mapping : lane.tables()) {
            RereadStore.Table request = requests.get(mapping.source());
            if (request != null && request.state() == State.DONE && request.message().equals(RereadStore.UNCHECKED)) {
                finished.put(mapping.target(), mapping.source());
            }
        }
        requests.values().removeIf(request -> !request.isUnfinished() || !mapped.contains(request.source()));
        target.commit();
        return requests.keySet();
    }

    /** Rows that are there already may be right, or somebody's: they are only replaced where that was asked for. */
    private void backfill(TableMapping mapping) throws SQLException {
        switch (rows(mapping.target())) {
            case NONE -> store.request(target, mapping.source(), "backfill", "", RereadStore.Throttle.NONE);
            case SOME -> log.warn(
                    "lane {}: {} has rows already and is taken as it is; cure, unless they were copied as they belong to the lane's"
                            + " beginning: `sluice resync --table {}`, which makes it equal and removes rows that the source lacks",
                    lane.name(), mapping.target(), mapping.source());
            case NO_TABLE -> log.debug("{} is missing, as preflight says", mapping.target());
        }
    }

    private enum TargetRows {
        NONE,
        SOME,
        NO_TABLE
    }

    private TargetRows rows(TableId table) throws SQLException {
        if (!Catalog.isThere(target, table)) {
            return TargetRows.NO_TABLE;
        }
        try (Statement query = target.createStatement();
                ResultSet row = query.executeQuery("SELECT EXISTS (SELECT 1 FROM %s)".formatted(table.quoted()))) {
            row.next();
            return row.getBoolean(1) ? TargetRows.SOME : TargetRows.NONE;
        }
    }

    /**
     * Begins a table anew that was held: what it has missed the read brings.
     *
     * @throws IllegalArgumentException if it is not one of those that {@link #begin} gave
     */
    void again(TableId table) throws SQLException {
        RereadStore.Table request = Optional.ofNullable(requests.get(table))
                .orElseThrow(() -> new IllegalArgumentException("%s is not read again".formatted(table)));
        store.request(target, table, request.kind(), request.condition(), request.throttle());
        requests.put(table, store.read(target).get(table));
    }

    /** With the next run: what was read by the order of another key is of no use to it. */
    void beginAnew(KeyChanged changed) throws SQLException {
        RereadStore.Table request = store.read(target).get(changed.table());
        store.request(target, changed.table(), request.kind(), request.condition(), request.throttle());
        store.pause(target, changed.table(), request.isPaused());
        target.commit();
        log.info("lane {}: {}; its reading begins anew", lane.name(), changed.getMessage());
    }

    /**
     * @param byTopic the tables that are not held
     * @throws Failure.Retryable if the source does not say which keys lie in ranges that are done
     */
    void open(TargetTables tables, Map<String, TargetTable> byTopic) throws SQLException {
        repairs.open(tables, byTopic);
        for (TargetTable table : byTopic.values()) {
            RereadStore.Table request = requests.get(table.source());
            if (request != null) {
                boolean isPartial = !request.condition().isEmpty();
                unfinished.put(
                        table.source(), new RereadWork(request, new TableReread(table.source(), table, isPartial)));
            }
        }
        if (!unfinished.isEmpty()) {
            log.info("lane {}: reading {} from the source", lane.name(), unfinished.keySet());
        }
        if (!unfinished.isEmpty() || !finished.isEmpty()) {
            for (int i = 0; i < READERS; i++) {
                desks.add(new Desk(new RangeReader(config, store, lane.name(), run, tables, i)));
            }
            for (RereadWork work : unfinished.values()) {
                if (work.request().state() != State.REQUESTED) {
                    resume(work, desks.get(0));
                }
            }
        }
    }

    /** Before the first change: one that is taken for a range to do, and is not, would be lost. */
    private void resume(RereadWork work, Desk desk) throws SQLException {
        desk.work = work;
        desk.preparing = desk.reader.prepare(work.request(), work.reread().table());
        Optional<Throwable> failure = awaited(desk, desk.preparing);
        if (failure.isEmpty()) {
            result(desk, desk.preparing).ifPresent(prepared -> prepared(desk, prepared));
            if (work.request().state() == State.FAILED) {
                work.reread().failed();
            }
        } else if (work.request().state() == State.FAILED) {
            store.request(target, work.source(), work.request().kind(), work.request().condition(), work.request().throttle());
            store.finish(target, work.source(), State.FAILED, work.request().message());
            work.request(store.read(target).get(work.source()));
            requests.put(work.source(), work.request());
            target.commit();
        } else {
            throw new Failure.Retryable("reading %s cannot go on yet".formatted(work.source()), failure.get());
        }
    }

    /** Something is being read, so the lane should come by soon. */
    boolean isBusy() {
        return repairs.isBusy() || desks.stream().anyMatch(desk -> desk.work != null);
    }

    // ---- the stream

    /** Notes a change that was not even looked at. */
    void passed(long xid) {
        if (!requests.isEmpty()) {
            passed.add(xid);
        }
    }

    /** Leaves in the transactions what is to be applied now. */
    void route(List<SourceTransaction> batch) throws SQLException {
        repairs.see(batch);
        if (unfinished.isEmpty()) {
            return;
        }
        for (SourceTransaction transaction : batch) {
            for (RowChange change : transaction.changes()) {
                if (change.kind() == Kind.TRUNCATE && unfinished.containsKey(change.table().source())) {
                    truncated(unfinished.get(change.table().source()));
                }
            }
        }
        router.route(batch, unfinished);
    }

    /** The read begins anew: the target's table will be empty. Within the lane's transaction. */
    private void truncated(RereadWork work) throws SQLException {
        for (Desk desk : desks) {
            if (desk.work == work) {
                desk.reader.giveUp();
                desk.free();
            }
        }
        if (work.request().state() != State.REQUESTED) {
            work.reread().truncated();
            truncated.add(work.source());
        }
    }

    /** Within the lane's transaction, before it ends. */
    void beforeCommit() throws SQLException {
        passed.save(target);
        for (TableId table : truncated) {
            store.start(target, table, false, 0); // what was read of it before is of no use to a later run
        }
    }

    void afterCommit() {
        passed.saved();
        truncated.clear();
    }

    // ---- the reads

    /**
     * Goes on with what is to be read; called between two transactions, with everything written that was taken.
     *
     * @return whether the run must end because another set of tables is to be read
     */
    boolean turn(Position position) throws SQLException {
        if (System.nanoTime() - lookedAt > LOOK_NANOS && look()) {
            return true;
        }
        repairs.turn(position, unfinished.keySet());
        lookWhatIsCarried(position);
        hasStood = false;
        for (Desk desk : desks) {
            if (!hasStood) { // one after the other would keep the lane waiting twice as long
                step(desk, position);
            }
        }
        for (RereadWork work : List.copyOf(unfinished.values())) {
            if (work.reread().isPrepared() && work.reread().intervals().isDone()) {
                finish(work);
            }
        }
        return (checking != null || isTimeToCheck()) && isChecked();
    }

    /**
     * Tables of which nothing is going on do not keep the others waiting: whoever is read without them is then written with its
     * triggers again.
     */
    private boolean isTimeToCheck() {
        return !finished.isEmpty()
                && desks.stream().allMatch(desk -> desk.work == null)
                && unfinished.values().stream().allMatch(RereadWork::isAtRest);
    }

    /**
     * A table is not read before the lane is in an epoch that carries it: its changes between the read and the epoch's beginning
     * would come from nowhere.
     */
    private void lookWhatIsCarried(Position position) {
        if (!unfinished.isEmpty() && carriedEpoch != position.epoch() && position.epoch() != 0) {
            checkpoint.look()
                    .flatMap(answer -> answer)
                    .filter(found -> found.state() == Checkpoint.State.RUNNING && found.epoch() == position.epoch())
                    .ifPresent(found -> {
                        carried = Set.copyOf(found.tables());
                        carriedEpoch = found.epoch();
                    });
        }
    }

    /** Whether the foreign keys of what was read have been looked at; while they are, the lane goes on. */
    private boolean isChecked() throws SQLException {
        if (checking == null) {
            List<TableId> all = lane.tables().stream().map(TableMapping::target).toList();
            Set<TableId> unread = lane.tables().stream()
                    .filter(mapping -> requests.containsKey(mapping.source()) && !finished.containsKey(mapping.target()))
                    .map(TableMapping::target)
                    .collect(Collectors.toSet());
            checking = desks.get(0).reader.orphans(all, Set.copyOf(finished.keySet()), unread);
        }
        if (!checking.isDone()) {
            return false;
        }
        try {
            Map<TableId, String> found = checking.get();
            for (TableMapping mapping : lane.tables()) {
                if (found.containsKey(mapping.target())) {
                    String what = found.get(mapping.target());
                    if (!what.isEmpty()) {
                        log.warn("lane {}: {}: {}", lane.name(), mapping.target(), what);
                    }
                    store.say(target, mapping.source(), what);
                }
            }
        } catch (ExecutionException e) {
            String what = "its foreign keys could not be looked at (%s); cure: look for rows that refer to nothing by hand"
                    .formatted(e.getCause() instanceof SQLException sql ? "SQLSTATE " + sql.getSQLState() : e.getCause());
            log.warn("lane {}: {}: {}", lane.name(), finished.values(), what);
            for (TableId source : finished.values()) {
                store.say(target, source, what);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Failure.Retryable("interrupted", e);
        }
        target.commit();
        return true;
    }

    /**
     * Whether a table is to be read that this run does not know of: a damaged one may refuse rows just because nobody has come to
     * the request yet.
     */
    boolean isAskedAnew() throws SQLException {
        return look();
    }

    /** Whether somebody asks for something new. */
    private boolean look() throws SQLException {
        lookedAt = System.nanoTime();
        Map<TableId, RereadStore.Table> now = store.read(target);
        target.commit();
        lock.used();
        for (TableMapping mapping : lane.tables()) {
            RereadStore.Table request = now.get(mapping.source());
            RereadWork work = unfinished.get(mapping.source());
            RereadStore.Table before = requests.get(mapping.source());
            if (request != null && request.isUnfinished() && (before == null || !before.requested().equals(request.requested()))) {
                return true;
            }
            if (work != null && request != null) {
                work.request(request);
            }
        }
        forgetSeenInBetween();
        if (System.nanoTime() - shownAt > SHOW_NANOS) {
            shownAt = System.nanoTime();
            unfinished.values().stream().filter(work -> work.request().rows() > 0).forEach(work -> log.info(
                    "lane {}: {}: {} rows of about {} read{}",
                    lane.name(), work.source(), work.request().rows(), work.request().rowsEstimated(),
                    work.request().isPaused() ? ", paused" : ""));
        }
        return false;
    }

    /** While the foreign keys are looked at the readers are left alone: one of them is at it. */
    private void step(Desk desk, Position position) throws SQLException {
        if (desk.work == null && checking == null) {
            unfinished.values().stream().filter(RereadWork::isDue).filter(this::isCarried).forEach(work -> {
                if (desk.work == null) {
                    begin(desk, work, position);
                }
            });
        } else if (desk.preparing != null && desk.preparing.isDone()) {
            result(desk, desk.preparing).ifPresent(prepared -> prepared(desk, prepared));
        } else if (desk.sweeping != null && desk.sweeping.isDone()) {
            sweep(desk, position);
        } else if (desk.planning != null && desk.planning.isDone()) {
            result(desk, desk.planning).ifPresent(planned -> planned(desk, planned));
        } else if (desk.piece != null) {
            read(desk, position);
        }
    }

    private boolean isCarried(RereadWork work) {
        return work.request().state() != State.REQUESTED || carried.contains(work.source());
    }

    private void begin(Desk desk, RereadWork work, Position position) {
        TableReread reread = work.reread();
        if (!reread.isPrepared()) {
            desk.work = work;
            work.claim(desk);
            desk.preparing = desk.reader.prepare(work.request(), reread.table());
        } else if (mustSweep(work)) {
            desk.work = work;
            work.claim(desk);
            reread.sweeping();
            desk.sweeping = desk.reader.seekSurplus(reread, passed.copy());
        } else if (work.mayReadRanges(position.end())) {
            reread.intervals().firstToDo().ifPresent(interval -> {
                desk.work = work;
                work.claim(desk); // two parts of one interval are not planned at once
                desk.interval = interval;
                desk.planning = desk.reader.plan(work.request(), reread.scope(), interval, work.rows());
            });
        }
    }

    private static boolean mustSweep(RereadWork work) {
        return !work.reread().isSwept() && work.reread().scope().keys().hasKey() && work.request().condition().isEmpty();
    }

    private void prepared(Desk desk, Prepared prepared) {
        RereadWork work = desk.work;
        boolean isNew = work.request().state() == State.REQUESTED;
        work.reread().prepared(
                prepared.scope(), isNew ? prepared.isEmpty() : work.request().isSwept(), prepared.done());
        work.from(prepared.from());
        if (isNew) {
            inTarget(() -> {
                store.start(target, work.source(), prepared.isEmpty(), prepared.rowsEstimated());
                if (work.request().condition().isEmpty()) {
                    letters.supersede(target, work.source(), "a reading of the whole table");
                }
                prepared.running().forEach(passed::add);
                passed.save(target);
                work.request(store.read(target).get(work.source()));
            });
        }
        desk.free();
    }

    private void planned(Desk desk, Planned planned) {
        RereadWork work = desk.work;
        if (planned.isBusy()) {
            inTarget(() -> store.say(
                    target, work.source(), "the source has more active sessions than the reread may meet; waiting"));
            work.notBefore(LOOK);
            desk.free();
            return;
        }
        work.release(desk);
        Key hi = planned.hi() == null ? desk.interval.hi() : planned.hi();
        desk.piece = new Piece(new Range(desk.interval.lo(), hi));
        work.reread().intervals().read(desk.interval, hi, desk.piece);
        desk.reading = desk.reader.read(work.request(), work.reread(), desk.piece.range, passed.copy());
        desk.planning = null;
    }

    private void read(Desk desk, Position position) throws SQLException {
        RereadWork work = desk.work;
        if (desk.piece.isOverfull()) {
            desk.reader.giveUp();
            giveBack(desk);
            if (work.halve()) {
                log.info("lane {}: too many changes of {} while a part of it was read; it is read again, smaller if it can be",
                        lane.name(), work.source());
            } else {
                failed(work, "more of its changes came while it was read, each time, than there is memory for (%d MB); write less to"
                        .formatted(TableReread.MOST_DEFERRED_BYTES >> 20) + " it meanwhile, or give apply a larger heap (-Xmx)");
            }
            return;
        }
        if (desk.read == null && desk.reading.isDone()) {
            Optional<Rows> rows = result(desk, desk.reading);
            if (rows.isEmpty()) {
                return;
            }
            desk.read = rows.get();
            work.hasRead(desk.read);
        }
        if (desk.read != null && position.end().compareTo(desk.read.until()) >= 0) {
            join(desk);
        }
    }

    private void sweep(Desk desk, Position position) throws SQLException {
        Optional<Lsn> until = result(desk, desk.sweeping);
        if (until.isPresent() && position.end().compareTo(until.get()) >= 0) {
            TableReread reread = desk.work.reread();
            Future<Boolean> cleared = desk.reader.clear(reread);
            if (isDone(desk, cleared) && result(desk, cleared).orElseThrow()) {
                reread.swept();
                desk.free();
            }
        }
    }

    private void join(Desk desk) throws SQLException {
        RereadWork work = desk.work;
        long began = System.nanoTime();
        Optional<Throwable> failure = awaited(desk, desk.reader.join(work.reread(), desk.piece));
        if (failure.isPresent() && work.request().state() != State.FAILED) {
            throw new Failure.Retryable(
                    "whether a part of %s has joined is for the target to say".formatted(work.source()), failure.get());
        }
        if (failure.isEmpty()) {
            work.reread().intervals().done(desk.piece);
            work.hasJoined(desk.read, Duration.ofNanos(System.nanoTime() - began));
            forgetSeen(desk.read.snapshot());
            desk.free();
        }
    }

    private void forgetSeen(SourceSnapshot snapshot) throws SQLException {
        passed.forgetSeen(target, snapshot);
        target.commit();
    }

    /** Where a reread has failed, is paused, or waits for a long transaction, nobody else takes a snapshot. */
    private void forgetSeenInBetween() throws SQLException {
        Optional<SourceSnapshot> seen = passed.size() > MOST_PASSED ? snapshot.look() : Optional.empty();
        if (seen.isPresent()) {
            forgetSeen(seen.get());
        }
    }

    private SourceSnapshot currentSnapshot() throws SQLException {
        try (Connection asked = Databases.connectBriefly(config.source(), "sluice-apply snapshot")) {
            return SourceSql.snapshot(asked);
        }
    }

    private void finish(RereadWork work) throws SQLException {
        store.finish(target, work.source(), State.DONE, RereadStore.UNCHECKED);
        RereadStore.Table done = store.read(target).get(work.source());
        target.commit();
        unfinished.remove(work.source());
        finished.put(work.reread().table().id(), work.source());
        log.info(
                "lane {}: {} is in step with the source, {} rows were read", lane.name(), work.source(), done.rows());
    }

    private void giveBack(Desk desk) {
        if (desk.piece != null) {
            desk.work.reread().intervals().giveUp(desk.piece);
        }
        desk.free();
    }

    // ---- results of readers

    /** Waits for the reader while the lane stands still. */
    private boolean isDone(Desk desk, Future<?> future) throws SQLException {
        return awaited(desk, future).isEmpty();
    }

    private Optional<Throwable> awaited(Desk desk, Future<?> future) throws SQLException {
        hasStood = true;
        while (!future.isDone()) {
            lock.keep(false);
            try {
                future.get(1, TimeUnit.SECONDS);
            } catch (TimeoutException | ExecutionException e) {
                log.trace("waiting for a reader", e); // asked again, and said below
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new Failure.Retryable("interrupted", e);
            }
        }
        return failure(desk, future);
    }

    private <T> Optional<T> result(Desk desk, Future<T> future) {
        if (failure(desk, future).isPresent()) {
            return Optional.empty();
        }
        try {
            return Optional.of(future.get());
        } catch (ExecutionException e) {
            throw new IllegalStateException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Failure.Retryable("interrupted", e);
        }
    }

    /** What went wrong, if anything did; the part is then to do again, at once, later, or when somebody has acted. */
    private Optional<Throwable> failure(Desk desk, Future<?> future) {
        Throwable cause;
        try {
            future.get();
            return Optional.empty();
        } catch (ExecutionException e) {
            cause = e.getCause();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Failure.Retryable("interrupted", e);
        }
        RereadWork work = desk.work;
        if (cause instanceof Progress.Lost lost) {
            throw lost;
        }
        if (cause instanceof KeyChanged changed) {
            throw changed;
        }
        desk.reader.giveUp();
        giveBack(desk);
        Failure sorted = RereadFailures.sorted(work.source(), !work.request().condition().isEmpty(), cause);
        if (sorted instanceof Failure.Retryable) {
            work.retryLater();
            log.info("lane {}: reading {}: {}; trying again", lane.name(), work.source(), sorted.getMessage());
            inTarget(() -> store.say(target, work.source(), sorted.getMessage()));
        } else {
            failed(work, sorted.getMessage());
        }
        return Optional.of(cause);
    }

    private void failed(RereadWork work, String why) {
        log.warn(
                "lane {}: {} cannot be read into the target: {}; cure: correct that, then `sluice resync --table {}`",
                lane.name(), work.source(), why, work.source());
        inTarget(() -> {
            store.finish(target, work.source(), State.FAILED, why);
            work.request(store.read(target).get(work.source()));
        });
        work.reread().failed();
    }

    private interface InTarget {
        void run() throws SQLException;
    }

    private void inTarget(InTarget work) {
        try {
            work.run();
            target.commit();
        } catch (SQLException e) {
            throw TargetFailures.translate("noting a reread", e);
        }
    }

    @Override
    public void close() {
        desks.forEach(desk -> desk.reader.close());
        asking.shutdownNow();
        router.close();
        repairs.close();
    }
}
