package dev.sluice.apply;

import dev.sluice.apply.Progress.Position;
import dev.sluice.process.Failpoints;
import dev.sluice.schemas.Failure;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.common.TopicPartition;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes target transactions of source transactions: several small ones in one, or a large one in parts, always with the
 * progress that they come to.
 *
 * <p>Threads: the lane's.
 */
final class BatchWriter {
    private static final Logger log = LoggerFactory.getLogger(BatchWriter.class);
    private static final long SAVE_OFFSETS_NANOS = Duration.ofSeconds(1).toNanos();

    private final LaneLock lock;
    private final Connection target;
    private final Progress progress;
    private final TargetTables tables;
    private final Collection<TargetTable> carried;
    private final SourceColumns columns;
    private final TargetWriter writer;
    private final LaneConsumer consumer;
    private final ApplyStats stats;
    private final NextLarge nextLarge;
    private final RereadDesk rereads;
    private final Parking parking;
    private final Judge judge;

    private Position position;
    /** Parts of a large transaction are in the open target transaction. */
    private boolean isStreaming;
    /** Writes them in order; null unless they have been refused as sets. */
    private ExactOrder largeInOrder;

    private long offsetsSavedAt = System.nanoTime();

    /** What an earlier run has learnt about the next source transaction, should it be too large for one batch. */
    static final class NextLarge {
        /** As sets it was refused. */
        boolean isInOrder;
        /** In order it was refused too, or something in it cannot simply be written. */
        boolean isApart;
        /** It lies beyond the target's position. */
        boolean isBeyond;

        void clear() {
            isInOrder = false;
            isApart = false;
            isBeyond = false;
        }
    }

    /** Whether a row that can never be written is the row's fault. */
    interface Judge {
        /** False if it is the table's, or nobody's, and the run must end. */
        boolean mayPark(Failure.Poison poison) throws SQLException;
    }

    /** A large transaction must be read again from its beginning, by the next run, which knows more about it. */
    static final class ReadAgain extends RuntimeException {
        private static final long serialVersionUID = 1L;
    }

    /**
     * @param position what the target has committed
     * @param carried the tables that are written
     */
    BatchWriter(
            LaneLock lock,
            Progress progress,
            Position position,
            TargetTables tables,
            Collection<TargetTable> carried,
            SourceColumns columns,
            LaneConsumer consumer,
            ApplyStats stats,
            NextLarge nextLarge,
            RereadDesk rereads,
            Parking parking,
            Judge judge) {
        this.lock = lock;
        this.target = lock.connection();
        this.progress = progress;
        this.position = position;
        this.tables = tables;
        this.carried = carried;
        this.columns = columns;
        this.writer = new TargetWriter(target, tables);
        this.consumer = consumer;
        this.stats = stats;
        this.nextLarge = nextLarge;
        this.rereads = rereads;
        this.parking = parking;
        this.judge = judge;
    }

    /** What the target has committed. */
    Position position() {
        return position;
    }

    /** A target transaction is open, in the middle of a large source transaction. */
    boolean isStreaming() {
        return isStreaming;
    }

    /**
     * The whole batch as sets; if anything in it is refused, once more with regard to order; if a row of it can never be
     * written, its transactions one by one, and that row is parked.
     *
     * @param isAll everything that the merge has given out is in it or written
     * @throws Failure.Poison naming the row that can never be written, if it must not be parked
     */
    void write(List<SourceTransaction> batch, boolean isAll) throws SQLException {
        int from = 0;
        for (int i = 0; i < batch.size(); i++) {
            if (parking.concerns(batch.get(i))) {
                if (from < i) {
                    writeTogether(batch.subList(from, i), false);
                }
                writeApart(batch.get(i), isAll && i == batch.size() - 1);
                from = i + 1;
            }
        }
        if (from < batch.size()) {
            writeTogether(batch.subList(from, batch.size()), isAll);
        }
    }

    private void writeTogether(List<SourceTransaction> batch, boolean isAll) throws SQLException {
        List<RowChange> changes = new ArrayList<>();
        batch.forEach(transaction -> changes.addAll(transaction.changes()));
        writer.awaitedAtSource(batch.stream().map(SourceTransaction::xid).collect(Collectors.toSet()));
        try {
            tables.deferConstraints(target);
            writer.writeAsSets(changes);
            commit(batch, isAll);
        } catch (SQLException e) {
            if (!TargetFailures.isAboutRows(e)) {
                throw stopped(e);
            }
            log.debug("a set was refused, SQLSTATE {}", e.getSQLState());
            target.rollback();
            writeInOrder(batch, changes, isAll);
        }
    }

    private void writeInOrder(List<SourceTransaction> batch, List<RowChange> changes, boolean isAll) throws SQLException {
        Optional<Failure.Poison> poison = tryInOrder(batch, changes, isAll);
        if (poison.isEmpty()) {
            return;
        }
        if (batch.size() == 1) {
            requireMayPark(poison.get());
            writeApart(batch.get(0), isAll);
            return;
        }
        for (int i = 0; i < batch.size(); i++) {
            SourceTransaction one = batch.get(i);
            boolean isLast = isAll && i == batch.size() - 1;
            writer.awaitedAtSource(Set.of(one.xid()));
            boolean isApart = parking.concerns(one);
            if (!isApart) {
                poison = tryInOrder(List.of(one), one.changes(), isLast);
                if (poison.isPresent()) {
                    requireMayPark(poison.get());
                    isApart = true;
                }
            }
            if (isApart) {
                writeApart(one, isLast);
            }
        }
    }

