package dev.sluice.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.sluice.apply.DeadLetters.Letter;
import dev.sluice.apply.LetterActs.Act;
import dev.sluice.apply.LetterChains.Along;
import dev.sluice.apply.LetterImage;
import dev.sluice.apply.LetterRecord;
import dev.sluice.apply.PresentRow;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TopicNames;
import java.io.PrintWriter;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** All that is known of one dead letter, beside the row as both sides have it now. */
@Command(
        name = "show",
        mixinStandardHelpOptions = true,
        description = {
            "Shows all that is known of one dead letter.",
            "What was tried and why it was refused, where it comes from, who has done what with it, which letters of the same row are"
                    + " before and behind it, and the row beside the present ones of source and target.",
            "Values are not printed without --values; lengths, and what differs, are."
        },
        exitCodeListHeading = "Exit codes:%n",
        exitCodeList = {
            " 0:shown",
            " 1:the target could not be reached",
            " 2:wrong command line, no such letter",
            "11:`sluice apply` of this version has never run on the target",
            "13:the target refused the credentials",
            "78:wrong configuration"
        })
final class DlqShowCommand implements Callable<Integer> {
    private static final int MOST_ACTS = 50;
    private static final PresentRow NOT_LOOKED_AT = new PresentRow(Optional.empty(), "its key is not known");

    @Spec
    private CommandSpec spec;

    @Mixin
    private PipelineOption pipeline;

    @Parameters(paramLabel = "ID", description = "The letter's number.")
    private long id;

    @Option(names = "--values", description = "Print the values of the row's columns.")
    private boolean hasValues;

    @Mixin
    private OutputOption output;

    private record Found(Letter letter, LetterRecord record, List<Long> before, List<Long> behind, List<Act> acts) {}

    @Override
    public Integer call() {
        return pipeline.run(config -> {
            try (LetterSession session = LetterSession.open(config)) {
                Found found = session.inTransaction("looking at a dead letter", target -> new Found(
                        session.letter(target, id),
                        LetterRecord.read(target, id),
                        session.chains().along(target, List.of(id), Along.BEFORE),
                        session.chains().along(target, List.of(id), Along.BEHIND),
                        session.acts().acts(target, Optional.of(id), MOST_ACTS)));
                print(config, found);
            }
            return Stop.CLEAN.exitCode();
        });
    }

    private void print(PipelineConfig config, Found found) {
        Letter letter = found.letter();
        Optional<TableMapping> mapping = config.lanes().stream()
                .flatMap(lane -> lane.tables().stream())
                .filter(table -> table.source().equals(letter.table()))
                .findFirst();
        PresentRow source = letter.key().isEmpty()
                ? NOT_LOOKED_AT
                : PresentRow.read(config.source(), letter.table(), letter.keyColumns(), letter.key());
        PresentRow target = letter.key().isEmpty()
                ? NOT_LOOKED_AT
                : mapping.map(table -> target(config, table, letter))
                        .orElse(new PresentRow(Optional.empty(), "the table is not mapped any more"));
        Optional<LetterImage> image = LetterImage.read(found.record().current());
        List<LetterColumn> columns = LetterColumn.of(image, source, target, mapping);
        PrintWriter out = spec.commandLine().getOut();
        if (output.isJson()) {
            out.println(json(found, source, target, columns).toPrettyString());
        } else {
            lines(out, found, image, source, target, columns);
        }
        out.flush();
    }

    /** Under the key before, where a change of key has not got through. */
    private static PresentRow target(PipelineConfig config, TableMapping mapping, Letter letter) {
        List<String> columns = letter.keyColumns().stream().map(mapping::targetColumn).toList();
        PresentRow now = PresentRow.read(config.target(), mapping.target(), columns, letter.key());
        return now.values().isPresent() || letter.oldKey().isEmpty()
                ? now
                : PresentRow.read(config.target(), mapping.target(), columns, letter.oldKey());
    }

    // ---- for a person

