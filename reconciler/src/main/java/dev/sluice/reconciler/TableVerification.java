package dev.sluice.reconciler;

import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.TableId;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What the verification of one table has found. The counts are exact.
 *
 * @param unknown why nothing can be said; empty if something can
 * @param at the source's clock when its snapshot was taken; null if nothing can be said
 * @param position the source's position then; null if nothing can be said
 * @param rows of the source, those in flight included
 * @param targetRows the same of the target; they differ by rows that are missing or extra, or came or went on one side while in flight
 * @param columns of the source, and those that the target has beside
 * @param unseen changes that the comparison does not see, with the cure; if there are any, equal rows prove nothing
 * @param confirmed rows that differ although both sides have exactly the same changes of them
 * @param explained of these, how many are held back by dead letters
 * @param inFlight rows that one side had changes of which the other had not, each time they were looked at
 * @param differences the first of the confirmed ones
 */
public record TableVerification(
        TableId source,
        String unknown,
        Instant at,
        Lsn position,
        long rows,
        long targetRows,
        List<ComparedColumn> columns,
        List<String> unseen,
        long confirmed,
        long explained,
        long inFlight,
        List<RowDifference> differences) {

    static TableVerification unknown(TableId source, String reason) {
        return new TableVerification(source, reason, null, null, 0, 0, List.of(), List.of(), 0, 0, 0, List.of());
    }

    /** With so many more rows of which nothing can be told. */
    TableVerification andInFlight(long more) {
        return new TableVerification(
                source, unknown, at, position, rows, targetRows, columns, unseen, confirmed, explained, inFlight + more, differences);
    }

    public boolean isUnknown() {
        return !unknown.isEmpty();
    }

    public boolean isDiverged() {
        return confirmed > 0;
    }

    /** The comparison does not see some change, so rows that are the same to it may differ. */
    public boolean isBlind() {
        return !unseen.isEmpty();
    }

    /** Columns that are not compared, with the reason. */
    public List<String> notCompared() {
        return columns.stream().filter(column -> !column.isCompared()).map(ComparedColumn::toString).toList();
    }

    /** In sync, and every row was compared. */
    public boolean isInSync() {
        return !isUnknown() && !isDiverged() && !isBlind() && inFlight == 0;
    }

    public String verdict() {
        if (isUnknown()) {
            return "UNKNOWN (%s)".formatted(unknown);
        }
        if (isDiverged()) {
            return "DIVERGED (%,d confirmed%s)"
                    .formatted(confirmed, explained == 0 ? "" : ", %,d of them held back by dead letters".formatted(explained));
        }
        if (isBlind()) {
            return "UNKNOWN (%s%s)".formatted(unseen.get(0), unseen.size() == 1 ? "" : ", and %d more".formatted(unseen.size() - 1));
        }
        return inFlight == 0 ? "IN SYNC" : "IN SYNC EXCEPT %,d IN FLIGHT".formatted(inFlight);
    }

    /** Columns that are not compared, and those of which it is not known whether the comparison sees a change of them. */
    private String coverage() {
        List<String> untried = columns.stream()
                .filter(column -> column.isCompared() && column.state() != ComparedColumn.State.COMPARED)
                .map(ComparedColumn::toString)
                .toList();
        String parts = Stream.of(
                        notCompared().isEmpty() ? "" : "not: " + String.join(", ", notCompared()),
                        untried.isEmpty() ? "" : "not proved to be seen: " + String.join(", ", untried))
                .filter(part -> !part.isEmpty())
                .collect(Collectors.joining("; "));
        return parts.isEmpty() ? "" : " (" + parts + ")";
    }

    /** One line: the verdict with everything that qualifies it. */
    String headline() {
        if (isUnknown()) {
            return "%s: %s".formatted(source, verdict());
        }
        List<String> qualifiers = new ArrayList<>();
        qualifiers.add(rows == targetRows ? "%,d rows".formatted(rows) : "%,d rows, %,d in the target".formatted(rows, targetRows));
        qualifiers.add("%d of %d columns compared%s".formatted(
                columns.size() - notCompared().size(), columns.size(), coverage()));
        if (isDiverged() && inFlight > 0) {
            qualifiers.add("%,d rows in flight".formatted(inFlight));
        }
        return "%s: %s as of %s (source position %s), %s"
                .formatted(source, verdict(), at.truncatedTo(ChronoUnit.MILLIS), position, String.join(", ", qualifiers));
    }
}
