package dev.sluice.apply;

import dev.sluice.config.Databases;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.TableId;
import java.sql.SQLException;
import java.util.Arrays;
import java.util.Optional;
import java.util.Set;

/** Sorts what a reader meets by what becomes of its table: read again later, or left alone until somebody has acted. */
final class RereadFailures {
    private static final String FOREIGN_KEY_VIOLATION = "23503";

    /** No such table, column, schema, function or object. */
    private static final Set<String> ALTERED = Set.of("42P01", "42703", "3F000", "42883", "42704");

    private RereadFailures() {}

    /**
     * @param hasCondition only rows that fulfil what somebody wrote are read
     * @return retryable, or what the table has failed of
     * @throws Error that a reader has met: nothing of this process can be relied upon
     */
    static Failure sorted(TableId table, boolean hasCondition, Throwable cause) {
        if (cause instanceof Error error) {
            throw error;
        }
        if (cause instanceof Failure failure) {
            return failure;
        }
        Optional<LargeRow> large = LargeRow.in(cause);
        if (large.isPresent()) {
            return new Failure.Poison("source: reading %s: %s".formatted(table, large.get().getMessage()), cause);
        }
        if (cause instanceof SourceSaid said) {
            return atSource(table, hasCondition, said);
        }
        if (cause instanceof SQLException e) {
            Failure failure = TargetFailures.translate("reading " + table, e);
            return FOREIGN_KEY_VIOLATION.equals(e.getSQLState())
                    ? new Failure.Poison(
                            failure.getMessage() + "; foreign keys cannot hold while tables are read, and the role may not suspend"
                                    + " them: GRANT SET ON PARAMETER session_replication_role TO it, or drop them until the end",
                            e)
                    : failure;
        }
        return new Failure.Poison("not foreseen, please report it: " + place(cause), cause);
    }

    /** What is gone or altered just now is met by the stream too, which says what is to be done; the read then looks anew. */
    private static Failure atSource(TableId table, boolean hasCondition, SourceSaid said) {
        String state = String.valueOf(said.getSQLState());
        // of a condition: what it says of a value quotes it
        String message = state.startsWith("22") ? "the server cannot read a value" : Databases.reason((SQLException) said.getCause());
        String what = "source: reading %s: %s (SQLSTATE %s)".formatted(table, message, state);
        if (Databases.isAccessRefused(state)) {
            return new Failure.Poison(what + "; correct source.user and source.password, or allow the role to log in", said);
        }
        boolean isAltered = ALTERED.contains(state) && !hasCondition;
        return isAltered || TargetFailures.next(state) == TargetFailures.Next.RETRY
                ? new Failure.Retryable(what, said)
                : new Failure.Poison(
                        what + (hasCondition ? "; correct --where" : "; run `sluice check`: it says what the source must offer"), said);
    }

    /** Its class and where it was thrown; its message may quote a value. */
    private static String place(Throwable cause) {
        return Arrays.stream(cause.getStackTrace())
                .filter(frame -> frame.getClassName().startsWith("dev.sluice."))
                .findFirst()
                .map(frame -> cause.getClass().getName() + " at " + frame)
                .orElse(cause.getClass().getName());
    }
}
