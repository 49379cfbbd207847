package dev.sluice.apply;

import dev.sluice.apply.TargetFailures.Next;
import java.util.List;
import java.util.Locale;

/** The table of failures for tests elsewhere. */
public final class FailureTable {
    private FailureTable() {}

    /** States and classes of states after which {@code next} happens: {@code retry}, {@code park}, {@code hold}, {@code stop}. */
    public static List<String> states(String next) {
        return TargetFailures.ENTRIES.stream()
                .filter(entry -> entry.next() == Next.valueOf(next.toUpperCase(Locale.ROOT)))
                .map(TargetFailures.Entry::state)
                .toList();
    }
}
