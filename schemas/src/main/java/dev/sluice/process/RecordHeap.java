package dev.sluice.process;

import dev.sluice.config.KafkaConfig;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;

/** Whether the largest record that is allowed fits into this process. */
public final class RecordHeap {
    /**
     * How often a record may be in memory: as the server or broker sent it, as values, as JSON or SQL that is being written,
     * and as the network's copy of that, as a rule in characters of two bytes; while the next ones wait. Measured with records
     * of the largest size, one behind the other, in heaps of 128, 256 and 1024 MB.
     */
    private static final int COPIES = 12;

    private static final long ALL_ELSE = 32L << 20;

    private RecordHeap() {}

    /**
     * Throws where a record that is allowed would end the process without a word.
     *
     * @throws Failure.Fatal naming both sizes
     */
    public static void require(KafkaConfig kafka) {
        long heap = Runtime.getRuntime().maxMemory();
        long needed = ALL_ELSE + (long) COPIES * kafka.maxRecordBytes();
        if (heap < needed) {
            throw new Failure.Fatal(
                    Stop.SETUP,
                    "kafka.maxRecordBytes=%d needs a heap of %d MB, this process has %d MB"
                            .formatted(kafka.maxRecordBytes(), ceiling(needed), heap >> 20),
                    "give it more, as SLUICE_JAVA_OPTS=-Xmx%dm, or lower kafka.maxRecordBytes".formatted(ceiling(needed * 9 / 8)));
        }
    }

    private static long ceiling(long bytes) {
        return (bytes + (1 << 20) - 1) >> 20;
    }
}
