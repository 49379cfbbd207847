package dev.sluice.cli;

import dev.sluice.apply.RereadStore.State;
import dev.sluice.apply.RereadStore.Table;
import dev.sluice.apply.RereadStore.Throttle;
import dev.sluice.schemas.TableId;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/** Tables being read, as tests need them. */
final class Rereads {
    static final TableId ORDERS = TableId.parse("orders");
    static final TableId CUSTOMERS = TableId.parse("customers");
    static final Instant START = Instant.parse("2026-01-01T12:00:00Z");

    private Rereads() {}

    static Table requested(TableId table) {
        return table(table, State.REQUESTED, 0, 0, "");
    }

    static Table running(TableId table, long rows, long estimated) {
        return table(table, State.RUNNING, rows, estimated, "");
    }

    static Table failed(TableId table, String message) {
        return table(table, State.FAILED, 12, 100, message);
    }

    static Table done(TableId table, long rows, String message) {
        return table(table, State.DONE, rows, rows, message);
    }

    static Table paused(Table table) {
        return with(table, true, table.condition());
    }

    static Table only(Table table, String condition) {
        return with(table, table.isPaused(), condition);
    }

    private static Table table(TableId table, State state, long rows, long estimated, String message) {
        boolean hasBegun = state != State.REQUESTED;
        return new Table(
                table,
                "backfill",
                "",
                state,
                false,
                false,
                false,
                rows,
                0,
                estimated,
                Duration.ZERO,
                Throttle.NONE,
                message,
                START,
                hasBegun ? Optional.of(START) : Optional.empty(),
                state == State.DONE ? Optional.of(START.plusSeconds(20)) : Optional.empty());
    }

    private static Table with(Table table, boolean isPaused, String condition) {
        return new Table(
                table.source(),
                table.kind(),
                condition,
                table.state(),
                isPaused,
                table.wasEmpty(),
                table.isSwept(),
                table.rows(),
                table.bytes(),
                table.rowsEstimated(),
                table.busy(),
                table.throttle(),
                table.message(),
                table.requested(),
                table.started(),
                table.finished());
    }
}
