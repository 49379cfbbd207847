package dev.sluice.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.sluice.apply.DeadLetters.Letter;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.stream.Collectors;

/** Dead letters as they are printed: a line each, or an object. */
final class LetterLines {
    /** Numbers that a line holds at most. */
    private static final int MOST_NUMBERS = 20;

    private LetterLines() {}

    /** Columns as wide as they must be; the last one is not filled up. */
    static List<String> table(List<String> heads, List<List<String>> rows) {
        List<List<String>> all = new ArrayList<>();
        all.add(heads);
        all.addAll(rows);
        List<String> lines = new ArrayList<>();
        for (List<String> row : all) {
            StringBuilder line = new StringBuilder();
            for (int i = 0; i < row.size(); i++) {
                int column = i;
                int width = all.stream().mapToInt(one -> one.get(column).length()).max().orElse(0);
                String cell = row.get(i);
                line.append(i == row.size() - 1 ? cell : cell + " ".repeat(width - cell.length() + 2));
            }
            lines.add(line.toString().stripTrailing());
        }
        return lines;
    }

    static List<String> table(List<Letter> letters) {
        return table(
                List.of("id", "table", "kind", "key", "class", "constraint", "state", "attempts", "first failure", "last failure"),
                letters.stream()
                        .map(letter -> List.of(
                                Long.toString(letter.id()),
                                letter.table().toString(),
                                letter.kind(),
                                key(letter),
                                letter.errorClass(),
                                letter.constraint().orElse(""),
                                state(letter),
                                Integer.toString(letter.attempts()),
                                time(letter.firstFailed()),
                                time(letter.lastFailed())))
                        .toList());
    }

    /** {@code behind 17}: the nearest letter before it that is about the same row. */
    static String state(Letter letter) {
        return letter.state()
                + (letter.behind().isPresent() && letter.state().equals("behind") ? " " + letter.behind().getAsLong() : "")
                + (letter.isRequested() ? ", replay asked for" : "");
    }

    static String key(Letter letter) {
        return letter.key().isEmpty() ? "-" : RepairKeys.text(letter.key(), letter.keyColumns());
    }

    /** In UTC, to the second. */
    static String time(Instant moment) {
        return moment.truncatedTo(ChronoUnit.SECONDS).toString();
    }

    /** {@code 3, 5, 8 and 12 more}. */
    static String numbers(Collection<Long> ids) {
        return ids.stream().limit(MOST_NUMBERS).map(String::valueOf).collect(Collectors.joining(", "))
                + (ids.size() > MOST_NUMBERS ? " and %s more".formatted(Amounts.count(ids.size() - MOST_NUMBERS)) : "");
    }

    static ObjectNode json(Letter letter) {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("id", letter.id())
                .put("lane", letter.lane())
                .put("state", letter.state())
                .put("table", letter.table().toString())
                .put("kind", letter.kind());
        key(json, "key", letter.keyColumns(), letter.key());
        key(json, "oldKey", letter.keyColumns(), letter.oldKey());
        json.put("class", letter.errorClass())
                .put("sqlstate", letter.sqlstate().orElse(null))
                .put("constraint", letter.constraint().orElse(null))
                .put("message", letter.message())
                .put("attempts", letter.attempts())
                .put("firstFailedAt", letter.firstFailed().toString())
                .put("lastFailedAt", letter.lastFailed().toString());
        letter.behind().ifPresentOrElse(id -> json.put("behind", id), () -> json.putNull("behind"));
        json.put("isRequested", letter.isRequested()).put("waitsFor", letter.waitsFor());
        letter.run().ifPresentOrElse(id -> json.put("run", id), () -> json.putNull("run"));
        json.put("closedAt", letter.closedAt().map(Instant::toString).orElse(null)).put("closedBy", letter.closedBy());
        return json;
    }

    private static void key(ObjectNode json, String name, List<String> columns, List<String> values) {
        if (values.isEmpty()) {
            json.putNull(name);
            return;
        }
        ObjectNode key = json.putObject(name);
        for (int i = 0; i < values.size(); i++) {
            key.put(columns.get(i), values.get(i));
        }
    }

    static void numbers(ArrayNode json, Collection<Long> ids) {
        ids.forEach(json::add);
    }
}