    /** Rolled back if there is poison in it. */
    private Optional<Failure.Poison> tryInOrder(List<SourceTransaction> batch, List<RowChange> changes, boolean isAll)
            throws SQLException {
        try {
            tables.deferConstraints(target);
            writer.writeInOrder(changes);
            commit(batch, isAll);
            return Optional.empty();
        } catch (Failure.Poison e) {
            target.rollback();
            return Optional.of(e);
        } catch (SQLException e) {
            if (!(TargetFailures.translate("committing", e) instanceof Failure.Poison poison)) {
                throw stopped(e);
            }
            target.rollback(); // a constraint that is checked at the end
            return Optional.of(poison);
        }
    }

    private void requireMayPark(Failure.Poison poison) throws SQLException {
        if (!judge.mayPark(poison)) {
            throw poison;
        }
    }

    /** A transaction by itself, of which some rows are parked. */
    private void writeApart(SourceTransaction transaction, boolean isAll) throws SQLException {
        writer.awaitedAtSource(Set.of(transaction.xid()));
        try {
            tables.deferConstraints(target);
            writer.writeApart(transaction.changes(), parking);
        } catch (SQLException e) {
            throw stopped(e);
        }
        commit(List.of(transaction), isAll);
    }

    /** A transaction larger than a batch goes into one target transaction, which stays open between its parts. */
    void writePart(SourceTransaction part) throws SQLException {
        if (!isStreaming) {
            isStreaming = true;
            tables.deferConstraints(target);
        }
        writeLarge(part, false);
    }

    /** The last part of a large transaction. */
    void writeLastPart(SourceTransaction last) throws SQLException {
        writeLarge(last, true);
        try {
            commit(List.of(last), true);
        } catch (SQLException e) {
            if (nextLarge.isApart || !(TargetFailures.translate("committing", e) instanceof Failure.Poison poison)) {
                throw e;
            }
            againApart(poison); // a constraint that is checked at the end
        }
        isStreaming = false;
        nextLarge.clear();
    }

    private void writeLarge(SourceTransaction part, boolean isLast) throws SQLException {
        writer.awaitedAtSource(Set.of(part.xid()));
        if (!nextLarge.isApart && parking.concerns(part)) {
            nextLarge.isApart = true;
            throw readAgainInOrder();
        }
        try {
            if (nextLarge.isInOrder) {
                if (largeInOrder == null) {
                    largeInOrder = nextLarge.isApart ? writer.apart(parking) : writer.inOrder();
                }
                largeInOrder.write(part.changes());
                if (isLast) {
                    largeInOrder.finish();
                    largeInOrder = null;
                }
                Failpoints.reach("apply.in-transaction");
            } else {
                writer.writeAsSets(part.changes());
            }
            lock.used();
        } catch (SQLException e) {
            if (nextLarge.isInOrder || !TargetFailures.isAboutRows(e)) {
                throw stopped(e);
            }
            log.debug("a set was refused, SQLSTATE {}", e.getSQLState());
            throw readAgainInOrder();
        } catch (Failure.Poison e) {
            if (nextLarge.isApart) {
                throw e;
            }
            againApart(e);
        }
    }

    private ReadAgain readAgainInOrder() {
        nextLarge.isInOrder = true;
        nextLarge.isBeyond = true;
        return new ReadAgain();
    }

    private void againApart(Failure.Poison poison) throws SQLException {
        target.rollback();
        requireMayPark(poison);
        nextLarge.isApart = true;
        throw readAgainInOrder();
    }

    private SQLException stopped(SQLException e) {
        TargetFailures.stopped(e, writer.last()).ifPresent(stopped -> {
            throw stopped;
        });
        return e;
    }

    private void commit(List<SourceTransaction> batch, boolean isAll) throws SQLException {
        LaneRecord last = batch.get(batch.size() - 1).end();
        boolean isPast = last.end().compareTo(position.end()) < 0;
        Position next = new Position(last.epoch(), last.seq(), isPast ? position.end() : last.end(), !isPast);
        progress.advance(target, position, next, last.committedMicros());
        Map<TopicPartition, Long> offsets = Map.of();
        boolean save = isAll && consumer.strays().isEmpty() && System.nanoTime() - offsetsSavedAt > SAVE_OFFSETS_NANOS;
        if (save) {
            offsets = consumer.merge().offsets();
            progress.saveOffsets(target, offsets, consumer.topicIds());
        }
        List<TargetTable> changed = carried.stream().filter(table -> table.news().isPresent()).toList();
        for (TargetTable table : changed) {
            columns.save(target, table.source(), table.news().orElseThrow());
        }
        rereads.beforeCommit();
        parking.beforeCommit();
        Failpoints.reach("apply.before-commit");
        target.commit();
        Failpoints.reach("apply.after-commit");
        rereads.afterCommit();
        parking.afterCommit();
        writer.awaitedAtSource(Set.of());
        position = next;
        changed.forEach(TargetTable::newsAreSaved);
        lock.used();
        if (save) {
            offsetsSavedAt = System.nanoTime();
            consumer.showProgress(offsets);
        }
        count(batch);
    }

    private void count(List<SourceTransaction> batch) {
        Instant now = Instant.now();
        long nowMicros = now.getEpochSecond() * 1_000_000 + now.getNano() / 1_000;
        for (SourceTransaction transaction : batch) {
            stats.applied(transaction.counts());
            stats.transactionVisible(nowMicros - transaction.end().committedMicros());
        }
    }

    /** Where to begin reading next time; nothing that the merge has given out may be unwritten. */
    void saveOffsets() throws SQLException {
        if (position.epoch() != 0 && consumer.strays().isEmpty()) {
            progress.saveOffsets(target, consumer.merge().offsets(), consumer.topicIds());
            target.commit();
        }
    }
}
