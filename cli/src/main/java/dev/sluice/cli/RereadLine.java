package dev.sluice.cli;

import dev.sluice.apply.RereadStore.State;
import dev.sluice.apply.RereadStore.Table;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;

/** What is said of a table that is or was read again, on one line. */
final class RereadLine {

    private RereadLine() {}

    /** Without the table's name. */
    static String text(Table table, OptionalLong rowsPerSecond) {
        StringBuilder text = new StringBuilder(state(table));
        if (table.state() == State.DONE) {
            text.append("  ").append(Amounts.count(table.rows())).append(" rows");
            took(table).ifPresent(took -> {
                text.append(" in ").append(Amounts.time(took));
                RereadPace.perSecond(table.rows(), took).ifPresent(pace -> appendPace(text, pace));
            });
        } else if (table.started().isPresent()) {
            text.append("  ").append(rows(table));
            if (table.state() == State.RUNNING && !table.isPaused()) {
                rowsPerSecond.ifPresent(pace -> appendPace(text, pace));
                RereadPace.toGo(table.rows(), table.rowsEstimated(), rowsPerSecond)
                        .ifPresent(toGo -> text.append(", ETA ").append(Amounts.time(toGo)));
            }
        }
        if (!table.condition().isEmpty()) {
            text.append(", only where ").append(table.condition());
        }
        if (!table.message().isEmpty()) {
            text.append("; ").append(table.message());
        }
        return text.toString();
    }

    /** One word; a failure is the only one in capitals. */
    static String state(Table table) {
        return switch (table.state()) {
            case REQUESTED -> table.isPaused() ? "paused" : "requested";
            case RUNNING -> table.isPaused() ? "paused" : "running";
            case FAILED -> "FAILED";
            case DONE -> "done";
        };
    }

    /** The percentage is left out where the estimate was too low: more than all of it would tell nothing. */
    private static String rows(Table table) {
        if (table.rowsEstimated() <= 0) {
            return Amounts.count(table.rows()) + " rows";
        }
        String rows = Amounts.count(table.rows()) + " of about " + Amounts.count(table.rowsEstimated()) + " rows";
        return table.rows() > table.rowsEstimated()
                ? rows
                : rows + " (" + table.rows() * 100 / table.rowsEstimated() + "%)";
    }

    private static Optional<Duration> took(Table table) {
        return table.started().flatMap(start -> table.finished().map(end -> Duration.between(start, end)));
    }

    private static void appendPace(StringBuilder text, long rowsPerSecond) {
        text.append(", ").append(Amounts.count(rowsPerSecond)).append(" rows/s");
    }
}
