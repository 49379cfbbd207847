package dev.sluice.apply;

import dev.sluice.apply.BatchWriter.Judge;
import dev.sluice.apply.Progress.Offset;
import dev.sluice.apply.Progress.Position;
import dev.sluice.config.KafkaClients;
import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Headers;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Applies what has passed a held table while it stood still, in the order of the lane, up to the lane's position.
 *
 * <p>Delivery: each batch is one target transaction with the table's own progress, the last one also ends the hold. A
 * crash in between repeats nothing. Source transactions are not kept whole here: their other tables have gone on.
 *
 * <p>Threads: the lane's, while nothing else is in hand.
 */
final class HeldReplay {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final int MOST_QUEUED = 5_000;

    private final PipelineConfig config;
    private final LaneLock lock;
    private final Connection target;
    private final TargetTables tables;
    private final Position lane;
    private final Parking parking;
    private final Judge judge;
    private final EventDecoder decoder = new EventDecoder();

    /** @param lane where the lane stands */
    HeldReplay(
            PipelineConfig config, LaneLock lock, TargetTables tables, Position lane, Parking parking, Judge judge) {
        this.config = config;
        this.lock = lock;
        this.target = lock.connection();
        this.tables = tables;
        this.lane = lane;
        this.parking = parking;
        this.judge = judge;
    }

    /** What was read of one partition and is not taken yet. */
    private static final class Queue {
        final ArrayDeque<LaneRecord> records = new ArrayDeque<>();
        long highest;
        boolean isRead;

        /** A capture that failed half way sends the same numbers again; their first occurrences are in order. */
        void offer(LaneRecord record) {
            if (record.seq() > highest) {
                highest = record.seq();
                records.add(record);
            }
        }
    }

