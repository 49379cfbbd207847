package dev.sluice.apply;

import dev.sluice.config.Databases;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

/**
 * Sorts what the target's server throws by SQLSTATE, named by what happens next. States that are not listed stop the lane: a
 * wrong guess of "park" would move a whole topic to the dead letters during an outage, a wrong guess of "retry" would hang the
 * pipeline in silence.
 *
 * <p>Source: PostgreSQL 18 manual, appendix A "PostgreSQL Error Codes".
 */
public final class TargetFailures {
    /** What happens next. */
    enum Next {
        /** It passes by itself: the lane tries the same work again, with growing pauses, and parks nothing. */
        RETRY,
        /** This row can never be written as it is: it is parked. */
        PARK,
        /** The table does not fit: it is held, the others go on. */
        HOLD,
        /** Nothing can be written before a person has done something. */
        STOP
    }

    /**
     * @param state a SQLSTATE, or the two characters of a class for all of its states that are not listed themselves
     * @param name PostgreSQL's name of the condition
     * @param reason why this happens next
     */
    record Entry(String state, Next next, String name, String reason) {}

    static final List<Entry> ENTRIES = List.of(
            new Entry("08", Next.RETRY, "connection_exception", "the connection is gone, and with it the whole transaction"),
            new Entry("40003", Next.RETRY, "statement_completion_unknown", "the position in the target tells what took effect"),
            new Entry("40001", Next.RETRY, "serialization_failure", "another session was faster"),
            new Entry("40P01", Next.RETRY, "deadlock_detected", "another session goes on now"),
            new Entry("53", Next.RETRY, "insufficient_resources", "disk, memory or connections may be there again"),
            new Entry("55006", Next.RETRY, "object_in_use", "another session uses it"),
            new Entry("55P03", Next.RETRY, "lock_not_available", "another session holds the lock"),
            new Entry("57014", Next.RETRY, "query_canceled", "a timeout, or somebody's pg_cancel_backend"),
            new Entry("57P01", Next.RETRY, "admin_shutdown", "the server is restarted"),
            new Entry("57P02", Next.RETRY, "crash_shutdown", "the server recovers"),
            new Entry("57P03", Next.RETRY, "cannot_connect_now", "the server starts"),
            new Entry("57P05", Next.RETRY, "idle_session_timeout", "the next session is another one"),
            new Entry("25006", Next.RETRY, "read_only_sql_transaction", "a standby, until the failover is over"),
            new Entry("25P03", Next.RETRY, "idle_in_transaction_session_timeout", "the next session is another one"),
            new Entry("25P04", Next.RETRY, "transaction_timeout", "the next transaction may be faster"),
            new Entry("58000", Next.RETRY, "system_error", "of the server's machine"),
            new Entry("58030", Next.RETRY, "io_error", "of the server's machine"),
            new Entry("22", Next.PARK, "data_exception", "the value does not fit, whatever else happens"),
            new Entry("23", Next.PARK, "integrity_constraint_violation", "a constraint of the target forbids the row"),
            new Entry("21000", Next.PARK, "cardinality_violation", "a key twice in one set; row by row it is written"),
            new Entry("44000", Next.PARK, "with_check_option_violation", "a view's condition forbids the row"),
            new Entry("54000", Next.PARK, "program_limit_exceeded", "the row is too large for a page or an index"),
            new Entry("P0001", Next.PARK, "raise_exception", "a trigger of the target refuses the row"),
            new Entry("42703", Next.HOLD, "undefined_column", "the table lacks a column"),
            new Entry("42804", Next.HOLD, "datatype_mismatch", "a column has another type"),
            new Entry("42846", Next.HOLD, "cannot_coerce", "a column has another type"),
            new Entry("42883", Next.HOLD, "undefined_function", "a column's type has no such operator"),
            new Entry("42P10", Next.HOLD, "invalid_column_reference", "the table has no such key"),
            new Entry("428C9", Next.HOLD, "generated_always", "the column is generated in the target"),
            new Entry("0A000", Next.HOLD, "feature_not_supported", "foreign keys of other tables forbid to truncate it"));

    private static final Map<String, Entry> BY_STATE =
            ENTRIES.stream().collect(Collectors.toUnmodifiableMap(Entry::state, Function.identity()));

