package dev.sluice.apply;

import dev.sluice.schemas.ControlRecord.EpochStart;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.kafka.common.TopicPartition;

/**
 * Restores the lane's order out of its partitions: gives out the record with the next number, whatever partition it
 * arrives on.
 *
 * <p>A number given out before is a repeat and is dropped. A number that has not arrived is waited for. Records may
 * arrive in any order and any number of times, also within one partition: a capture that failed half way and started
 * again sends the same numbers again.
 *
 * <p>Memory: {@link #isAhead} tells which partitions to pause, so that one whose numbers lie far ahead does not fill
 * the buffer while the others are read.
 *
 * <p>Threads: one.
 */
final class LaneMerge {
    private final long partitionBytes;
    private final Map<TopicPartition, Waiting> partitions = new LinkedHashMap<>();
    private final TreeMap<Long, Map<Long, LaneRecord>> laterEpochs = new TreeMap<>();
    private final TreeMap<Long, LaneRecord> epochStarts = new TreeMap<>();
    private Map<Long, LaneRecord> buffered = new HashMap<>();
    private long epoch;
    private long expected;

    /** What has been read of a partition and not been given out. */
    private static final class Waiting {
        final ArrayDeque<LaneRecord> records = new ArrayDeque<>();
        long bytes;
        /** The offset behind the last record read. */
        long position;
    }

    /**
     * @param epoch of the last record applied; 0 if there is none
     * @param seq of the last record applied
     * @param partitionBytes above which a partition is ahead
     */
    LaneMerge(long epoch, long seq, long partitionBytes) {
        this.epoch = epoch;
        this.expected = seq + 1;
        this.partitionBytes = partitionBytes;
    }

    /** Begins or begins anew to read a partition at {@code offset}. */
    void assign(TopicPartition partition, long offset) {
        Waiting waiting = new Waiting();
        waiting.position = offset;
        partitions.put(partition, waiting);
    }

    /** Takes a record of this lane as it arrives. */
    void offer(LaneRecord record, boolean epochStart) {
        Waiting waiting = partitions.get(record.partition());
        waiting.position = record.kafka().offset() + 1;
        if (epochStart && record.epoch() > epoch) {
            epochStarts.put(record.epoch(), record);
        }
        boolean isNew = record.epoch() == epoch
                ? record.seq() >= expected && buffered.putIfAbsent(record.seq(), record) == null
                : record.epoch() > epoch
                        && laterEpochs.computeIfAbsent(record.epoch(), e -> new HashMap<>())
                                        .putIfAbsent(record.seq(), record)
                                == null;
        if (isNew) {
            waiting.records.add(record);
            waiting.bytes += record.bytes();
        }
    }

    /** Notes that everything of the partition below {@code offset} has been seen; it was not this lane's. */
    void seenUpTo(TopicPartition partition, long offset) {
        Waiting waiting = partitions.get(partition);
        waiting.position = Math.max(waiting.position, offset);
    }

    /** The next record of the lane; null if it has not arrived. */
    LaneRecord next() {
        LaneRecord record = buffered.remove(expected);
        if (record == null) {
            return null;
        }
        expected++;
        Waiting waiting = partitions.get(record.partition());
        waiting.bytes -= record.bytes();
        // records leave in the lane's order, which may not be the partition's
        if (waiting.records.peek() == record) {
            waiting.records.poll();
            dropGivenOut(waiting);
        }
        return record;
    }

    private void dropGivenOut(Waiting waiting) {
        LaneRecord first;
        while ((first = waiting.records.peek()) != null && isDone(first)) {
            waiting.records.poll();
        }
    }

    private boolean isDone(LaneRecord record) {
        return record.epoch() < epoch || record.epoch() == epoch && record.seq() < expected;
    }

    /** The earliest start of a later epoch that has arrived. */
    Optional<LaneRecord> nextEpoch() {
        return epochStarts.isEmpty() ? Optional.empty() : Optional.of(epochStarts.firstEntry().getValue());
    }

    /** Goes on in the epoch that {@code start} opens; what is left of earlier ones is dropped. */
    void enter(LaneRecord start, EpochStart content) {
        epoch = content.epoch();
        expected = start.seq();
        epochStarts.headMap(epoch, true).clear();
        laterEpochs.headMap(epoch, false).clear();
        buffered = laterEpochs.containsKey(epoch) ? laterEpochs.remove(epoch) : new HashMap<>();
        for (Waiting waiting : partitions.values()) {
            waiting.records.removeIf(this::isDone);
            waiting.bytes = waiting.records.stream().mapToLong(LaneRecord::bytes).sum();
        }
    }

    /** Whether so much of the partition waits that it should not be read for now. */
    boolean isAhead(TopicPartition partition) {
        return partitions.get(partition).bytes > partitionBytes;
    }

    /** True if later records have arrived while the next has not. */
    boolean isWaiting() {
        return !buffered.containsKey(expected) && (!buffered.isEmpty() || !laterEpochs.isEmpty());
    }

    /** Per partition, the offset of the first record that has not been given out. */
    Map<TopicPartition, Long> offsets() {
        Map<TopicPartition, Long> offsets = new LinkedHashMap<>();
        partitions.forEach((partition, waiting) -> {
            dropGivenOut(waiting);
            LaneRecord first = waiting.records.peek();
            offsets.put(partition, first == null ? waiting.position : first.kafka().offset());
        });
        return offsets;
    }

    /** The offset behind the last record read of a partition. */
    long position(TopicPartition partition) {
        return partitions.get(partition).position;
    }

    long epoch() {
        return epoch;
    }

    /** The number that comes next. */
    long expected() {
        return expected;
    }
}
