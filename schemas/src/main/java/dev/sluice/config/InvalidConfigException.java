package dev.sluice.config;

import java.nio.file.Path;
import java.util.List;

/** The configuration is wrong; the message lists every problem, one a line, each with its key. */
public final class InvalidConfigException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final transient List<String> problems;

    public InvalidConfigException(List<String> problems) {
        super(String.join(System.lineSeparator(), problems));
        this.problems = List.copyOf(problems);
    }

    public List<String> problems() {
        return problems;
    }

    /** For a person: how many problems the file and the environment have, and each on a line of its own. */
    public String report(Path file) {
        return "%s: %d problem%s%n  %s"
                .formatted(
                        file,
                        problems.size(),
                        problems.size() == 1 ? "" : "s",
                        String.join(System.lineSeparator() + "  ", problems));
    }
}
