package dev.sluice.config;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * The {@code SLUICE_*} variables, which override single values of the file.
 *
 * <p>{@code kafka.bootstrapServers} is {@code SLUICE_KAFKA_BOOTSTRAP_SERVERS}, or a file that holds the value is
 * {@code SLUICE_KAFKA_BOOTSTRAP_SERVERS_FILE}. A variable that no key asked for is a problem: misspelt it would
 * otherwise leave the file's value in force, in silence.
 */
final class Environment {

    private static final String PREFIX = "SLUICE_";
    private static final String FILE = "_FILE";

    /** Read by the launcher, by logback.xml, and by tests that stop a process at a named place. */
    private static final List<String> FOREIGN = List.of("SLUICE_JAVA_OPTS", "SLUICE_LOG_", "SLUICE_FAILPOINT");

    private final Map<String, String> variables;
    private final List<String> problems;
    private final Set<String> asked = new LinkedHashSet<>();

    Environment(Map<String, String> variables, List<String> problems) {
        this.variables = variables;
        this.problems = problems;
    }

    /** A value that was set, and by whom. */
    record Given(String variable, String value) {}

    /** What the environment says about a key; empty if nothing. A problem is noted and counts as nothing said. */
    Optional<Given> of(String path) {
        String name = variable(path);
        asked.add(name);
        String value = variables.get(name);
        String file = variables.get(name + FILE);
        if (value != null && file != null) {
            problems.add("%s: set together with %s; keep one of them".formatted(name, name + FILE));
            return Optional.empty();
        }
        if (file != null) {
            return contentOf(name + FILE, file).map(content -> new Given(name + FILE, content));
        }
        return Optional.ofNullable(value).map(text -> new Given(name, text));
    }

    boolean has(String path) {
        return variables.containsKey(variable(path)) || variables.containsKey(variable(path) + FILE);
    }

    /** Notes every variable that no key has asked for; to be called after all keys have asked. */
    void reportUnknown() {
        for (String name : new TreeSet<>(variables.keySet())) {
            boolean ours = name.startsWith(PREFIX) && FOREIGN.stream().noneMatch(name::startsWith);
            String key = name.endsWith(FILE) ? name.substring(0, name.length() - FILE.length()) : name;
            if (ours && !asked.contains(name) && !asked.contains(key)) {
                problems.add(name + ": unknown variable; "
                        + Nearest.to(key, asked)
                                .map(meant -> "did you mean " + meant + (key.equals(name) ? "" : FILE) + "?")
                                .orElse("unset it: names that start with SLUICE_ are read as settings"));
            }
        }
    }

    static String variable(String path) {
        return PREFIX
                + path.replaceAll("([a-z0-9])([A-Z])", "$1_$2").replace('.', '_').toUpperCase(Locale.ROOT);
    }

    private Optional<String> contentOf(String variable, String file) {
        try {
            return Optional.of(Files.readString(Path.of(file)).replaceFirst("\\r?\\n\\z", ""));
        } catch (IOException | InvalidPathException e) {
            problems.add("%s: cannot read '%s' (%s)".formatted(variable, file, e.getClass().getSimpleName()));
            return Optional.empty();
        }
    }
}