    private void lines(
            PrintWriter out,
            Found found,
            Optional<LetterImage> image,
            PresentRow source,
            PresentRow target,
            List<LetterColumn> columns) {
        Letter letter = found.letter();
        LetterRecord record = found.record();
        out.println("letter %d: %s of %s %s".formatted(letter.id(), letter.kind(), letter.table(), LetterLines.key(letter)));
        if (!letter.oldKey().isEmpty()) {
            line(out, "old key", RepairKeys.text(letter.oldKey(), letter.keyColumns()));
        }
        line(out, "state", LetterLines.state(letter)
                + letter.closedAt().map(at -> " at %s by %s".formatted(LetterLines.time(at), letter.closedBy())).orElse(""));
        line(out, "refused", letter.errorClass()
                + letter.sqlstate().map(state -> " (SQLSTATE %s)".formatted(state)).orElse("")
                + letter.constraint().map(name -> ", constraint " + name).orElse("")
                + ": " + letter.message());
        line(out, "attempts", "%d, the first %s, the last %s".formatted(
                letter.attempts(), LetterLines.time(letter.firstFailed()), LetterLines.time(letter.lastFailed())));
        line(out, "record", "%s-%d@%d".formatted(record.topic(), record.partition(), record.offset()));
        line(out, "letter", TopicNames.deadLetter(record.topic())
                + (record.letterPlace().isEmpty() ? ", place not known" : "-" + record.letterPlace())
                + (record.isFromTopic() ? "; brought back from there" : ""));
        line(out, "lane", letter.lane() + (record.lsn().isEmpty()
                ? "; the record has no number: somebody else wrote it"
                : ", epoch %d, seq %d; source position %s, transaction %d"
                        .formatted(record.epoch(), record.seq(), record.lsn(), record.xid())));
        if (letter.isRequested()) {
            line(out, "replay", "asked for, run %d%s".formatted(
                    letter.run().orElse(0), letter.waitsFor().isEmpty() ? "" : "; waits: " + letter.waitsFor()));
        }
        record.edited().ifPresent(edit -> line(
                out, "edited", "at %s by %s: %s".formatted(LetterLines.time(edit.at()), edit.by(), edit.reason())));
        line(out, "same row", "before it: %s; behind it: %s".formatted(none(found.before()), none(found.behind())));
        if (!found.acts().isEmpty()) {
            line(out, "done", "");
            DlqAuditCommand.lines(found.acts()).forEach(act -> out.println("    " + act));
        }
        line(out, "event", image.isPresent() ? "below" : event(letter));
        line(out, "source", side(source));
        line(out, "target", side(target));
        List<List<String>> rows = columns.stream().map(column -> column.words(hasValues)).toList();
        if (!rows.isEmpty()) {
            String edited = record.edited().isPresent() ? "event (edited)" : "event";
            LetterLines.table(List.of("  column", edited, "source now", "target now"), rows).forEach(out::println);
        }
    }

    private static String event(Letter letter) {
        return letter.kind().equals("delete") ? "deletes the row" : "holds no row";
    }

    private static String side(PresentRow row) {
        return row.values().isPresent() ? "has the row" : row.trouble().isEmpty() ? "has no such row" : "not known: " + row.trouble();
    }

    private static String none(List<Long> ids) {
        return ids.isEmpty() ? "none" : LetterLines.numbers(ids);
    }

    private static void line(PrintWriter out, String head, String rest) {
        out.println("  %-10s  %s".formatted(head, rest).stripTrailing());
    }

    // ---- for a program

    private ObjectNode json(Found found, PresentRow source, PresentRow target, List<LetterColumn> columns) {
        ObjectNode json = LetterLines.json(found.letter());
        LetterRecord record = found.record();
        json.putObject("record")
                .put("topic", record.topic())
                .put("partition", record.partition())
                .put("offset", record.offset())
                .put("letterPlace", record.letterPlace())
                .put("isFromTopic", record.isFromTopic())
                .put("epoch", record.epoch())
                .put("seq", record.seq())
                .put("lsn", record.lsn())
                .put("xid", record.xid());
        record.edited().ifPresentOrElse(
                edit -> json.putObject("edited")
                        .put("by", edit.by())
                        .put("reason", edit.reason())
                        .put("at", edit.at().toString()),
                () -> json.putNull("edited"));
        LetterLines.numbers(json.putArray("lettersBefore"), found.before());
        LetterLines.numbers(json.putArray("lettersBehind"), found.behind());
        ArrayNode acts = json.putArray("audit");
        found.acts().forEach(act -> acts.add(DlqAuditCommand.json(act)));
        side(json.putObject("source"), source);
        side(json.putObject("target"), target);
        ArrayNode list = json.putArray("columns");
        columns.forEach(column -> list.add(column.json(hasValues)));
        return json;
    }

    private static void side(ObjectNode json, PresentRow row) {
        json.put("isKnown", row.trouble().isEmpty()).put("hasRow", row.values().isPresent()).put("trouble", row.trouble());
    }
}
