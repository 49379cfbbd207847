package dev.sluice.sandbox;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * A process of Sluice in a JVM of its own, as deployed. What it says goes into a file, which stays after the test.
 *
 * <p>Threads: one at a time.
 */
final class Child {
    /** Exit code of a process that was killed, by SIGKILL or by one of its own failpoints. */
    static final int KILLED = 137;

    private final String name;
    private final Path log;
    private final Process process;
    private int heard;

    private Child(String name, Path log, Process process) {
        this.name = name;
        this.log = log;
        this.process = process;
    }

    /** @param environment added to this process's own, without its {@code SLUICE_*} variables */
    static Child start(String name, List<String> command, Map<String, String> environment, Path log) {
        ProcessBuilder builder = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.to(log.toFile()));
        builder.environment().keySet().removeIf(variable -> variable.startsWith("SLUICE_"));
        builder.environment().putAll(environment);
        try {
            Process process = builder.start();
            process.getOutputStream().close();
            Child child = new Child(name, log, process);
            ChildLogs.started(child);
            return child;
        } catch (IOException e) {
            throw new UncheckedIOException("could not start " + command, e);
        }
    }

    String name() {
        return name;
    }

    boolean isAlive() {
        return process.isAlive();
    }

    /** SIGKILL; returns when it is dead. */
    void kill() {
        process.destroyForcibly();
        awaitExit(Duration.ofSeconds(30));
    }

    /** SIGTERM. */
    void terminate() {
        process.destroy();
    }

    /** SIGSTOP: it does not run and does not know. */
    void pause() {
        signal("STOP");
    }

    /** SIGCONT. */
    void resume() {
        signal("CONT");
    }

    private void signal(String signal) {
        try {
            Process kill = new ProcessBuilder("sh", "-c", "kill -%s %d".formatted(signal, process.pid()))
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start();
            if (kill.waitFor() != 0) {
                throw new AssertionError("%s is not there to be sent SIG%s".formatted(name, signal));
            }
        } catch (IOException e) {
            throw new UncheckedIOException("could not signal " + name, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted while signalling " + name, e);
        }
    }

    /** Waits for its end; gives the exit code, which after a signal is 128 and the signal's number. */
    int awaitExit(Duration atMost) {
        try {
            if (!process.waitFor(atMost.toMillis(), TimeUnit.MILLISECONDS)) {
                throw new AssertionError("%s has not ended within %d s".formatted(name, atMost.toSeconds()));
            }
            return process.exitValue();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted while waiting for the end of " + name, e);
        }
    }

    /** Everything it has said. */
    String log() {
        try {
            return Files.readString(log, StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** From now on {@link #awaitLog} hears only what it says later. */
    void listen() {
        heard = log().length();
    }

    /** Waits until it has said {@code text}. */
    void awaitLog(String text, Duration atMost) {
        Await.until("%s says '%s'".formatted(name, text), atMost, () -> {
            boolean isAlive = isAlive();
            if (log().indexOf(text, heard) >= 0) {
                return true;
            }
            if (!isAlive) {
                throw new IllegalStateException("%s has ended with exit code %d".formatted(name, process.exitValue()));
            }
            return false;
        });
    }

    /** The last lines of its log, and where the others are. */
    List<String> lastWords(int count) {
        List<String> lines = log().lines().toList();
        List<String> last = new ArrayList<>();
        last.add("--- %s, pid %d, %s, %s".formatted(
                name, process.pid(), isAlive() ? "alive" : "exit code " + process.exitValue(), log));
        last.addAll(lines.subList(Math.max(0, lines.size() - count), lines.size()));
        return last;
    }

    /** Most memory it has ever held, in MiB: heap, code, stacks, buffers. */
    long peakMebibytes() {
        return ProcessUsage.of(process.pid()).peakBytes() >> 20;
    }
}
