package dev.sluice.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.sluice.apply.DeadLetters;
import dev.sluice.apply.DeadLetters.Choice;
import dev.sluice.apply.DeadLetters.Group;
import dev.sluice.apply.DeadLetters.Letter;
import dev.sluice.apply.LaneStatus;
import dev.sluice.apply.LetterChains.Along;
import dev.sluice.config.LaneConfig;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/**
 * What a replay would do.
 *
 * @param chosen numbers of letters that are not closed
 * @param before letters of the same rows that come first, and are taken along
 * @param closed those that were named and are closed
 * @param all oldest and newest of what would be replayed; empty if that is nothing
 * @param held letters that would wait, by table
 * @param whyNothing behind "nothing to replay"
 */
record ReplayPreview(
        List<Long> chosen, List<Long> before, List<Letter> closed, Optional<Group> all, Map<TableId, Long> held,
        String whyNothing) {

    static ReplayPreview read(LetterSession session, Connection target, LetterSelection selection, Choice choice)
            throws SQLException {
        DeadLetters letters = session.letters();
        List<Letter> closed = selection.closed(session, target);
        List<Long> chosen = letters.holding(target, choice);
        List<Long> before = session.chains().along(target, chosen, Along.BEFORE);
        List<Long> ids = new ArrayList<>(chosen);
        ids.addAll(before);
        Map<TableId, Long> held = new TreeMap<>();
        if (!ids.isEmpty()) {
            for (LaneConfig lane : session.pipeline().lanes()) {
                for (LaneStatus.Held table : LaneStatus.read(target, session.pipeline().nameInTarget(lane)).held()) {
                    letters.groups(target, of(ids, Optional.of(table.source())), Optional.empty())
                            .forEach(group -> held.put(table.source(), group.open() + group.behind()));
                }
            }
        }
        Optional<Group> all = ids.isEmpty()
                ? Optional.empty()
                : letters.groups(target, of(ids, Optional.empty()), Optional.empty()).stream().findFirst();
        String whyNothing = chosen.isEmpty() ? selection.whyNothing(session, target) : "";
        return new ReplayPreview(chosen, before, closed, all, held, whyNothing);
    }

    private static Choice of(List<Long> ids, Optional<TableId> table) {
        return new Choice(ids, table, Optional.empty(), Optional.empty(), Optional.empty(), Set.of());
    }

    boolean isNothing() {
        return chosen.isEmpty();
    }

    List<Long> ids() {
        List<Long> ids = new ArrayList<>(before);
        ids.addAll(chosen);
        ids.sort(null);
        return ids;
    }

    List<String> lines() {
        List<String> lines = new ArrayList<>();
        closed.forEach(letter -> lines.add("letter %d is closed: %s at %s by %s; it is left alone".formatted(
                letter.id(), letter.state(), letter.closedAt().map(LetterLines::time).orElse("?"), letter.closedBy())));
        if (all.isEmpty()) {
            lines.add("nothing to replay" + whyNothing);
            return lines;
        }
        lines.add("%s to replay: %s; the oldest of %s, the newest of %s".formatted(
                Amounts.count(chosen.size(), "letter"), LetterLines.numbers(chosen), LetterLines.time(all.get().oldest()), LetterLines.time(all.get().newest())));
        if (!before.isEmpty()) {
            lines.add("taken along, since they come before and are of the same rows: " + LetterLines.numbers(before));
        }
        held.forEach((table, count) -> lines.add(
                "%d of them are of %s, which is held: they wait until it is not; `sluice status` has the cure".formatted(count, table)));
        return lines;
    }

    void json(ObjectNode json) {
        LetterLines.numbers(json.putArray("chosen"), chosen);
        LetterLines.numbers(json.putArray("takenAlong"), before);
        ArrayNode left = json.putArray("closed");
        closed.forEach(letter -> left.add(LetterLines.json(letter)));
        json.put("oldest", all.map(group -> group.oldest().toString()).orElse(null));
        json.put("newest", all.map(group -> group.newest().toString()).orElse(null));
        ObjectNode tables = json.putObject("held");
        held.forEach((table, count) -> tables.put(table.toString(), count));
    }
}
