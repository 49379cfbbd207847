package dev.sluice.capture;

import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Databases;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import java.sql.SQLException;
import java.util.Optional;
import java.util.Set;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

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

    /**
     * What ends the stream at the same change each time: the server builds a message in one block of memory of at most 1 GB,
     * which is what a value, and a row, may come to as text. Messages of {@code elog} are never translated.
     *
     * <p>Source: {@code MaxAllocSize} in {@code src/include/utils/memutils.h}, {@code enlargeStringInfo} in
     * {@code src/common/stringinfo.c}.
     */
    static Optional<Failure.Fatal> unprintable(DatabaseConfig source, SQLException e) {
        String message = String.valueOf(e.getMessage());
        boolean isOneValue = "XX000".equals(e.getSQLState()) && message.contains("invalid memory alloc request size");
        if (!isOneValue && !"54000".equals(e.getSQLState())) {
            return Optional.empty();
        }
        ServerErrorMessage said = e instanceof PSQLException server ? server.getServerErrorMessage() : null;
        return Optional.of(new Failure.Fatal(
                Stop.HOLE,
                "source %s: a change cannot be sent: %s (SQLSTATE %s%s); the server sends no value and no row of more than 1 GB"
                                .formatted(source.address(), message, e.getSQLState(), where(said))
                        + " as text, which a bytea is from 512 MB on, and the stream cannot pass over it",
                "make the value shorter at the source, or leave its column out of the publication and the mapping; then begin"
                        + " the lane anew (docs/runbook.md#starting-a-lane-anew)",
                e));
    }

    /** The slot and the position of the change; row values are not in it. */
    private static String where(ServerErrorMessage said) {
        return said == null || said.getWhere() == null ? "" : ", " + said.getWhere();
    }

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
