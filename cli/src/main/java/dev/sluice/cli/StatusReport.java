package dev.sluice.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.sluice.apply.LaneStatus.Applied;
import dev.sluice.apply.LaneStatus.Held;
import dev.sluice.apply.RereadStore;
import dev.sluice.capture.SlotStatus;
import dev.sluice.schemas.TableId;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/** What {@code sluice status} prints. */
final class StatusReport {
    private final String pipeline;
    private final List<LaneReport> lanes;

    StatusReport(String pipeline, List<LaneReport> lanes) {
        this.pipeline = pipeline;
        this.lanes = lanes;
    }

    boolean needsPerson() {
        return lanes.stream().anyMatch(LaneReport::needsPerson);
    }

    // ---- for a person

    String table() {
        StringBuilder text = new StringBuilder();
        for (LaneReport lane : lanes) {
            text.append("lane ").append(lane.lane().name()).append('\n');
            line(text, "source", source(lane));
            line(text, "applied", applied(lane));
            lane.letters().breaker().ifPresent(breaker -> {
                line(text, "stopped", "%s ago: %s".formatted(since(lane, breaker.opened()), breaker.reason()));
                line(text, "", "cure: mend what refuses the rows (`sluice dlq list --by constraint`), then `sluice resume`");
            });
            lane.letters().waiting().ifPresent(waiting ->
                    line(text, "waits", "for %s: %s".formatted(since(lane, waiting.since()), waiting.reason())));
            lane.letters().oldest().ifPresent(oldest -> line(text, "parked", parked(lane, oldest)));
            lane.held().forEach(held -> held(text, lane, held));
            lane.rereads().forEach(table -> line(
                    text,
                    table.kind(),
                    table.source() + "  " + RereadLine.text(table, lane.rowsPerSecond(table))));
            if (lane.target().applied().isPresent() && !lane.neverRead().isEmpty()) {
                line(
                        text,
                        "never read",
                        names(lane.neverRead()) + ": rows that were there before the lane began are here only if somebody"
                                + " copied them");
            }
            line(text, "state", state(lane));
        }
        return text.append("%s: %s".formatted(pipeline, needsPerson() ? "a person is needed" : nobody())).toString();
    }

    /** A restart may be on its way and a parked row can wait, but neither may go unseen behind "nobody is needed". */
    private String nobody() {
        String open = lanes.stream().map(StatusReport::open).filter(text -> !text.isEmpty()).collect(Collectors.joining("; "));
        return open.isEmpty() ? "nobody is needed" : "nobody is needed at once; " + open;
    }

    private static String open(LaneReport lane) {
        List<String> open = new ArrayList<>();
        if (lane.slot().filter(slot -> slot.state() != SlotStatus.State.ACTIVE).isPresent()) {
            open.add("no capture is at work");
        }
        if (!lane.target().isAtWork()) {
            open.add("no apply is at work");
        }
        if (lane.letters().open() > 0) {
            open.add("%s to be replayed or discarded".formatted(Amounts.count(lane.letters().open(), "dead letter")));
        }
        return open.isEmpty() ? "" : "lane %s: %s".formatted(lane.lane().name(), String.join(", ", open));
    }

    private static void line(StringBuilder text, String head, String rest) {
        text.append("  %-10s  %s%n".formatted(head, rest));
    }

    private static String source(LaneReport lane) {
        return lane.slot().map(slot -> switch (slot.state()) {
            case MISSING -> lane.isSlotGone()
                    ? "slot %s is missing: the lane must be started anew, docs/runbook.md".formatted(lane.lane().slot())
                    : "slot %s is not made yet: capture has never run".formatted(lane.lane().slot());
            case LOST -> "slot %s was given up by the server: the lane must be started anew, docs/runbook.md"
                    .formatted(lane.lane().slot());
            case ACTIVE -> slot(lane, slot, "capture streams from");
            case INACTIVE -> slot(lane, slot, "no capture streams from");
        }).orElseGet(() -> "does not answer, so its lag is not known: " + lane.noAnswer());
    }

    private static String slot(LaneReport lane, SlotStatus slot, String who) {
        return "%s slot %s, %s behind; WAL kept for it: %s".formatted(
                who,
                lane.lane().slot(),
                Amounts.size(slot.current().bytesSince(slot.confirmed())),
                Amounts.size(slot.current().bytesSince(slot.restart())));
    }

    private static String applied(LaneReport lane) {
        String who = lane.target().isAtWork() ? "" : "; no apply is at work, start `sluice apply`";
        if (lane.target().applied().isEmpty()) {
            return "nothing yet" + who;
        }
        Applied applied = lane.target().applied().get();
        String behind = lane.bytesBehind().isPresent()
                ? ", %s behind the source".formatted(Amounts.size(lane.bytesBehind().getAsLong()))
                : "";
        String age = lane.sinceCommit()
                .map(since -> ", committed at the source %s ago".formatted(Amounts.time(positive(since))))
                .orElse("");
        return "epoch %d, seq %d, source position %s%s%s%s"
                .formatted(applied.epoch(), applied.seq(), applied.end(), age, behind, who);
    }

    /** The source's clock may be ahead of the target's. */
    private static Duration positive(Duration time) {
        return time.isNegative() ? Duration.ZERO : time;
    }

    private static String since(LaneReport lane, Instant moment) {
        return Amounts.time(positive(Duration.between(moment, lane.target().now())));
    }

