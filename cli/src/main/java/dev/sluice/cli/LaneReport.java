package dev.sluice.cli;

import dev.sluice.apply.DeadLetters.Standing;
import dev.sluice.apply.LaneStatus;
import dev.sluice.apply.LaneStatus.Held;
import dev.sluice.apply.RereadStore;
import dev.sluice.apply.RereadStore.State;
import dev.sluice.capture.SlotStatus;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.TableId;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;

/**
 * What is known of a lane, and what follows from it.
 *
 * @param letters its dead letters, and whether it is stopped
 * @param slot empty if the source does not answer
 * @param noAnswer what it said instead; empty if it answers
 */
record LaneReport(
        LaneConfig lane, LaneStatus target, Standing letters, Optional<SlotStatus> slot, String noAnswer) {

    /** Tables that are not a state that the source had, and why not, by source table. */
    Map<TableId, String> notYet() {
        Map<TableId, String> not = new TreeMap<>();
        rereads().stream()
                .filter(table -> table.state() != State.DONE)
                .forEach(table -> not.put(table.source(), switch (table.state()) {
                    case FAILED -> table.kind() + " has failed";
                    case REQUESTED -> table.kind() + " has not begun";
                    default -> table.kind() + " is under way";
                }));
        letters.tables().forEach((table, count) -> not.merge(table, Amounts.count(count, "parked change"), (one, other) -> one + ", " + other));
        target.held().forEach(held -> not.merge(held.source(), "is held", (one, other) -> one + ", " + other));
        return not;
    }

    /** Those of the lane that were never read from the source. */
    List<TableId> neverRead() {
        return lane.tables().stream()
                .map(TableMapping::source)
                .filter(table -> !target.rereads().containsKey(table))
                .toList();
    }

    /** Whether something stands that neither a restart nor waiting cures. */
    boolean needsPerson() {
        return letters.breaker().isPresent()
                || !target.held().isEmpty()
                || rereads().stream().anyMatch(table -> table.state() == State.FAILED || table.isDoubtful())
                || isSlotGone();
    }

    /** A lane that has begun cannot go on without its slot. */
    boolean isSlotGone() {
        return slot.map(SlotStatus::state).filter(this::isGone).isPresent();
    }

    private boolean isGone(SlotStatus.State state) {
        return state == SlotStatus.State.LOST || state == SlotStatus.State.MISSING && target.applied().isPresent();
    }

    /** From where the source writes to what the target has. */
    OptionalLong bytesBehind() {
        return slot.isPresent() && target.applied().isPresent()
                ? OptionalLong.of(slot.get().current().bytesSince(target.applied().get().end()))
                : OptionalLong.empty();
    }

    /** Since the source committed what was applied last; the two clocks may differ. */
    Optional<Duration> sinceCommit() {
        return target.applied().flatMap(LaneStatus.Applied::committed).map(at -> Duration.between(at, target.now()));
    }

    /** On average since it began, pauses included. */
    OptionalLong rowsPerSecond(RereadStore.Table table) {
        return table.started()
                .map(start -> RereadPace.perSecond(table.rows(), Duration.between(start, target.now())))
                .orElse(OptionalLong.empty());
    }

    /** Those of tables that are still mapped; of others nothing is applied. */
    List<RereadStore.Table> rereads() {
        return lane.tables().stream()
                .map(mapping -> target.rereads().get(mapping.source()))
                .filter(Objects::nonNull)
                .toList();
    }

    List<Held> held() {
        return target.held();
    }
}
