package dev.sluice.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.sluice.apply.DeadLetters.Letter;
import dev.sluice.apply.LetterActs;
import dev.sluice.apply.LetterImage;
import dev.sluice.apply.LetterRecord;
import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Arrays;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Changes what a replay of one letter writes. */
@Command(
        name = "edit",
        mixinStandardHelpOptions = true,
        description = {
            "Changes the row that a replay of this dead letter writes.",
            "Opens it as JSON in $VISUAL or $EDITOR, or takes it from --file. Columns and key must stay. The original is kept, and"
                    + " nothing is written before a replay.",
            "The target's row then differs from the source's until the source changes it: mend the source too."
        },
        exitCodeListHeading = "Exit codes:%n",
        exitCodeList = {
            " 0:edited, or the row was left as it is",
            " 1:the target could not be reached, or the letter was changed meanwhile",
            " 2:wrong command line, no such letter, a letter that is closed or has no row, a row that cannot be taken",
            "11:`sluice apply` of this version has never run on the target",
            "13:the target refused the credentials",
            "78:wrong configuration"
        })
final class DlqEditCommand implements Callable<Integer> {

    @Spec
    private CommandSpec spec;

    @Mixin
    private PipelineOption pipeline;

    @Parameters(paramLabel = "ID", description = "The letter's number.")
    private long id;

    @Option(names = "--reason", paramLabel = "TEXT", required = true, description = "Why; stays in the audit.")
    private String reason;

    @Option(names = "--file", paramLabel = "FILE", description = "The edited row: one JSON object.")
    private Path file;

    @Mixin
    private OutputOption output;

    private record Found(Letter letter, LetterRecord record) {}

    @Override
    public Integer call() {
        return pipeline.run(this::run);
    }

    private int run(PipelineConfig config) throws InterruptedException {
        if (reason.isBlank()) {
            throw new ParameterException(spec.commandLine(), "--reason must say why");
        }
        Found found;
        try (LetterSession session = LetterSession.open(config)) {
            found = session.inTransaction("reading a dead letter", target -> find(session, target));
        }
        LetterImage image = image(found);
        Optional<byte[]> edited = image.with(text(image), found.letter().keyColumns());
        if (edited.isEmpty()) {
            print(found, false);
            return Stop.CLEAN.exitCode();
        }
        try (LetterSession session = LetterSession.open(config)) { // another one: a person may take long
            session.inTransaction("editing a dead letter", target -> {
                LetterActs acts = session.acts();
                acts.holdLanesOff(target);
                requireSame(found, find(session, target));
                acts.edit(target, id, edited.get(), reason);
                return found;
            });
        }
        print(found, true);
        return Stop.CLEAN.exitCode();
    }

    private Found find(LetterSession session, Connection target) throws SQLException {
        Letter letter = session.letter(target, id);
        if (!letter.isHolding()) {
            throw new Failure.Fatal(
                    Stop.USAGE,
                    "letter %d is closed: %s by %s".formatted(id, letter.state(), letter.closedBy()),
                    "what stands in the target is seen by `sluice repair --table %s --key …`".formatted(letter.table()));
        }
        return new Found(letter, LetterRecord.read(target, id));
    }

    private LetterImage image(Found found) {
        return LetterImage.read(found.record().current()).orElseThrow(() -> new Failure.Fatal(
                Stop.USAGE,
                "letter %d is a change of kind %s and has no row that could be edited".formatted(id, found.letter().kind()),
                "mend what refuses it and replay it, or discard it"));
    }

    private String text(LetterImage image) throws InterruptedException {
        if (file == null) {
            return EditorFile.edit(image.text(), System.getenv());
        }
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new Failure.Fatal(
                    Stop.USAGE,
                    "--file %s cannot be read: %s".formatted(file, e.getClass().getSimpleName()),
                    "name a file of UTF-8 text with one JSON object",
                    e);
        }
    }

    private void requireSame(Found before, Found now) {
        if (!Arrays.equals(before.record().current(), now.record().current())) {
            throw new Failure.Retryable(
                    "letter %d was edited by %s meanwhile; nothing was changed"
                            .formatted(id, now.record().edited().map(LetterRecord.Edit::by).orElse("somebody")),
                    null);
        }
    }

    private void print(Found found, boolean isEdited) {
        PrintWriter out = spec.commandLine().getOut();
        if (output.isJson()) {
            out.println(JsonNodeFactory.instance.objectNode().put("id", id).put("isEdited", isEdited).toPrettyString());
        } else if (!isEdited) {
            out.println("letter %d: the row is as it was, nothing was changed".formatted(id));
        } else {
            out.println("letter %d is edited; `sluice dlq replay --id %d --execute` writes it".formatted(id, id));
            if (found.record().isFromTopic()) {
                out.println("it was brought back from its topic: as edited it is written whatever has happened to the row since");
            }
        }
        out.flush();
    }
}
