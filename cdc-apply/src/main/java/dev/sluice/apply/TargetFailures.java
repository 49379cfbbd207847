package dev.sluice.apply;

import dev.sluice.config.Databases;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import java.sql.SQLException;
import java.util.Optional;
import java.util.Set;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

/**
 * Sorts what the target's server throws by SQLSTATE. Unknown states are fatal: a wrong guess of "poison" would move a
 * whole topic to the dead letters during an outage, a wrong guess of "retryable" would hang the pipeline in silence.
 *
 * <p>Source: PostgreSQL 18 manual, appendix A "PostgreSQL Error Codes".
 */
public final class TargetFailures {
    /**
     * 57P01 to 57P05 shutdown, crash, starting, idle session ended; 57014 statement timeout; 40001 serialization; 40P01
     * deadlock; 55P03 lock timeout; 55006 object in use; 25006 read-only, as after a failover; 25P03 and 25P04
     * transaction ended by a timeout; 58000, 58030 system and I/O errors.
     */
    static final Set<String> PASSING = Set.of(
            "57P01", "57P02", "57P03", "57P05", "57014", "40001", "40P01", "55P03", "55006", "25006", "25P03", "25P04",
            "58000", "58030");

    /**
     * 42703 no such column, 42804, 42846 and 42883 another type, 42P10 no such key, 428C9 a generated column, 0A000 a
     * TRUNCATE that foreign keys forbid.
     */
    private static final Set<String> ABOUT_A_TABLE = Set.of("42703", "42804", "42846", "42883", "42P10", "428C9", "0A000");

    private TargetFailures() {}

    /** What stops the table that was being written, if it is a matter of that table alone. */
    static Optional<TableStopped> stopped(SQLException e, TargetTable writing) {
        return writing != null && ABOUT_A_TABLE.contains(String.valueOf(e.getSQLState()))
                ? Optional.of(new TableStopped(
                        writing.source(),
                        translate("writing " + writing.id(), e).getMessage(),
                        "run `sluice check`: it prints what the target must offer"))
                : Optional.empty();
    }

    /** @param doing as it reads after "target: " */
    public static Failure translate(String doing, SQLException e) {
        String state = String.valueOf(e.getSQLState());
        String what = "target: %s: %s (SQLSTATE %s)".formatted(doing, message(e), state);
        if (Databases.isAccessRefused(state)) {
            return new Failure.Fatal(
                    Stop.ACCESS,
                    what,
                    "correct target.user and target.password (or SLUICE_TARGET_PASSWORD), or allow the role to log in",
                    e);
        }
        if (state.startsWith("08") || state.startsWith("53") || PASSING.contains(state)) {
            return new Failure.Retryable(what, e);
        }
        if (isAboutRows(e)) {
            return new Failure.Poison(what, e);
        }
        return new Failure.Fatal(Stop.SETUP, what, "run `sluice check`: it prints what the target must offer", e);
    }

    /** 22 data exceptions, 23 constraints, 21000 a key twice in one set, 44000 a view's check option. */
    static boolean isAboutRows(SQLException e) {
        String state = String.valueOf(e.getSQLState());
        return state.startsWith("22") || state.startsWith("23") || state.equals("21000") || state.equals("44000");
    }

    /**
     * The server's message without row values: the detail is never asked for, and the message of a data exception, which
     * quotes the value ({@code invalid input syntax for type integer: "..."}), is left out.
     */
    private static String message(SQLException e) {
        if (e instanceof PSQLException server) {
            ServerErrorMessage error = server.getServerErrorMessage();
            if (error != null) {
                return String.valueOf(e.getSQLState()).startsWith("22")
                        ? "the server cannot read a value (%s)".formatted(error.getRoutine())
                        : error.getMessage();
            }
        }
        return Databases.reason(e);
    }
}