    /**
     * @throws SchemaChange if the rows come with other columns than those known
     * @throws TableStopped if the target's table cannot take them
     * @throws Failure.Poison naming the row that the target cannot take, if it must not be parked
     */
    void run(TargetTable table, HeldTables held) throws SQLException {
        Progress progress = held.progress(table.source());
        Position position = progress.read(target);
        if (position.epoch() != lane.epoch() && position.epoch() != 0) {
            throw new TableStopped(
                    table.source(),
                    "the lane's numbering began anew while the table was held, so what it has missed cannot be told apart",
                    "`sluice resync --table %s`".formatted(table.source()));
        }
        Writer writer = new Writer(table, progress, position);
        if (position.seq() < lane.seq()) {
            try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
                Map<TopicPartition, Queue> queues = assign(consumer, table.source(), progress);
                Map<TopicPartition, Long> ends = consumer.endOffsets(queues.keySet());
                long deadline = System.nanoTime() + PATIENCE.toNanos();
                while (!queues.values().stream().allMatch(queue -> queue.isRead)) {
                    lock.keep(true);
                    if (poll(consumer, queues, ends, position.seq())) {
                        deadline = System.nanoTime() + PATIENCE.toNanos();
                    } else if (System.nanoTime() > deadline) {
                        throw new Failure.Retryable("kafka: %s was not read to its end".formatted(queues.keySet()), null);
                    }
                    for (LaneRecord next = next(queues.values()); next != null; next = next(queues.values())) {
                        writer.take(next);
                    }
                }
                consumer.close(CloseOptions.timeout(Duration.ofSeconds(1)));
            } catch (KafkaException e) {
                throw new Failure.Retryable("kafka: reading: " + e.getMessage(), e);
            }
        }
        writer.finish(held);
    }

    private KafkaConsumer<byte[], byte[]> consumer() {
        Properties settings = KafkaClients.base(config.kafka(), "sluice-apply-held");
        settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "none");
        settings.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, "false");
        settings.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, "1000");
        settings.put(ConsumerConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, "5000");
        return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private Map<TopicPartition, Queue> assign(KafkaConsumer<byte[], byte[]> consumer, TableId table, Progress progress)
            throws SQLException {
        String topic = config.topics().change(table);
        Map<TopicPartition, Offset> saved = progress.readOffsets(target);
        Map<TopicPartition, Queue> queues = new HashMap<>();
        consumer.partitionsFor(topic)
                .forEach(info -> queues.put(new TopicPartition(topic, info.partition()), new Queue()));
        consumer.assign(queues.keySet());
        consumer.beginningOffsets(queues.keySet()).forEach((partition, beginning) -> {
            long from = saved.containsKey(partition) ? saved.get(partition).next() : 0;
            if (saved.containsKey(partition) && from < beginning) {
                throw new TableStopped(
                        table,
                        "%s was truncated from offset %d to %d while the table was held".formatted(partition, from, beginning),
                        "`sluice resync --table %s`".formatted(table));
            }
            consumer.seek(partition, Math.max(from, beginning));
        });
        return queues;
    }

    /** False if nothing came. */
    private boolean poll(
            KafkaConsumer<byte[], byte[]> consumer, Map<TopicPartition, Queue> queues, Map<TopicPartition, Long> ends, long after) {
        boolean came = false;
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
            came = true;
            TopicPartition partition = new TopicPartition(record.topic(), record.partition());
            Queue queue = queues.get(partition);
            LaneRecord ours;
            try {
                ours = LaneRecord.of(record, partition);
            } catch (IllegalArgumentException e) {
                continue; // somebody else's: the lane, which reads it too, parks it
            }
            if (ours.epoch() > lane.epoch() || ours.epoch() == lane.epoch() && ours.seq() > lane.seq()) {
                queue.isRead = true;
            } else if (!queue.isRead && ours.epoch() == lane.epoch() && ours.seq() > after) {
                queue.offer(ours);
            }
        }
        queues.forEach((partition, queue) -> {
            queue.isRead |= consumer.position(partition) >= ends.get(partition);
            if (queue.isRead || queue.records.size() > MOST_QUEUED) {
                consumer.pause(List.of(partition));
            } else {
                consumer.resume(List.of(partition));
            }
        });
        return came;
    }

    /** The record with the lowest number, once every partition has shown its next; null if one has not. */
    private static LaneRecord next(Collection<Queue> queues) {
        Queue lowest = null;
        for (Queue queue : queues) {
            if (queue.records.isEmpty()) {
                if (!queue.isRead) {
                    return null;
                }
            } else if (lowest == null || queue.records.peek().seq() < lowest.records.peek().seq()) {
                lowest = queue;
            }
        }
        return lowest == null ? null : lowest.records.poll();
    }

    /** Gathers changes and writes them in batches. */
    private final class Writer {
        private final TargetTable table;
        private final Progress progress;
        private final TargetWriter rows = TargetWriter.deletingForTruncate(target, tables);
        private Position position;
        private final Set<Long> transactions = new HashSet<>();
        private SourceTransaction batch;
        private LaneRecord last;

        Writer(TargetTable table, Progress progress, Position position) {
            this.table = table;
            this.progress = progress;
            this.position = position;
        }

        void take(LaneRecord record) throws SQLException {
            if (batch == null) {
                batch = new SourceTransaction(record);
            }
            batch.add(decoder.decode(record, table), record);
            transactions.add(record.xid());
            last = record;
            boolean isFull = batch.changes().size() >= config.apply().batchRows() || batch.bytes() >= config.apply().batchBytes();
            if (isFull && !record.has(Headers.NEW_KEY)) {
                write(Optional.empty());
            }
        }

        /** Writes what is left, and ends the hold with it. */
        void finish(HeldTables held) throws SQLException {
            write(Optional.of(held));
        }

        private void write(Optional<HeldTables> ended) throws SQLException {
            try {
                if (batch != null && parking.concerns(batch)) {
                    writeOnce(ended, this::apart);
                } else {
                    writeTogether(ended);
                }
            } catch (SQLException e) {
                throw TargetFailures.stopped(e, table).orElseThrow(() -> e);
            }
            batch = null;
            transactions.clear();
        }

        private void writeTogether(Optional<HeldTables> ended) throws SQLException {
            try {
                writeOnce(ended, rows::writeAsSets);
                return;
            } catch (SQLException e) {
                requireAboutRows(e);
            }
            try {
                writeOnce(ended, rows::writeInOrder);
                return;
            } catch (SQLException e) {
                requireMayPark(requireAboutRows(e));
            } catch (Failure.Poison e) {
                requireMayPark(e);
            }
            writeOnce(ended, this::apart);
        }

        private Failure.Poison requireAboutRows(SQLException e) throws SQLException {
            if (TargetFailures.translate("writing " + table.id(), e) instanceof Failure.Poison poison) {
                target.rollback();
                return poison;
            }
            throw e;
        }

        private void requireMayPark(Failure.Poison poison) throws SQLException {
            target.rollback();
            if (!parking.isOn() || !judge.mayPark(poison)) {
                throw poison;
            }
            target.rollback();
        }

        private void apart(List<RowChange> changes) throws SQLException {
            rows.writeApart(changes, parking);
        }

        private void writeOnce(Optional<HeldTables> ended, Writing writing) throws SQLException {
            tables.deferConstraints(target);
            rows.awaitedAtSource(transactions);
            if (batch != null) {
                writing.write(batch.changes());
            }
            Position next = position;
            if (ended.isPresent()) {
                ended.get().release(target, table.source());
            } else {
                next = new Position(lane.epoch(), last.seq(), position.end(), position.isBeyond());
                progress.advance(target, position, next, last.committedMicros());
            }
            parking.beforeCommit();
            lock.ownCommitTime();
            target.commit();
            parking.afterCommit();
            position = next;
        }
    }

    private interface Writing {
        void write(List<RowChange> changes) throws SQLException;
    }
}
