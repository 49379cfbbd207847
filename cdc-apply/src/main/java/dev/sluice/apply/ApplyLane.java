package dev.sluice.apply;

import dev.sluice.apply.Progress.Position;
import dev.sluice.config.Databases;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.preflight.Preflight;
import dev.sluice.preflight.TargetPreflight;
import dev.sluice.process.Failpoints;
import dev.sluice.process.Finding;
import dev.sluice.process.Pauses;
import dev.sluice.process.StopSignal;
import dev.sluice.schemas.ControlRecord;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Headers;
import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.common.TopicPartition;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Moves one lane from the change topics to the target: poll, merge, gather, write.
 *
 * <p>Delivery: rows and progress are one target transaction, so a crash repeats nothing and loses nothing; a record
 * seen again is dropped by its number in {@link LaneMerge}.
 *
 * <p>Every run enters through the same door: take the lane's lock in the target, read the progress, read Kafka from
 * there. Whatever fails in passing ends the run, and the next one learns from the progress what took effect, also when
 * the connection was lost during COMMIT.
 *
 * <p>Threads: the thread in {@link #run} owns everything.
 */
final class ApplyLane {
    private static final Logger log = LoggerFactory.getLogger(ApplyLane.class);
    private static final long SAVE_OFFSETS_NANOS = Duration.ofSeconds(1).toNanos();

    private final PipelineConfig config;
    private final LaneConfig lane;
    private final StopSignal stop;
    private final ApplyStats stats;
    private final Progress progress;
    private final Pauses pauses = new Pauses();
    private final Set<Finding> warned = new HashSet<>();
    private String lastTrouble = "";
    /** The next source transaction, too large for one batch, is written in order: as sets it was refused. */
    private boolean nextInOrder;
    /** The next source transaction, too large for one batch, is known to lie beyond the target's position. */
    private boolean nextIsBeyond;

    ApplyLane(PipelineConfig config, LaneConfig lane, StopSignal stop, ApplyStats stats) {
        this.config = config;
        this.lane = lane;
        this.stop = stop;
        this.stats = stats;
        this.progress = new Progress(name(config, lane));
    }

    /** The lane's name in the target, where several pipelines may meet. */
    static String name(PipelineConfig config, LaneConfig lane) {
        return config.name() + "." + lane.name();
    }

    /** A large transaction must be read again from its beginning, by the next run, which knows more about it. */
    private static final class ReadAgain extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    /** Returns when a stop was requested. */
    void run() throws InterruptedException {
        while (!stop.isRequested()) {
            try (LaneLock lock = LaneLock.take(config.target(), name(config, lane), stop)) {
                if (lock.isHeld()) {
                    new Run(lock).serve();
                }
            } catch (ReadAgain e) {
                log.info("lane {}: reading a large transaction again", lane.name());
            } catch (Progress.Lost e) {
                log.warn("lane {}: {}; standing by", lane.name(), e.getMessage());
            } catch (Failure.Poison e) {
                throw new Failure.Fatal(
                        Stop.POISON,
                        e.getMessage(),
                        "the lane stops before this source transaction, nothing is skipped: correct the target (schema,"
                                + " constraint or row) and start apply again",
                        e);
            } catch (Failure.Retryable e) {
                trouble(e.getMessage());
                stop.await(pauses.next().toMillis());
            }
        }
        log.info("lane {}: stopped", lane.name());
    }

    /** Logs each change of what is wrong, not each attempt. */
    private void trouble(String message) {
        if (!message.equals(lastTrouble)) {
            log.warn("lane {}: {}; trying again", lane.name(), message);
            lastTrouble = message;
        }
    }

    private void recovered() {
        pauses.reset();
        if (!lastTrouble.isEmpty()) {
            log.info("lane {}: applying again", lane.name());
            lastTrouble = "";
        }
    }

    /** A whole source transaction, or what has arrived of it. */
    private static final class Transaction {
        final List<RowChange> changes = new ArrayList<>();
        final Map<TableId, Integer> counts = new HashMap<>();
        final Lsn firstLsn;
        long bytes;
        LaneRecord end;

        Transaction(Lsn firstLsn) {
            this.firstLsn = firstLsn;
        }

        /** Adds the next change; the delete half of a change of key gives way to the other half, which moves the row. */
        void add(RowChange change, LaneRecord record) {
            if (change.kind() == RowChange.Kind.MOVE && !changes.isEmpty()) {
                RowChange last = changes.get(changes.size() - 1);
                if (last.kind() == RowChange.Kind.DELETE
                        && last.table() == change.table()
                        && last.key().equals(change.oldKey())) {
                    changes.remove(changes.size() - 1);
                }
            }
            changes.add(change);
            bytes += record.bytes();
            counts.merge(change.table().source(), 1, Integer::sum);
        }

        void clearRows() {
            changes.clear();
            bytes = 0;
        }
    }

    /** One run: from taking the lane to losing it. */
    private final class Run {
        private final LaneLock lock;
        private final Connection target;
        private final EventDecoder decoder = new EventDecoder();
        private final Map<String, TargetTable> tablesByTopic = new HashMap<>();
        private TargetWriter writer;
        private LaneConsumer consumer;
        private boolean hasDeferrable;

        /** What the target has committed. */
        private Position position;

        /** Whole transactions that are not written yet, in lane order. */
        private final List<Transaction> ready = new ArrayList<>();
        private int readyRows;
        private long readyBytes;
        /** The transaction whose end has not arrived; null between two. */
        private Transaction open;
        /** Parts of the open transaction are in the open target transaction. */
        private boolean isStreaming;
        /** Writes them in order; null unless they have been refused as sets. */
        private ExactOrder largeInOrder;
        /**
         * The open transaction is too large for a batch and may have taken effect under an earlier epoch's numbers: its
         * rows are dropped until its end tells.
         */
        private boolean isDropping;
        /** A transaction beyond the position has been seen; everything after it is beyond too. */
        private boolean isBeyond;

        private long offsetsSavedAt = System.nanoTime();

        Run(LaneLock lock) {
            this.lock = lock;
            this.target = lock.connection();
        }

        void serve() throws InterruptedException {
            try {
                prepare();
                Map<TopicPartition, Progress.Offset> saved = progress.readOffsets(target);
                target.commit();
                try (LaneConsumer opened = new LaneConsumer(config, lane, saved, position)) {
                    consumer = opened;
                    lock.used();
                    log.info(
                            "lane {}: applying after seq {} of epoch {}, source position {}",
                            lane.name(), position.seq(), position.epoch(), position.end());
                    recovered();
                    while (!stop.isRequested()) {
                        consumer.poll(ready.isEmpty() ? LaneConsumer.IDLE : config.apply().linger());
                        drain();
                        lock.keep(isStreaming);
                    }
                    target.rollback();
                    saveOffsets();
                }
            } catch (SQLException e) {
                throw TargetFailures.translate("applying", e);
            }
        }

        private void prepare() throws SQLException {
            Progress.createTables(target);
            target.commit();
            position = progress.read(target);
            isBeyond = position.isBeyond() || nextIsBeyond;
            Preflight.require(preflight(), warned);
            TargetTables tables = TargetTables.read(target, lane);
            lane.tables().forEach(mapping ->
                    tablesByTopic.put(config.topics().change(mapping.source()), tables.of(mapping)));
            hasDeferrable = tables.hasDeferrable();
            writer = new TargetWriter(target, tables.order(), tables.cascading());
        }

        private List<Finding> preflight() throws SQLException {
            try (Connection source = Databases.connect(config.source(), "sluice-apply preflight")) {
                return TargetPreflight.findings(Optional.of(source), target, config, lane);
            } catch (SQLException e) {
                if (target.isValid(1)) {
                    // a backlog can be applied while the source is away
                    log.info("lane {}: the source cannot be compared with the target: {}", lane.name(), e.getMessage());
                    return TargetPreflight.findings(Optional.empty(), target, config, lane);
                }
                throw e;
            }
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
            if (!ready.isEmpty()) {
                writeReady();
            }
            consumer.requireNoHole();
            consumer.requireSamePartitions();
        }

        /**
         * A later epoch begins at a position that the target has reached: everything from there on comes again with
         * other numbers. Before that position the earlier epoch's numbers go on.
         */
        private void enterNextEpoch() {
            Optional<LaneRecord> next = consumer.merge().nextEpoch();
            if (next.isEmpty()) {
                return;
            }
            ControlRecord.EpochStart start = (ControlRecord.EpochStart) next.get().control();
            if (position.epoch() == 0 && ready.isEmpty() || reached().compareTo(start.start()) >= 0) {
                consumer.requireReads(start);
                isBeyond = reached().compareTo(start.start()) <= 0;
                consumer.merge().enter(next.get(), start);
                log.info("lane {}: epoch {} begins at {}", lane.name(), start.epoch(), start.start());
            }
        }

        private Lsn reached() {
            Lsn last = ready.isEmpty() ? position.end() : ready.get(ready.size() - 1).end.end();
            return last.compareTo(position.end()) > 0 ? last : position.end();
        }

        private void take(LaneRecord record) throws SQLException {
            if (open == null) {
                open = new Transaction(record.lsn());
            }
            TargetTable table = isDropping ? null : tablesByTopic.get(record.kafka().topic());
            if (table != null) {
                open.add(decoder.decode(record, table), record);
            }
            if (record.endsTransaction()) {
                open.end = record;
                endTransaction();
            } else if (isFull(open.changes.size(), open.bytes) && !record.has(Headers.NEW_KEY)) {
                writePart();
            }
        }

        private boolean isFull(int rows, long bytes) {
            return rows >= config.apply().batchRows() || bytes >= config.apply().batchBytes();
        }

        private void endTransaction() throws SQLException {
            Transaction ended = open;
            open = null;
            if (ended.end.end().compareTo(position.end()) > 0) {
                isBeyond = true;
                if (isDropping) {
                    nextIsBeyond = true;
                    throw new ReadAgain();
                }
            } else {
                // it took effect under an earlier epoch's numbers
                ended.clearRows();
                ended.counts.clear();
            }
            isDropping = false;
            if (isStreaming) {
                writeLarge(ended, true);
                commit(List.of(ended), true);
                isStreaming = false;
                nextInOrder = false;
                nextIsBeyond = false;
                return;
            }
            ready.add(ended);
            readyRows += ended.changes.size();
            readyBytes += ended.bytes;
            if (isFull(readyRows, readyBytes)) {
                writeReady();
            }
        }

        /** A transaction larger than a batch goes into one target transaction, which stays open between its parts. */
        private void writePart() throws SQLException {
            if (!ready.isEmpty()) {
                writeReady();
            }
            if (isStreaming || isBeyond || open.firstLsn.compareTo(position.end()) > 0) {
                if (!isStreaming) {
                    isStreaming = true;
                    begin();
                }
                writeLarge(open, false);
            } else {
                isDropping = true;
            }
            open.clearRows();
        }

        private void writeLarge(Transaction part, boolean isLast) throws SQLException {
            try {
                if (nextInOrder) {
                    if (largeInOrder == null) {
                        largeInOrder = writer.inOrder();
                    }
                    largeInOrder.write(part.changes);
                    if (isLast) {
                        largeInOrder.finish();
                        largeInOrder = null;
                    }
                    Failpoints.reach("apply.in-transaction");
                } else {
                    writer.writeAsSets(part.changes);
                }
                lock.used();
            } catch (SQLException e) {
                if (nextInOrder || !TargetFailures.isAboutRows(e)) {
                    throw e;
                }
                log.debug("lane {}: a set was refused, SQLSTATE {}", lane.name(), e.getSQLState());
                nextInOrder = true;
                nextIsBeyond = true;
                throw new ReadAgain();
            }
        }

        /**
         * The whole batch as sets; if anything in it is refused, once more with regard to order; if a row of it can
         * never be written, its transactions one by one, so that those before it take effect.
         */
        private void writeReady() throws SQLException {
            List<Transaction> batch = List.copyOf(ready);
            ready.clear();
            readyRows = 0;
            readyBytes = 0;
            List<RowChange> changes = new ArrayList<>();
            batch.forEach(transaction -> changes.addAll(transaction.changes));
            try {
                begin();
                writer.writeAsSets(changes);
                commit(batch, true);
            } catch (SQLException e) {
                if (!TargetFailures.isAboutRows(e)) {
                    throw e;
                }
                log.debug("lane {}: a set was refused, SQLSTATE {}", lane.name(), e.getSQLState());
                target.rollback();
                writeReadyInOrder(batch, changes);
            }
        }

        private void writeReadyInOrder(List<Transaction> batch, List<RowChange> changes) throws SQLException {
            try {
                begin();
                writer.writeInOrder(changes);
                commit(batch, true);
            } catch (Failure.Poison e) {
                target.rollback();
                if (batch.size() == 1) {
                    throw e;
                }
                for (int i = 0; i < batch.size(); i++) {
                    begin();
                    writer.writeInOrder(batch.get(i).changes);
                    commit(batch.subList(i, i + 1), i == batch.size() - 1);
                }
            }
        }

        private void begin() throws SQLException {
            if (hasDeferrable) {
                try (Statement defer = target.createStatement()) {
                    defer.execute("SET CONSTRAINTS ALL DEFERRED");
                }
            }
        }

        /** @param isLast nothing that the merge has given out is left to write */
        private void commit(List<Transaction> batch, boolean isLast) throws SQLException {
            LaneRecord last = batch.get(batch.size() - 1).end;
            boolean isPast = last.end().compareTo(position.end()) < 0;
            Position next = new Position(last.epoch(), last.seq(), isPast ? position.end() : last.end(), !isPast);
            progress.advance(target, position, next, last.committedMicros());
            Map<TopicPartition, Long> offsets = Map.of();
            boolean save = isLast && open == null && System.nanoTime() - offsetsSavedAt > SAVE_OFFSETS_NANOS;
            if (save) {
                offsets = consumer.merge().offsets();
                progress.saveOffsets(target, offsets, consumer.topicIds());
            }
            Failpoints.reach("apply.before-commit");
            target.commit();
            Failpoints.reach("apply.after-commit");
            position = next;
            lock.used();
            if (save) {
                offsetsSavedAt = System.nanoTime();
                consumer.showProgress(offsets);
            }
            count(batch);
        }

        private void count(List<Transaction> batch) {
            Instant now = Instant.now();
            long nowMicros = now.getEpochSecond() * 1_000_000 + now.getNano() / 1_000;
            for (Transaction transaction : batch) {
                stats.applied(transaction.counts);
                stats.transactionVisible(nowMicros - transaction.end.committedMicros());
            }
        }

        private void saveOffsets() throws SQLException {
            if (ready.isEmpty() && open == null && position.epoch() != 0) {
                progress.saveOffsets(target, consumer.merge().offsets(), consumer.topicIds());
                target.commit();
            }
        }
    }
}
