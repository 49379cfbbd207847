package dev.sluice.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SequenceWriter;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.sluice.apply.RowPreview.Row;
import dev.sluice.apply.RowPreview.Row.State;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import picocli.CommandLine;

/** Prints rows one after another, as lines or as one JSON array, and remembers what the exit code is to be. */
final class RepairOutput {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final PrintWriter out;
    private final PrintWriter err;
    private final boolean hasValues;
    private final Optional<SequenceWriter> array;
    private final List<String> remarks = new ArrayList<>();
    private boolean isUnknown;
    private boolean isDifferent;

    RepairOutput(CommandLine command, boolean isJson, boolean hasValues) {
        this.out = command.getOut();
        this.err = command.getErr();
        this.hasValues = hasValues;
        this.array = isJson ? Optional.of(array(out)) : Optional.empty();
    }

    private static SequenceWriter array(PrintWriter out) {
        try {
            return JSON.writerWithDefaultPrettyPrinter()
                    .without(JsonGenerator.Feature.AUTO_CLOSE_TARGET)
                    .writeValuesAsArray(out);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Ends the array: one without an end is no JSON, and is not taken for all there is.
     *
     * @return the exit code: 1 if a row could not be told or repaired, else 3 if one differs
     */
    int end() {
        try {
            if (array.isPresent()) {
                array.get().close();
                out.println();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        out.flush();
        remarks.forEach(err::println);
        err.flush();
        return (isUnknown ? Stop.FAILED : isDifferent ? Stop.DIFFERENT : Stop.CLEAN).exitCode();
    }

    boolean hasDifferent() {
        return isDifferent;
    }

    /**
     * @param computed columns that differ by what a comparison said, and that are not looked at here
     * @param note what else is to be said of it, may be empty
     */
    void row(TableMapping mapping, List<String> columns, Row row, List<String> computed, String note) {
        TableId source = mapping.source();
        isUnknown |= row.state() == State.UNKNOWN;
        isDifferent |= !row.isEqual() || !computed.isEmpty();
        if (array.isPresent()) {
            write(json(mapping, columns, row, computed, note));
            return;
        }
        out.println("%s %s: %s%s%s".formatted(
                source,
                RepairKeys.text(row.key(), columns),
                words(row),
                computed.isEmpty() ? "" : "; computed columns, as compared last, differ: " + String.join(", ", computed),
                note.isEmpty() ? "" : "; " + note));
        if (hasValues) {
            row.differing().forEach(column -> out.println("  %s: source %s, target %s"
                    .formatted(column, value(valueAtSource(mapping, row, column)), value(row.target().get(column)))));
        }
    }

    /** A row whose key cannot be asked for at the source. */
    void unnamable(TableId source, List<String> key, Failure.Fatal why) {
        isUnknown = true;
        if (array.isPresent()) {
            ObjectNode object = JSON.createObjectNode().put("table", source.toString());
            key.forEach(object.putArray("key_values")::add);
            write(object.put("state", "unknown").put("message", why.getMessage()).put("remedy", why.remedy()));
        } else {
            out.println("%s %s: unknown: %s; %s".formatted(source, key, why.getMessage(), why.remedy()));
        }
    }

    /** A row is not what it was to be made. */
    void failed() {
        isUnknown = true;
    }

    /** For a person; no part of the JSON, and not in its midst. */
    void say(String line) {
        if (array.isPresent()) {
            remarks.add(line);
        } else {
            out.println(line);
        }
    }

    /** Of a constant, which the source does not have, what the mapping gives. */
    private static String valueAtSource(TableMapping mapping, Row row, String column) {
        return row.source().containsKey(column) ? row.source().get(column) : mapping.constants().get(column);
    }

    private static String value(String text) {
        return text == null ? "NULL" : JSON.getNodeFactory().textNode(text).toString();
    }

    private static String words(Row row) {
        return switch (row.state()) {
            case EQUAL -> "equal";
            case NOWHERE -> "on neither side";
            case MISSING -> "missing in the target";
            case EXTRA -> "only in the target";
            case DIFFERING -> "differs in " + String.join(", ", row.differing());
            case UNKNOWN -> "unknown: it changes all the time, or the lane does not get to where the source is (`sluice status`)";
        };
    }

    private ObjectNode json(TableMapping mapping, List<String> columns, Row row, List<String> computed, String note) {
        ObjectNode object = JSON.createObjectNode().put("table", mapping.source().toString());
        ObjectNode key = object.putObject("key");
        for (int i = 0; i < columns.size(); i++) {
            key.put(columns.get(i), row.key().get(i));
        }
        object.put("state", row.state().name().toLowerCase(Locale.ROOT));
        ObjectNode differing = object.putObject("differing");
        for (String column : row.differing()) {
            ObjectNode values = differing.putObject(column);
            if (hasValues) {
                values.put("source", valueAtSource(mapping, row, column));
                values.put("target", row.target().get(column));
            }
        }
        computed.forEach(differing::putObject);
        if (!note.isEmpty()) {
            object.put("message", note);
        }
        return object;
    }

    private void write(ObjectNode object) {
        try {
            array.orElseThrow().write(object);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
