package dev.sluice.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.sluice.apply.LetterImage;
import dev.sluice.apply.PresentRow;
import dev.sluice.config.TableMapping;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/** A source column of a dead letter's row: as the event has it, as source and target have it now. */
record LetterColumn(String name, Cell event, Cell source, Cell target) {

    /** @param value null for NULL; without meaning if it is not there */
    record Cell(boolean isThere, String value) {
        static final Cell NONE = new Cell(false, null);

        static Cell of(Optional<Map<String, String>> row, String column) {
            return row.filter(values -> values.containsKey(column))
                    .map(values -> new Cell(true, values.get(column)))
                    .orElse(NONE);
        }
    }

    /** @param mapping of the table, if it still has one */
    static List<LetterColumn> of(
            Optional<LetterImage> image, PresentRow source, PresentRow target, Optional<TableMapping> mapping) {
        Optional<Map<String, String>> event = image.map(LetterImage::values);
        Set<String> names = new LinkedHashSet<>();
        event.ifPresent(values -> names.addAll(values.keySet()));
        source.values().ifPresent(values -> names.addAll(values.keySet()));
        List<LetterColumn> columns = new ArrayList<>();
        for (String name : names) {
            Cell there = mapping.filter(one -> !one.exclude().contains(name))
                    .map(one -> Cell.of(target.values(), one.targetColumn(name)))
                    .orElse(Cell.NONE);
            columns.add(new LetterColumn(name, Cell.of(event, name), Cell.of(source.values(), name), there));
        }
        return columns;
    }

    /** Whether those that have it have different values. */
    boolean isDiffering() {
        return Stream.of(event, source, target).filter(Cell::isThere).map(Cell::value).distinct().count() > 1;
    }

    /** Name and three cells; one that differs has a star. */
    List<String> words(boolean hasValues) {
        return List.of((isDiffering() ? "* " : "  ") + name, word(event, hasValues), word(source, hasValues), word(target, hasValues));
    }

    /** What the others are compared with. */
    private Cell first() {
        return event.isThere() ? event : source;
    }

    private String word(Cell cell, boolean hasValues) {
        if (!cell.isThere()) {
            return "-";
        }
        if (hasValues) {
            return cell.value() == null ? "NULL" : JsonNodeFactory.instance.textNode(cell.value()).toString();
        }
        String length = cell.value() == null ? "NULL" : Amounts.count(cell.value().length(), "character");
        return cell == first() ? length : Objects.equals(cell.value(), first().value()) ? "same" : "differs (" + length + ")";
    }

    ObjectNode json(boolean hasValues) {
        ObjectNode json = JsonNodeFactory.instance.objectNode().put("column", name).put("isDiffering", isDiffering());
        json(json, "event", event, hasValues);
        json(json, "source", source, hasValues);
        json(json, "target", target, hasValues);
        return json;
    }

    private static void json(ObjectNode json, String side, Cell cell, boolean hasValues) {
        if (!cell.isThere()) {
            json.putNull(side);
            return;
        }
        ObjectNode object = json.putObject(side).put("isNull", cell.value() == null);
        object.put("length", cell.value() == null ? 0 : cell.value().length());
        if (hasValues) {
            object.put("value", cell.value());
        }
    }
}
