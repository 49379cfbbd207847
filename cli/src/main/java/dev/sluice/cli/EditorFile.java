package dev.sluice.cli;

import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** A text in the editor that a person has set; the file, and whatever the editor puts beside it, is gone afterwards. */
final class EditorFile {
    private EditorFile() {}

    /**
     * The text as the editor has left it.
     *
     * @throws Failure.Fatal if no editor is set, or it ends with a failure
     */
    static String edit(String text, Map<String, String> environment) throws InterruptedException {
        String editor = Stream.of("VISUAL", "EDITOR")
                .map(environment::get)
                .filter(one -> one != null && !one.isBlank())
                .findFirst()
                .orElseThrow(() -> new Failure.Fatal(
                        Stop.USAGE, "no editor is set", "set VISUAL or EDITOR, or give the edited row with --file"));
        try {
            Path directory = Files.createTempDirectory(
                    "sluice", PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            Thread onSignal = new Thread(() -> delete(directory), "delete-edited-row");
            Runtime.getRuntime().addShutdownHook(onSignal);
            try {
                return edit(text, editor, directory);
            } finally {
                delete(directory);
                forget(onSignal);
            }
        } catch (IOException e) {
            throw new Failure.Fatal(
                    Stop.USAGE, "the row could not be edited: " + e.getMessage(), "give the edited row with --file", e);
        }
    }

    private static String edit(String text, String editor, Path directory) throws IOException, InterruptedException {
        Path file = Files.createFile(
                directory.resolve("row.json"),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        Files.writeString(file, text);
        // as a person's shell would run it, so that EDITOR may have options
        List<String> command = List.of("/bin/sh", "-c", editor + " \"$1\"", "sluice", file.toString());
        int exitCode = new ProcessBuilder(command).inheritIO().start().waitFor();
        if (exitCode != 0) {
            throw new Failure.Fatal(
                    Stop.USAGE,
                    "the editor '%s' has ended with %d; nothing was changed".formatted(editor, exitCode),
                    "set VISUAL or EDITOR to one that works, or give the edited row with --file");
        }
        return Files.readString(file);
    }

    private static void forget(Thread onSignal) {
        try {
            Runtime.getRuntime().removeShutdownHook(onSignal);
        } catch (IllegalStateException e) {
            // it runs already
            return;
        }
    }

    private static void delete(Path directory) {
        try (Stream<Path> all = Files.walk(directory)) {
            for (Path path : all.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(path);
            }
        } catch (IOException e) {
            System.err.println("%s could not be deleted, and may hold a row: %s".formatted(directory, e.getMessage()));
        }
    }
}
