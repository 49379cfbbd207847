package dev.sluice.capture;

import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Databases;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import java.sql.SQLException;
import java.util.Set;

/**
 * Sorts what the source's server throws by SQLSTATE: connections that are gone and servers that are starting or
 * stopping pass by themselves, everything else needs a person.
 *
 * <p>Source: PostgreSQL 18 manual, appendix A "PostgreSQL Error Codes".
 */
final class SourceFailures {
    /**
     * 57P01 to 57P03 shutdown, crash, starting; 55006 slot in use; 40001, 40P01, 55P03 conflicts; 57014 cancelled; 58000,
     * 58030 system and I/O errors.
     */
    private static final Set<String> PASSING =
            Set.of("57P01", "57P02", "57P03", "55006", "40001", "40P01", "55P03", "57014", "58000", "58030");

    private SourceFailures() {}

    static Failure translate(DatabaseConfig source, String doing, SQLException e) {
        String state = String.valueOf(e.getSQLState());
        String what = "source %s: %s: %s (SQLSTATE %s)".formatted(source.address(), doing, Databases.reason(e), state);
        if (Databases.isAccessRefused(state)) {
            return new Failure.Fatal(
                    Stop.ACCESS,
                    what,
                    "correct source.user and source.password (or SLUICE_SOURCE_PASSWORD), or allow the role to log in",
                    e);
        }
        if (state.startsWith("08") || state.startsWith("53") || PASSING.contains(state)) {
            return new Failure.Retryable(what, e);
        }
        if (state.equals("42501")) {
            return new Failure.Fatal(
                    Stop.SETUP, what, "run `sluice check`: it prints the privileges that are missing", e);
        }
        return new Failure.Fatal(Stop.SETUP, what, "run `sluice check` for what the source must offer", e);
    }
}
