package dev.sluice.cli;

import dev.sluice.apply.RereadStore.State;
import dev.sluice.apply.RereadStore.Table;
import dev.sluice.schemas.TableId;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Decides which lines are due while tables are read: one for each table that has changed, at most one a second, and at once
 * when a table is done or has failed.
 *
 * <p>Threads: one.
 */
final class RereadView {
    static final Duration BETWEEN_LINES = Duration.ofSeconds(1);
    static final Duration STALL = Duration.ofSeconds(10);

    private final Map<TableId, Seen> seen = new LinkedHashMap<>();
    private final int width;
    private long movedAt;
    private boolean isStallSaid;
    private boolean hasFailed;

    /** What is known of one table. */
    private static final class Seen {
        private final RereadPace pace = new RereadPace();
        private Table now;
        private Table printed;
        private long printedAt;
    }

    /** @param nanos of the clock that {@link #look} is given too */
    RereadView(List<TableId> tables, long nanos) {
        tables.forEach(table -> seen.put(table, new Seen()));
        width = tables.stream().mapToInt(table -> table.toString().length()).max().orElse(0);
        movedAt = nanos;
    }

    /** The lines that are due. */
    List<String> look(long nanos, Map<TableId, Table> tables) {
        List<String> lines = new ArrayList<>();
        seen.forEach((id, one) -> {
            Table table = tables.get(id);
            if (table == null) {
                lines.add(padded(id) + "  is not in sluice.reread any more: somebody has taken the request away");
                hasFailed = true;
                return;
            }
            look(nanos, one, table);
            if (isDue(nanos, one)) {
                lines.add(padded(id) + "  " + RereadLine.text(table, one.pace.rowsPerSecond()));
                one.printed = table;
                one.printedAt = nanos;
            }
        });
        return lines;
    }

    private void look(long nanos, Seen one, Table table) {
        if (!table.equals(one.now)) {
            if (one.now != null) {
                movedAt = nanos;
                isStallSaid = false;
            }
            one.now = table;
        }
        if (table.state() == State.RUNNING && !table.isPaused()) {
            one.pace.add(nanos, table.rows());
        } else {
            one.pace.rest();
        }
        hasFailed |= table.state() == State.FAILED;
    }

    private static boolean isDue(long nanos, Seen one) {
        if (one.now.equals(one.printed)) {
            return false;
        }
        boolean isEnd = one.now.state() == State.DONE || one.now.state() == State.FAILED;
        return isEnd || one.printed == null || nanos - one.printedAt >= BETWEEN_LINES.toNanos();
    }

    boolean hasFailed() {
        return hasFailed;
    }

    boolean isDone() {
        return seen.values().stream().allMatch(one -> one.now != null && one.now.state() == State.DONE);
    }

    /** True once when nothing has moved for {@link #STALL}, though something should have. */
    boolean hasStalled(long nanos) {
        if (toMove().isEmpty() || isStallSaid || nanos - movedAt < STALL.toNanos()) {
            return false;
        }
        isStallSaid = true;
        return true;
    }

    /** Tables that should move on: neither done nor paused. */
    List<TableId> toMove() {
        return seen.entrySet().stream()
                .filter(one -> one.getValue().now.state() != State.DONE && !one.getValue().now.isPaused())
                .map(Map.Entry::getKey)
                .toList();
    }

    private String padded(TableId table) {
        return table + " ".repeat(width - table.toString().length());
    }
}
