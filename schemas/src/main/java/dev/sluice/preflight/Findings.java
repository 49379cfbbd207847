package dev.sluice.preflight;

import dev.sluice.process.Finding;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/** Gathers what one side's checks find, in order; what several tables share is kept once. */
final class Findings {
    private final String side;
    private final Set<Finding> found = new LinkedHashSet<>();

    /** @param side {@code source}, {@code kafka} or {@code target}: the first word of every subject */
    Findings(String side) {
        this.side = side;
    }

    void error(Object subject, String problem, String cure) {
        add(Finding.Level.ERROR, subject, problem, cure);
    }

    void warning(Object subject, String problem, String cure) {
        add(Finding.Level.WARNING, subject, problem, cure);
    }

    List<Finding> list() {
        return List.copyOf(found);
    }

    private void add(Finding.Level level, Object subject, String problem, String cure) {
        found.add(new Finding(level, side + " " + subject, problem, cure));
    }
}
