package dev.sluice.apply;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.schemas.ControlRecord.EpochStart;
import dev.sluice.schemas.Lsn;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;

class LaneMergeTest {
    private static final TopicPartition A = new TopicPartition("a", 0);
    private static final TopicPartition B = new TopicPartition("b", 0);

    private final Map<TopicPartition, Long> offsets = new HashMap<>();
    private final LaneMerge merge = new LaneMerge(1, 0, 1_000);

    LaneMergeTest() {
        merge.assign(A, 0);
        merge.assign(B, 0);
    }

    @Test
    void numbersComeOutInOrderWhateverPartitionTheyArriveOn() {
        arrive(B, 2, 3);
        arrive(A, 1, 4);

        assertThat(given()).containsExactly(1L, 2L, 3L, 4L);
    }

    @Test
    void aMissingNumberIsWaitedFor() {
        arrive(A, 1, 3);

        assertThat(given()).containsExactly(1L);
        assertThat(merge.isWaiting()).isTrue();

        arrive(B, 2);

        assertThat(given()).containsExactly(2L, 3L);
        assertThat(merge.isWaiting()).isFalse();
    }

    @Test
    void repeatsAreDropped() {
        arrive(A, 1, 2);
        assertThat(given()).containsExactly(1L, 2L);

        arrive(A, 1, 2, 3, 3);

        assertThat(given()).containsExactly(3L);
    }

    @Test
    void aNumberMayComeBehindLaterOnesOfItsOwnPartition() {
        arrive(A, 2, 3, 1, 2, 3, 4);

        assertThat(given()).containsExactly(1L, 2L, 3L, 4L);
    }

    @Test
    void theOffsetToBeginAtIsThatOfTheFirstRecordNotGivenOut() {
        arrive(A, 1, 3);
        arrive(B, 4);
        given();

        assertThat(merge.offsets()).containsEntry(A, 1L).containsEntry(B, 0L);

        arrive(B, 2);
        given();

        assertThat(merge.offsets()).containsEntry(A, 2L).containsEntry(B, 2L);
    }

    @Test
    void aPartitionWhoseNumbersLieFarAheadIsAhead() {
        arrive(A, 2, 3, 4, 5, 6, 7);

        assertThat(merge.isAhead(A)).isTrue();
        assertThat(merge.isAhead(B)).isFalse();

        arrive(B, 1);
        given();

        assertThat(merge.isAhead(A)).isFalse();
    }

    @Test
    void anEarlierEpochsRecordsAreDroppedAndALaterOnesKeptUntilItIsEntered() {
        arrive(A, 1);
        given();
        offer(A, 2, 1, false);
        LaneRecord start = offer(B, 2, 2, true);
        offer(A, 2, 3, false);

        assertThat(given()).isEmpty();
        assertThat(merge.nextEpoch()).contains(start);
        merge.enter(start, new EpochStart(2, Lsn.ZERO, List.of()));

        assertThat(given()).containsExactly(2L, 3L);
        offer(A, 1, 4, false);
        assertThat(given()).isEmpty();
        assertThat(merge.offsets()).containsEntry(A, 4L).containsEntry(B, 1L);
    }

    @Test
    void anyArrivalWithAnyRepeatsGivesEachNumberOnceInOrder() {
        long seed = Long.getLong("sluice.seed", System.nanoTime());
        System.out.println("sluice.seed=" + seed);
        Random random = new Random(seed);
        for (int round = 0; round < 200; round++) {
            LaneMergeTest lane = new LaneMergeTest();
            int last = 1 + random.nextInt(60);
            List<Integer> arrivals = new ArrayList<>();
            for (int seq = 1; seq <= last; seq++) {
                for (int copies = 1 + random.nextInt(3); copies > 0; copies--) {
                    arrivals.add(seq);
                }
            }
            Collections.shuffle(arrivals, random);
            List<Long> all = new ArrayList<>();
            for (int seq : arrivals) {
                lane.arrive(random.nextBoolean() ? A : B, seq);
                if (random.nextInt(4) == 0) {
                    all.addAll(lane.given());
                }
            }
            all.addAll(lane.given());

            List<Long> expected = new ArrayList<>();
            for (long seq = 1; seq <= last; seq++) {
                expected.add(seq);
            }
            assertThat(all).as("seed %d, round %d", seed, round).isEqualTo(expected);
            assertThat(lane.merge.offsets()).as("seed %d, round %d", seed, round).isEqualTo(lane.ends());
        }
    }

    private Map<TopicPartition, Long> ends() {
        return Map.of(A, offsets.getOrDefault(A, 0L), B, offsets.getOrDefault(B, 0L));
    }

    private void arrive(TopicPartition partition, long... numbers) {
        for (long seq : numbers) {
            offer(partition, 1, seq, false);
        }
    }

    private LaneRecord offer(TopicPartition partition, long epoch, long seq, boolean epochStart) {
        long offset = offsets.merge(partition, 1L, Long::sum) - 1;
        ConsumerRecord<byte[], byte[]> kafka =
                new ConsumerRecord<>(partition.topic(), partition.partition(), offset, new byte[0], new byte[0]);
        LaneRecord record = new LaneRecord(kafka, partition, epoch, seq, null, 0);
        merge.offer(record, epochStart);
        return record;
    }

    private List<Long> given() {
        List<Long> numbers = new ArrayList<>();
        for (LaneRecord record = merge.next(); record != null; record = merge.next()) {
            numbers.add(record.seq());
        }
        return numbers;
    }
}
