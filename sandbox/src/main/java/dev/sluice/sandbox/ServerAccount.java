package dev.sluice.sandbox;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Whom PostgreSQL's programs run as. They refuse to run as root.
 *
 * <p>For root there are two ways. A user namespace ({@code unshare -U}) makes them see another user while their files
 * stay root's, so every directory works; many containers forbid it. Else they run as the user 65534, nobody, who then
 * owns the server's directory and must be able to reach it.
 */
enum ServerAccount {
    /** Ours is an ordinary user. */
    SAME {
        @Override
        List<String> as(List<String> command) {
            return command;
        }

        @Override
        void own(Path directory) {}
    },
    NAMESPACE {
        @Override
        List<String> as(List<String> command) {
            return prefixed(command, "unshare", "-U");
        }

        @Override
        void own(Path directory) {}
    },
    NOBODY {
        @Override
        List<String> as(List<String> command) {
            return prefixed(command, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups");
        }

        @Override
        void own(Path directory) {
            try {
                Files.walkFileTree(directory, new SimpleFileVisitor<>() {
                    @Override
                    public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                        Files.setAttribute(file, "unix:uid", 65534);
                        return FileVisitResult.CONTINUE;
                    }

                    @Override
                    public FileVisitResult preVisitDirectory(Path visited, BasicFileAttributes attributes)
                            throws IOException {
                        return visitFile(visited, attributes);
                    }
                });
            } catch (IOException e) {
                throw new UncheckedIOException("could not give the directory to user 65534: " + directory, e);
            }
        }
    };

    /** The command line that runs {@code command} as this account. */
    abstract List<String> as(List<String> command);

    /** Gives {@code directory} to the account. */
    abstract void own(Path directory);

    static ServerAccount ofThisMachine() {
        if (!"root".equals(System.getProperty("user.name"))) {
            return SAME;
        }
        return works(NAMESPACE) ? NAMESPACE : NOBODY;
    }

    private static boolean works(ServerAccount account) {
        try {
            Process process = new ProcessBuilder(account.as(List.of("true")))
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start();
            return process.waitFor(10, TimeUnit.SECONDS) && process.exitValue() == 0;
        } catch (IOException e) {
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
    }

    private static List<String> prefixed(List<String> command, String... prefix) {
        List<String> whole = new ArrayList<>(List.of(prefix));
        whole.addAll(command);
        return whole;
    }
}
