package dev.sluice.process;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Named points at which a test kills the process, as SIGKILL would, without any shutdown hook.
 *
 * <p>{@code SLUICE_FAILPOINTS=apply.in-transaction:3} halts at the third visit. Without the variable a point costs one
 * read of a constant.
 *
 * <p>Threads: any.
 */
public final class Failpoints {
    private static final Map<String, AtomicInteger> LEFT = read(System.getenv("SLUICE_FAILPOINTS"));
    private static final boolean NONE = LEFT.isEmpty();

    private Failpoints() {}

    public static void reach(String name) {
        if (NONE) {
            return;
        }
        AtomicInteger left = LEFT.get(name);
        if (left != null && left.decrementAndGet() == 0) {
            Runtime.getRuntime().halt(137);
        }
    }

    private static Map<String, AtomicInteger> read(String setting) {
        Map<String, AtomicInteger> left = new ConcurrentHashMap<>();
        if (setting != null && !setting.isBlank()) {
            for (String point : setting.split(",")) {
                int colon = point.indexOf(':');
                left.put(
                        colon < 0 ? point : point.substring(0, colon),
                        new AtomicInteger(colon < 0 ? 1 : Integer.parseInt(point.substring(colon + 1))));
            }
        }
        return left;
    }
}
