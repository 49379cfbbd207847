package dev.sluice.sandbox;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/**
 * The classes of capture and apply as the JVM maps them into memory: with them a process starts in half the time, and
 * these tests start a hundred.
 *
 * <p>Made by a first small pipeline whose processes write at their end what they have loaded; another build makes
 * others. Only jars can be archived, so a class path of directories, an IDE's, does without.
 *
 * <p>Source: JEP 350 "Dynamic CDS Archives".
 */
final class ClassArchive {
    private static final Duration PATIENCE = Duration.ofSeconds(120);

    private ClassArchive() {}

    /** JVM options of {@code capture} or {@code apply}. */
    static List<String> quickJvm(String process) {
        Path archive = file(process);
        return Files.exists(archive) ? with("-XX:SharedArchiveFile=" + archive) : Pipeline.QUICK_JVM;
    }

    private static List<String> with(String option) {
        return Stream.concat(Pipeline.QUICK_JVM.stream(), Stream.of(option)).toList();
    }

    /** Makes the archives unless they are there; of two test processes that want them at once the other waits. */
    static void prepare(ThreeServers servers) {
        if (!entries().allMatch(entry -> entry.endsWith(".jar"))) {
            return;
        }
        Path lock = Directories.create(Path.of("target", "processes").toAbsolutePath()).resolve("warm.lock");
        try (FileChannel file = FileChannel.open(lock, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                FileLock held = file.lock()) {
            if (!Files.exists(file("apply")) && held.isValid()) {
                make(servers);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("could not lock " + lock, e);
        }
    }

    private static void make(ThreeServers servers) {
        try (Pipeline pipeline = Pipeline.on(servers, "warm")
                .jvm(process -> with("-XX:ArchiveClassesAtExit=" + file(process)))
                .carrying("t")) {
            pipeline.onBoth("CREATE TABLE t (id int PRIMARY KEY, v text)");
            Child capture = pipeline.startCapture();
            Child apply = pipeline.startApply();
            pipeline.awaitStreaming();
            pipeline.onSource("INSERT INTO t VALUES (1, 'a row')");
            pipeline.awaitCaughtUp();
            capture.terminate();
            capture.awaitExit(PATIENCE);
            apply.terminate();
            apply.awaitExit(PATIENCE);
        }
    }

    private static Stream<String> entries() {
        return Arrays.stream(Pipeline.classPath().split(File.pathSeparator));
    }

    private static Path file(String process) {
        int build = entries().map(entry -> entry + new File(entry).lastModified()).toList().hashCode();
        return Directories.create(Path.of("target", "processes").toAbsolutePath())
                .resolve("%s-%08x.jsa".formatted(process, build));
    }
}