    /** Names of states of the listed classes that are met often; they name what dead letters have in common. */
    private static final Map<String, String> NAMES = Map.ofEntries(
            Map.entry("22001", "string_data_right_truncation"),
            Map.entry("22003", "numeric_value_out_of_range"),
            Map.entry("22007", "invalid_datetime_format"),
            Map.entry("22008", "datetime_field_overflow"),
            Map.entry("22021", "character_not_in_repertoire"),
            Map.entry("22P02", "invalid_text_representation"),
            Map.entry("22P03", "invalid_binary_representation"),
            Map.entry("22P05", "untranslatable_character"),
            Map.entry("22SL1", "missing_row"),
            Map.entry("22SL2", "needs_order"),
            Map.entry("23001", "restrict_violation"),
            Map.entry("23502", "not_null_violation"),
            Map.entry("23503", "foreign_key_violation"),
            Map.entry("23505", "unique_violation"),
            Map.entry("23514", "check_violation"),
            Map.entry("23P01", "exclusion_violation"));

    /** Where the server says what a RAISE of PL/pgSQL says, under whatever state. */
    private static final String RAISE = "exec_stmt_raise";

    private static final Set<String> ROW_ALONE = Set.of("23502", "23514", "54000");

    private TargetFailures() {}

    /** What happens next after this SQLSTATE. */
    static Next next(String state) {
        return entry(state).map(Entry::next).orElse(Next.STOP);
    }

    private static Optional<Entry> entry(String state) {
        Entry exact = BY_STATE.get(state);
        return exact != null || state.length() < 2
                ? Optional.ofNullable(exact)
                : Optional.ofNullable(BY_STATE.get(state.substring(0, 2)));
    }

    /** The condition's name as PostgreSQL has it, of its class where it is not known by itself. */
    static String name(SQLException e) {
        String state = state(e);
        return NAMES.getOrDefault(state, entry(state).map(Entry::name).orElse("unknown"));
    }

    static String state(SQLException e) {
        return String.valueOf(e.getSQLState());
    }

    /** What stops the table that was being written, if it is a matter of that table alone. */
    static Optional<TableStopped> stopped(SQLException e, TargetTable writing) {
        return writing != null && next(state(e)) == Next.HOLD
                ? Optional.of(new TableStopped(
                        writing.source(),
                        translate("writing " + writing.id(), e).getMessage(),
                        "run `sluice check`: it prints what the target must offer"))
                : Optional.empty();
    }

    /** @param doing as it reads after "target: " */
    public static Failure translate(String doing, SQLException e) {
        String state = state(e);
        String what = "target: %s: %s (SQLSTATE %s)".formatted(doing, message(e), state);
        if (Databases.isAccessRefused(state)) {
            return new Failure.Fatal(
                    Stop.ACCESS,
                    what,
                    "correct target.user and target.password (or SLUICE_TARGET_PASSWORD), or allow the role to log in",
                    e);
        }
        return switch (next(state)) {
            case RETRY -> new Failure.Retryable(what, e);
            case PARK -> new Failure.Poison(what, e);
            case HOLD, STOP ->
                new Failure.Fatal(Stop.SETUP, what, "run `sluice check`: it prints what the target must offer", e);
        };
    }

    static boolean isAboutRows(SQLException e) {
        return next(state(e)) == Next.PARK;
    }

    /** Whether the row is refused for what it is itself, so that nothing that comes later can help it. */
    static boolean isAboutRowAlone(SQLException e) {
        return isAboutValue(e) || ROW_ALONE.contains(state(e));
    }

    /** Whether a column's type does not take the value. */
    static boolean isAboutValue(SQLException e) {
        return state(e).startsWith("22") && !state(e).startsWith("22SL"); // those are ours
    }

    /** Whether the row refers to one that is not there, or others refer to it. */
    static boolean isForeignKey(SQLException e) {
        return state(e).equals("23503");
    }

    /** The constraint that was broken, where the server names one. */
    static Optional<String> constraint(SQLException e) {
        return Optional.ofNullable(said(e)).map(ServerErrorMessage::getConstraint);
    }

    private static ServerErrorMessage said(SQLException e) {
        return e instanceof PSQLException server ? server.getServerErrorMessage() : null;
    }

    /**
     * The server's message without row values: the detail is never asked for, and the message of a data exception, which
     * quotes the value ({@code invalid input syntax for type integer: "..."}), and what a trigger says are left out.
     */
    static String message(SQLException e) {
        ServerErrorMessage error = said(e);
        if (error == null) {
            return Databases.reason(e);
        }
        String state = state(e);
        if (state.startsWith("22")) {
            return "the server cannot read a value (%s)".formatted(error.getRoutine());
        }
        boolean isSaidBySomebody = state.equals("P0001") || RAISE.equals(error.getRoutine());
        return isSaidBySomebody ? "a trigger or function refused the row" : error.getMessage();
    }
}
