package dev.sluice.reconciler;

import dev.sluice.catalog.TableShape;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * What the comparisons of a lane's tables see ({@link SelfTest}), found out for each table as it is first met, with other columns, and
 * once a day.
 *
 * <p>Threads: one at a time.
 */
final class SelfTests {
    private static final long KEPT_NANOS = Duration.ofDays(1).toNanos();

    private record Kept(TableShape source, TableShape target, long at, SelfTest.Result result) {}

    private final Map<TableId, Kept> kept = new HashMap<>();
    private final Set<String> longTried = new HashSet<>();
    private long longTriedSince = System.nanoTime();

    /**
     * @param here the shape of the source's table, {@code there} that of the target's
     * @throws SQLException as {@link SelfTest#run}
     */
    SelfTest.Result of(ComparedTable table, TableShape here, TableShape there, Connection source, Connection target)
            throws SQLException {
        long now = System.nanoTime();
        Kept last = kept.get(table.mapping().source());
        if (last != null && now - last.at() < KEPT_NANOS && last.source().equals(here) && last.target().equals(there)) {
            return last.result();
        }
        if (now - longTriedSince > KEPT_NANOS) {
            longTried.clear();
            longTriedSince = now;
        }
        SelfTest.Result result = SelfTest.run(source, table.source(), target, table.target(), longTried);
        kept.put(table.mapping().source(), new Kept(here, there, now, result));
        return result;
    }
}
