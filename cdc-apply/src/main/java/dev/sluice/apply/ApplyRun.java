package dev.sluice.apply;

import dev.sluice.apply.BatchWriter.NextLarge;
import dev.sluice.apply.BatchWriter.ReadAgain;
import dev.sluice.apply.Progress.Position;
import dev.sluice.catalog.Catalog;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.divergence.DivergenceStore;
import dev.sluice.preflight.Preflight;
import dev.sluice.process.Finding;
import dev.sluice.process.StopSignal;
import dev.sluice.schemas.ControlRecord;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Headers;
import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.common.TopicPartition;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One run of a lane's applier, from taking the lane to losing it: poll, merge, gather whole source transactions, write.
 *
 * <p>Threads: the thread in {@link #serve} owns everything.
 */
final class ApplyRun {
    private static final Logger log = LoggerFactory.getLogger(ApplyRun.class);

    /** How long the lane waits for records while a read may wait for it. */
    private static final Duration BUSY = Duration.ofMillis(5);

    /** How long a table that was found to fit is taken to fit; it is asked for row by row otherwise. */
    private static final long JUDGED_NANOS = Duration.ofSeconds(1).toNanos();

    /** How often a stopped lane looks whether it may go on, and says that it is stopped. */
    private static final long LOOK_MILLIS = 500;

    private static final long SAY_NANOS = Duration.ofMinutes(1).toNanos();

    /** A run that has met nothing to write for so long works. */
    private static final long SETTLED_NANOS = Duration.ofSeconds(1).toNanos();

    private final PipelineConfig config;
    private final LaneConfig lane;
    private final LaneLock lock;
    private final Connection target;
    private final Progress progress;
    private final NextLarge nextLarge;
    private final EventDecoder decoder = new EventDecoder();
    private final Map<String, TargetTable> tablesByTopic = new HashMap<>();
    private Position first;
    /** Tables whose changes pass by. */
    private Set<TableId> held = Set.of();
    private LaneConsumer consumer;
    private BatchWriter writer;
    private RereadDesk rereads;
    private Parking parking;
    /** By source table, when a row of it was last found to be the one to blame. */
    private final Map<TableId, Long> judgedAt = new HashMap<>();

    /** Whole transactions that are not written yet, in lane order. */
    private final List<SourceTransaction> ready = new ArrayList<>();
    private int readyRows;
    private long readyBytes;
    /** The transaction whose end has not arrived; null between two. */
    private SourceTransaction open;
    /**
     * The open transaction is too large for a batch and may have taken effect under an earlier epoch's numbers: its rows
     * are dropped until its end tells.
     */
    private boolean isDropping;
    /** A transaction beyond the position has been seen; everything after it is beyond too. */
    private boolean isBeyond;

    ApplyRun(PipelineConfig config, LaneConfig lane, LaneLock lock, NextLarge nextLarge) {
        this.config = config;
        this.lane = lane;
        this.lock = lock;
        this.target = lock.connection();
        this.progress = new Progress(config.nameInTarget(lane), lock::isMarked);
        this.nextLarge = nextLarge;
    }

    /**
     * Applies until a stop is requested, or until the target or the source's columns must be looked at anew.
     *
     * @param warned what preflight has said before, and from now on what this one says
     * @param blocked cleared when the lane works
     * @param onWorking called when the lane works: it has committed, or there was nothing to be written for a while
     */
    void serve(StopSignal stop, ApplyStats stats, Set<Finding> warned, BlockedLane blocked, Runnable onWorking)
            throws InterruptedException {
        try {
            createTables();
            LaneOrigin.take(lock, config.nameInTarget(lane));
            awaitResume(stop);
            if (stop.isRequested()) {
                return;
            }
            first = progress.read(target);
            isBeyond = first.isBeyond() || nextLarge.isBeyond;
            rereads = new RereadDesk(config, lane, lock);
            SchemaDesk desk = new SchemaDesk(config, lane, lock, rereads);
            Preflight.require(desk.findings(), warned);
            try {
                held = desk.release(first);
                TargetTables tables = desk.carried(held, tablesByTopic);
                try (Reread singleRows = tables.reread();
                        Parking opened = new Parking(config, lane, lock)) {
                    parking = opened;
                    parking.open();
                    rereads.open(tables, tablesByTopic);
                    Map<TopicPartition, Progress.Offset> saved = progress.readOffsets(target);
                    target.commit();
                    apply(stop, stats, tables, desk, saved, blocked, onWorking);
                }
            } catch (Parking.BreakerOpens e) {
                target.rollback();
                new DeadLetterStore(config.nameInTarget(lane)).openBreaker(target, e.getMessage());
                target.commit();
            } catch (SchemaChange e) {
                target.rollback();
                rereads.close(); // its readers hold locks on the tables
                desk.follow(e);
            } catch (KeyChanged e) {
                target.rollback();
                rereads.close();
                rereads.beginAnew(e);
            } catch (TableStopped e) {
                target.rollback();
                rereads.close();
                desk.hold(e);
            } catch (Failure.Poison e) {
                target.rollback();
                if (!rereads.isAskedAnew()) {
                    desk.hold(desk.explained(e, held).orElseThrow(() -> e));
                }
            }
        } catch (SQLException e) {
            throw TargetFailures.translate("applying", e);
        } finally {
            if (rereads != null) {
                rereads.close();
            }
        }
    }

    /** One lane after the other: of two that make the same schema or table at once the server refuses one. */
    private void createTables() throws SQLException {
        Catalog.waitToMakeTables(target);
        Progress.createTables(target);
        if (!RereadStore.isThere(target)) {
            RereadStore.createTables(target);
        }
        if (!RepairStore.isThere(target)) {
            RepairStore.createTable(target);
        }
        if (!DeadLetterStore.isThere(target)) {
            DeadLetterStore.createTables(target);
            BlockedLane.createTable(target);
        }
        if (!DivergenceStore.isComplete(target)) {
            DivergenceStore.createTable(target);
        }
        if (!LaneOrigin.isThere(target)) {
            LaneOrigin.createTable(target);
        }
        target.commit();
    }

    /** While the breaker is open the lane stands still; its process lives, and other lanes go on. */
    private void awaitResume(StopSignal stop) throws SQLException, InterruptedException {
        DeadLetterStore store = new DeadLetterStore(config.nameInTarget(lane));
        long saidAt = 0;
        while (!stop.isRequested()) {
            Optional<String> reason = store.breaker(target);
            target.commit();
            lock.used();
            if (reason.isEmpty()) {
                return;
            }
            if (saidAt == 0 || System.nanoTime() - saidAt > SAY_NANOS) {
                saidAt = System.nanoTime();
                log.error(
                        "lane {}: stopped: {}; mend the cause, then `sluice resume` lets it go on", lane.name(), reason.get());
            }
            stop.await(LOOK_MILLIS);
        }
    }

    private void apply(
            StopSignal stop,
            ApplyStats stats,
            TargetTables tables,
            SchemaDesk desk,
            Map<TopicPartition, Progress.Offset> saved,
            BlockedLane blocked,
            Runnable onWorking)
            throws InterruptedException, SQLException {
        try (LaneConsumer opened = new LaneConsumer(config, lane, saved, first)) {
            consumer = opened;
            writer = new BatchWriter(
                    lock, progress, first, tables, tablesByTopic.values(), desk.columns(), consumer, stats, nextLarge,
                    rereads, parking, poison -> mayPark(poison, desk));
            Replays replays = new Replays(config, lane, lock, tables, tablesByTopic, parking);
            lock.used();
            log.info(
                    "lane {}: applying after seq {} of epoch {}, source position {}",
                    lane.name(), first.seq(), first.epoch(), first.end());
            long began = System.nanoTime();
            boolean isWorking = false;
            while (!stop.isRequested() && !(isAtRest() && desk.hasChanged(hasCommitted()))) {
                consumer.poll(ready.isEmpty() ? idle() : config.apply().linger());
                drain();
                lock.keep(writer.isStreaming());
                boolean isSettled = isAtRest() && System.nanoTime() - began > SETTLED_NANOS;
                if (!isWorking && !writer.isStreaming() && (hasCommitted() || isSettled)) {
                    isWorking = true;
                    blocked.clear(target);
                    target.commit();
                    onWorking.run();
                }
                if (ready.isEmpty() && !writer.isStreaming()) {
                    replays.turn();
                    if (rereads.turn(writer.position())) {
                        break;
                    }
                }
            }
            target.rollback();
            if (isAtRest()) {
                writer.saveOffsets();
            }
        }
    }

    /** Not if the table does not fit any more, if it is about to be read, or if somebody wants no row parked. */
    private boolean mayPark(Failure.Poison poison, SchemaDesk desk) throws SQLException {
        if (!parking.isOn()) {
            return false;
        }
        Long judged = poison.table().map(judgedAt::get).orElse(null);
        if (judged != null && System.nanoTime() - judged < JUDGED_NANOS) {
            return true;
        }
        boolean may = !rereads.isAskedAnew() && desk.explained(poison, held).isEmpty();
        target.rollback();
        lock.used();
        if (may) {
            poison.table().ifPresent(table -> judgedAt.put(table, System.nanoTime()));
        }
        return may;
    }

    private Duration idle() {
        return rereads.isBusy() ? BUSY : LaneConsumer.IDLE;
    }

    /** Everything that has arrived is written. */
    private boolean isAtRest() {
        return ready.isEmpty() && open == null;
    }

    /** Whether the target was found as it must be. */
    boolean isApplying() {
        return writer != null;
    }

    boolean hasCommitted() {
        return writer != null && !writer.position().equals(first);
    }

    /** Takes everything that has arrived in order, and writes it. */
    private void drain() throws SQLException {
        while (true) {
            if (open == null) {
                enterNextEpoch();
            }
            LaneRecord record = consumer.merge().next();
            if (record == null) {
                break;
            }
            take(record);
        }
        writeReady();
        if (!writer.isStreaming() && !consumer.strays().isEmpty()) {
            parking.parkStrays(consumer.strays(), config.topics());
            target.commit();
            parking.afterCommit();
            consumer.strays().clear();
        }
        consumer.requireNoHole();
        consumer.requireSamePartitions();
    }

    /**
     * A later epoch begins at a position that the target has reached: everything from there on comes again with other
     * numbers. Before that position the earlier epoch's numbers go on.
     */
    private void enterNextEpoch() {
        Optional<LaneRecord> next = consumer.merge().nextEpoch();
        if (next.isEmpty()) {
            return;
        }
        ControlRecord.EpochStart start = (ControlRecord.EpochStart) next.get().control();
        if (writer.position().epoch() == 0 && ready.isEmpty() || reached().compareTo(start.start()) >= 0) {
            consumer.requireReads(start);
            isBeyond = reached().compareTo(start.start()) <= 0;
            consumer.merge().enter(next.get(), start);
            log.info("lane {}: epoch {} begins at {}", lane.name(), start.epoch(), start.start());
        }
    }

    private Lsn reached() {
        Lsn committed = writer.position().end();
        Lsn last = ready.isEmpty() ? committed : ready.get(ready.size() - 1).end().end();
        return last.compareTo(committed) > 0 ? last : committed;
    }

    private void take(LaneRecord record) throws SQLException {
        if (open == null) {
            open = new SourceTransaction(record);
        }
        TargetTable table = isDropping ? null : tablesByTopic.get(record.kafka().topic());
        if (table != null) {
            open.add(decoder.decode(record, table), record);
        } else if (!isDropping && !held.isEmpty()) {
            rereads.passed(open.xid());
        }
        if (record.endsTransaction()) {
            open.end(record);
            endTransaction();
        } else if (isFull(open.changes().size(), open.bytes()) && !record.has(Headers.NEW_KEY)) {
            endPart();
        }
    }

    private boolean isFull(int rows, long bytes) {
        return rows >= config.apply().batchRows() || bytes >= config.apply().batchBytes();
    }

    private void endTransaction() throws SQLException {
        SourceTransaction ended = open;
        open = null;
        if (ended.end().end().compareTo(writer.position().end()) > 0) {
            isBeyond = true;
            if (isDropping) {
                nextLarge.isBeyond = true;
                throw new ReadAgain();
            }
        } else {
            ended.skip(); // it took effect under an earlier epoch's numbers
        }
        isDropping = false;
        if (writer.isStreaming()) {
            rereads.route(List.of(ended));
            writer.writeLastPart(ended);
            return;
        }
        ready.add(ended);
        readyRows += ended.changes().size();
        readyBytes += ended.bytes();
        if (isFull(readyRows, readyBytes)) {
            writeReady();
        }
    }

    private void endPart() throws SQLException {
        writeReady();
        if (writer.isStreaming() || isBeyond || open.firstLsn().compareTo(writer.position().end()) > 0) {
            rereads.route(List.of(open));
            writer.writePart(open);
        } else {
            isDropping = true;
        }
        open.forgetChanges();
    }

    private void writeReady() throws SQLException {
        if (!ready.isEmpty()) {
            List<SourceTransaction> batch = List.copyOf(ready);
            ready.clear();
            readyRows = 0;
            readyBytes = 0;
            rereads.route(batch);
            writer.write(batch, open == null);
        }
    }
}
