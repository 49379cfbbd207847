package dev.sluice.sandbox;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.Stream;

/**
 * What a process and its children have used so far, from Linux's {@code /proc}.
 *
 * <p>A server's backends come and go: the times of the ended ones are in their parent's {@code cutime} and
 * {@code cstime}, those of the living ones in their own.
 *
 * @param cpuMicros user and system time of the process, its living children, and its ended ones; exact to 10 ms
 * @param peakBytes most resident memory that the process or one of its living children has had, {@code VmHWM}; shared
 *     memory that it touched included
 */
record ProcessUsage(long cpuMicros, long peakBytes) {
    /** {@code USER_HZ}, 100 on every Linux that Java runs on. */
    private static final long MICROS_PER_TICK = 10_000;

    private static final int UTIME = 11;
    private static final int STIME = 12;
    private static final int CUTIME = 13;
    private static final int CSTIME = 14;

    static ProcessUsage of(long pid) {
        List<Long> children = ProcessHandle.of(pid).stream()
                .flatMap(ProcessHandle::children)
                .map(ProcessHandle::pid)
                .toList();
        long micros = children.stream().mapToLong(ProcessUsage::cpuMicros).sum();
        long peak = children.stream().mapToLong(ProcessUsage::peakBytes).max().orElse(0);
        return new ProcessUsage(micros + cpuMicros(pid), Math.max(peak, peakBytes(pid)));
    }

    /** The same, but what was known before if the process has ended and nothing is known of it now. */
    ProcessUsage orBefore(ProcessUsage before) {
        return peakBytes == 0 ? before : this;
    }

    private static long cpuMicros(long pid) {
        return cpuMicros(pid, UTIME, CSTIME).orElse(0);
    }

    /** Of the process without its children; empty if it has ended. */
    static OptionalLong ownCpuMicros(long pid) {
        return cpuMicros(pid, UTIME, STIME);
    }

    /** Of its children that have ended. */
    static long endedCpuMicros(long pid) {
        return cpuMicros(pid, CUTIME, CSTIME).orElse(0);
    }

    private static OptionalLong cpuMicros(long pid, int from, int to) {
        return read(pid, "stat").stream()
                .mapToLong(text -> {
                    // behind the program's name, which may hold anything
                    String[] fields = text.substring(text.lastIndexOf(')') + 2).split(" ");
                    long ticks = 0;
                    for (int i = from; i <= to; i++) {
                        ticks += Long.parseLong(fields[i]);
                    }
                    return ticks * MICROS_PER_TICK;
                })
                .findFirst();
    }

    private static long peakBytes(long pid) {
        Stream<String> lines = read(pid, "status").stream().flatMap(String::lines);
        return lines.filter(line -> line.startsWith("VmHWM:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) * 1024)
                .sum();
    }

    /** Empty if the process has ended. */
    private static Optional<String> read(long pid, String file) {
        try {
            return Optional.of(Files.readString(Path.of("/proc", Long.toString(pid), file)));
        } catch (IOException e) {
            return Optional.empty();
        }
    }
}
