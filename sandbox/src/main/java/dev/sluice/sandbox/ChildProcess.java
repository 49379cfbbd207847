package dev.sluice.sandbox;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A Java process that this program started; it dies with this program.
 *
 * <p>Threads: one at a time.
 */
final class ChildProcess implements AutoCloseable {
    private static final long STOP_SECONDS = 30;

    private final String name;
    private final Path log;
    private final Process process;
    private final Thread lastResort;

    private ChildProcess(String name, Path log, List<String> command) {
        this.name = name;
        this.log = log;
        try {
            process = new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
                    .start();
        } catch (IOException e) {
            throw new UncheckedIOException("could not start " + command, e);
        }
        lastResort = new Thread(process::destroyForcibly, name + "-last-resort");
        Runtime.getRuntime().addShutdownHook(lastResort);
    }

    /**
     * @param directory where its output goes, to {@code <name>.log}
     * @param jvmOptions such as {@code -Xmx256m}
     * @param arguments what follows the options: {@code -jar x.jar …} or a main class with its arguments
     */
    static ChildProcess java(String name, Path directory, List<String> jvmOptions, String... arguments) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(jvmOptions);
        command.addAll(List.of(arguments));
        return new ChildProcess(name, directory.resolve(name + ".log"), command);
    }

    /** This program's own class path, for a main class of its own. */
    static String classPath() {
        String path = System.getProperty("java.class.path");
        return path.contains(File.pathSeparator) ? path : new File(path).getAbsolutePath();
    }

    long pid() {
        return process.pid();
    }

    boolean isRunning() {
        return process.isAlive();
    }

    /** Waits for its end, {@code meanwhile} every few milliseconds; throws if its exit code is not 0. */
    void awaitSuccess(Runnable meanwhile) throws InterruptedException {
        do {
            meanwhile.run();
        } while (!process.waitFor(5, TimeUnit.MILLISECONDS));
        forget();
        if (process.exitValue() != 0) {
            throwIfDead();
        }
    }

    void throwIfDead() {
        if (!process.isAlive()) {
            throw new IllegalStateException("%s ended with exit code %d:%n%s".formatted(name, process.exitValue(), tail()));
        }
    }

    private String tail() {
        try {
            List<String> lines = Files.readAllLines(log);
            return String.join("\n", lines.subList(Math.max(0, lines.size() - 20), lines.size()));
        } catch (IOException e) {
            return "no log in " + log;
        }
    }

    /** SIGTERM, and the exit code. */
    int stop() throws InterruptedException {
        process.destroy();
        if (!process.waitFor(STOP_SECONDS, TimeUnit.SECONDS)) {
            process.destroyForcibly();
            throw new IllegalStateException(name + " did not stop within " + STOP_SECONDS + " s\n" + tail());
        }
        forget();
        return process.exitValue();
    }

    /** SIGKILL. */
    @Override
    public void close() {
        process.destroyForcibly();
        forget();
    }

    private void forget() {
        try {
            Runtime.getRuntime().removeShutdownHook(lastResort);
        } catch (IllegalStateException e) {
            // the program is exiting, and the hook does the same
        }
    }
}
