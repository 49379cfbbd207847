package dev.sluice.sandbox;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * A PostgreSQL of this machine, from {@link PostgresBinaries}.
 *
 * <p>{@code pg_ctl} starts it outside of this program's process group, so Ctrl-C at the terminal reaches this program
 * only, which then stops the server when it no longer needs it. What a killed program has left running is stopped by
 * the next start on the same directory.
 */
public final class EmbeddedPostgres implements PostgresServer {
    private static final String STOP_SECONDS = "10";

    private final String version;
    private final Path programs;
    private final ServerAccount account;
    private final Path directory;
    private final boolean temporary;
    /** 0 until it is chosen, which is at the last moment: others look for free ports too. */
    private int port;
    private final Thread lastResort = new Thread(this::closeAtExit, "postgres-last-resort");

    private EmbeddedPostgres(Builder builder) {
        version = builder.version;
        programs = PostgresBinaries.of(version).resolve("bin");
        account = ServerAccount.ofThisMachine();
        temporary = builder.directory == null;
        directory = temporary ? Directories.temporary("sluice-postgres-") : Directories.create(builder.directory);
        port = builder.port;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** How a server is made; {@link #start} makes it. */
    public static final class Builder {
        private final Map<String, String> settings = new LinkedHashMap<>();
        private String version = PostgresBinaries.DEFAULT_VERSION;
        private Path directory;
        private int port;

        private Builder() {
            settings.put("wal_level", "logical");
            settings.put("max_wal_senders", "20");
            settings.put("max_replication_slots", "20");
            settings.put("max_slot_wal_keep_size", "8GB");
            settings.put("track_commit_timestamp", "on");
            settings.put("listen_addresses", "'" + Loopback.HOST + "'");
            settings.put("unix_socket_directories", "''");
            settings.put("timezone", "'UTC'");
            settings.put("log_timezone", "'UTC'");
        }

        /** Major version, {@code "15"} to {@code "18"}. */
        public Builder version(String version) {
            this.version = version;
            return this;
        }

        /** Keeps the data here, and goes on with what is here already; else they are temporary. */
        public Builder directory(Path directory) {
            this.directory = directory.toAbsolutePath();
            return this;
        }

        public Builder port(int port) {
            this.port = port;
            return this;
        }

        /** A line of {@code postgresql.conf}, as written there; applies to a fresh data directory only. */
        public Builder setting(String name, String value) {
            settings.put(name, value);
            return this;
        }

        /** For tests: an operating system that dies may take the data with it; a killed server does not. */
        public Builder unsafeFast() {
            return setting("fsync", "off").setting("full_page_writes", "off");
        }

        /** Makes the data directory unless it is there, and starts the server on it. */
        public EmbeddedPostgres start() {
            EmbeddedPostgres server = new EmbeddedPostgres(this);
            server.initialize(settings);
            Runtime.getRuntime().addShutdownHook(server.lastResort);
            server.start();
            return server;
        }
    }

    /** A hot standby of this server, from a copy of its files; this one is stopped meanwhile, its connections are cut. */
    public EmbeddedPostgres standby() {
        EmbeddedPostgres standby = new EmbeddedPostgres(builder().version(version));
        stop();
        Directories.copy(dataDirectory(), standby.dataDirectory());
        start();
        try {
            Files.createFile(standby.dataDirectory().resolve("standby.signal"));
            Files.writeString(
                    standby.dataDirectory().resolve("postgresql.conf"),
                    "primary_conninfo = 'host=%s port=%d user=%s password=%s'%n".formatted(Loopback.HOST, port, USER, PASSWORD),
                    StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw new UncheckedIOException("could not make a standby in " + standby.directory, e);
        }
        account.own(standby.directory);
        Runtime.getRuntime().addShutdownHook(standby.lastResort);
        standby.start();
        return standby;
    }

    @Override
    public int port() {
        return port;
    }

    @Override
    public String version() {
        return version;
    }

    /** The postmaster; empty if the server is stopped. A file left by a crash may name a process that is another's now. */
    public Optional<ProcessHandle> postmaster() {
        try {
            List<String> lines = Files.readAllLines(dataDirectory().resolve("postmaster.pid"));
            return ProcessHandle.of(Long.parseLong(lines.get(0)))
                    .filter(process -> process.info().command().orElse("").endsWith("/postgres"));
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    private Path dataDirectory() {
        return directory.resolve("data");
    }

    private Path log() {
        return directory.resolve("server.log");
    }

    private void initialize(Map<String, String> settings) {
        if (Files.exists(dataDirectory().resolve("PG_VERSION"))) {
            if (!postmaster().isEmpty()) {
                stop();
            }
            return;
        }
        try {
            Path password = Files.writeString(directory.resolve("password"), PASSWORD);
            account.own(directory);
            run("initdb", "-D", dataDirectory().toString(), "-U", USER, "--pwfile=" + password, "--auth=scram-sha-256",
                    "--encoding=UTF8", "--no-locale", "--no-sync", "--no-instructions");
            Files.delete(password);
            List<String> lines = new ArrayList<>();
            if (Integer.parseInt(version) >= 18) {
                lines.add("max_active_replication_origins = 100"); // before, max_replication_slots
            }
            settings.forEach((name, value) -> lines.add(name + " = " + value));
            Files.write(dataDirectory().resolve("postgresql.conf"), lines, StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw new UncheckedIOException("could not make a PostgreSQL in " + directory, e);
        }
    }

    @Override
    public void start() {
        port = port == 0 ? Loopback.freePort() : port;
        run("pg_ctl", "start", "-w", "-t", "60", "-D", dataDirectory().toString(), "-l", log().toString(), "-o",
                "-p " + port);
    }

    @Override
    public void stop() {
        if (!postmaster().isEmpty() && !tryRun("stop", "-m", "fast", "-t", STOP_SECONDS)) {
            stopImmediately();
        }
    }

    @Override
    public void stopImmediately() {
        if (!postmaster().isEmpty() && !tryRun("stop", "-m", "immediate", "-t", STOP_SECONDS)) {
            throw new IllegalStateException("PostgreSQL in " + directory + " does not stop\n" + tailOfLog());
        }
    }

    @Override
    public void close() {
        try {
            Runtime.getRuntime().removeShutdownHook(lastResort);
        } catch (IllegalStateException e) {
            return; // the program is exiting, and the hook does the same
        }
        closeAtExit();
    }

    private void closeAtExit() {
        if (temporary) {
            stopImmediately();
            Directories.delete(directory);
        } else {
            stop();
        }
    }

    /** True if the server is down in the end: it may have stopped by itself just before it was told to. */
    private boolean tryRun(String action, String... options) {
        try {
            List<String> arguments = new ArrayList<>(List.of(action, "-w", "-D", dataDirectory().toString()));
            arguments.addAll(List.of(options));
            run("pg_ctl", arguments.toArray(String[]::new));
            return true;
        } catch (IllegalStateException e) {
            return postmaster().isEmpty();
        }
    }

    private void run(String program, String... arguments) {
        List<String> command = new ArrayList<>(List.of(programs.resolve(program).toString()));
        command.addAll(List.of(arguments));
        try {
            // a file and not a pipe: the server inherits it and would keep a pipe open
            Path output = Files.createTempFile("sluice-" + program, ".out");
            Process process = new ProcessBuilder(account.as(command))
                    .directory(directory.toFile())
                    .redirectErrorStream(true)
                    .redirectOutput(output.toFile())
                    .start();
            process.getOutputStream().close();
            boolean ended = process.waitFor(120, TimeUnit.SECONDS);
            String said = Files.readString(output);
            Files.delete(output);
            if (!ended || process.exitValue() != 0) {
                process.destroyForcibly();
                throw new IllegalStateException("%s failed in %s: %s%n%s".formatted(program, directory, said, tailOfLog()));
            }
        } catch (IOException e) {
            throw new UncheckedIOException("could not run " + command, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while running " + program, e);
        }
    }

    private String tailOfLog() {
        try {
            List<String> lines = Files.readAllLines(log());
            return String.join("\n", lines.subList(Math.max(0, lines.size() - 20), lines.size()));
        } catch (IOException e) {
            return "";
        }
    }
}