    private static String parked(LaneReport lane, Instant oldest) {
        return "%s, %s behind them, the oldest %s ago; `sluice dlq list`".formatted(
                Amounts.count(lane.letters().open(), "dead letter"), Amounts.count(lane.letters().behind()), since(lane, oldest));
    }

    private static void held(StringBuilder text, LaneReport lane, Held held) {
        String since = since(lane, held.since());
        line(text, "held", "%s  for %s: %s".formatted(held.source(), since, held.reason()));
        line(text, "", "cure: " + held.cure());
    }

    private static String state(LaneReport lane) {
        if (lane.target().applied().isEmpty() && lane.rereads().isEmpty()) {
            return "nothing was ever applied";
        }
        if (lane.notYet().isEmpty()) {
            return "every table is as the source was at this position"
                    + (lane.neverRead().isEmpty() ? "" : ", those never read if they held no rows or were copied");
        }
        String not = lane.notYet().entrySet().stream()
                .map(table -> "%s (%s)".formatted(table.getKey(), table.getValue()))
                .collect(Collectors.joining(", "));
        return "not yet a state that the source had: " + not
                + (lane.notYet().size() < lane.lane().tables().size() ? "; the other tables are" : "");
    }

    private static String names(List<TableId> tables) {
        return tables.stream().map(TableId::toString).collect(Collectors.joining(", "));
    }

    // ---- for a program

    /** One object with {@code lanes}; moments are ISO 8601, what is not known is null or missing. */
    String json() {
        ObjectNode report = JsonNodeFactory.instance.objectNode();
        report.put("pipeline", pipeline).put("needsPerson", needsPerson());
        ArrayNode list = report.putArray("lanes");
        lanes.forEach(lane -> lane(list.addObject(), lane));
        return report.toPrettyString();
    }

    private static void lane(ObjectNode json, LaneReport lane) {
        json.put("lane", lane.lane().name()).put("applyIsAtWork", lane.target().isAtWork());
        source(json.putObject("source"), lane);
        lane.target().applied().ifPresent(applied -> {
            ObjectNode node = json.putObject("applied")
                    .put("epoch", applied.epoch())
                    .put("seq", applied.seq())
                    .put("position", applied.end().toString())
                    .put("committedAt", applied.committed().map(Instant::toString).orElse(null))
                    .put("appliedAt", applied.appliedAt().toString());
            lane.sinceCommit().ifPresent(since -> node.put("secondsSinceCommit", since.toMillis() / 1e3));
            lane.bytesBehind().ifPresent(bytes -> node.put("bytesBehind", bytes));
        });
        ObjectNode letters = json.putObject("deadLetters")
                .put("open", lane.letters().open())
                .put("behind", lane.letters().behind())
                .put("oldest", lane.letters().oldest().map(Instant::toString).orElse(null));
        lane.letters().breaker().ifPresentOrElse(
                breaker -> letters.putObject("breaker")
                        .put("reason", breaker.reason())
                        .put("openedAt", breaker.opened().toString())
                        .put("cure", "sluice resume"),
                () -> letters.putNull("breaker"));
        lane.letters().waiting().ifPresentOrElse(
                waiting -> json.putObject("waits")
                        .put("reason", waiting.reason())
                        .put("since", waiting.since().toString()),
                () -> json.putNull("waits"));
        ArrayNode held = json.putArray("held");
        lane.held().forEach(table -> held.addObject()
                .put("table", table.source().toString())
                .put("reason", table.reason())
                .put("cure", table.cure())
                .put("since", table.since().toString()));
        ArrayNode rereads = json.putArray("rereads");
        lane.rereads().forEach(table -> reread(rereads.addObject(), lane, table));
        ArrayNode never = json.putArray("neverRead");
        lane.neverRead().forEach(table -> never.add(table.toString()));
        ArrayNode not = json.putArray("notYetAStateOfTheSource");
        lane.notYet().forEach((table, why) -> not.addObject().put("table", table.toString()).put("why", why));
    }

    private static void source(ObjectNode json, LaneReport lane) {
        json.put("answers", lane.slot().isPresent()).put("slot", lane.lane().slot());
        lane.slot().ifPresentOrElse(
                slot -> {
                    json.put("state", slot.state().name()).put("position", slot.current().toString());
                    if (slot.state() == SlotStatus.State.ACTIVE || slot.state() == SlotStatus.State.INACTIVE) {
                        json.put("slotLagBytes", slot.current().bytesSince(slot.confirmed()))
                                .put("keptBytes", slot.current().bytesSince(slot.restart()));
                    }
                },
                () -> json.put("reason", lane.noAnswer()));
    }

    private static void reread(ObjectNode json, LaneReport lane, RereadStore.Table table) {
        json.put("table", table.source().toString())
                .put("kind", table.kind())
                .put("state", table.state().name())
                .put("isPaused", table.isPaused())
                .put("condition", table.condition())
                .put("rows", table.rows())
                .put("rowsEstimated", table.rowsEstimated())
                .put("bytes", table.bytes())
                .put("message", table.message())
                .put("requestedAt", table.requested().toString())
                .put("startedAt", table.started().map(Instant::toString).orElse(null))
                .put("finishedAt", table.finished().map(Instant::toString).orElse(null));
        if (table.state() == RereadStore.State.RUNNING) {
            lane.rowsPerSecond(table).ifPresent(pace -> json.put("rowsPerSecond", pace));
        }
    }
}
