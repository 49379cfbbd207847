package dev.sluice.apply;

import dev.sluice.schemas.Failure;
import dev.sluice.schemas.TableId;
import java.sql.SQLException;
import java.util.Arrays;

/** Sorts what a reader meets by what becomes of its table: read again later, or left alone until somebody has acted. */
final class RereadFailures {
    private static final String FOREIGN_KEY_VIOLATION = "23503";

    private RereadFailures() {}

    /**
     * @return retryable, or what the table has failed of
     * @throws Error that a reader has met: nothing of this process can be relied upon
     */
    static Failure sorted(TableId table, Throwable cause) {
        if (cause instanceof Error error) {
            throw error;
        }
        if (cause instanceof Failure failure) {
            return failure;
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

    /** Its class and where it was thrown; its message may quote a value. */
    private static String place(Throwable cause) {
        return Arrays.stream(cause.getStackTrace())
                .filter(frame -> frame.getClassName().startsWith("dev.sluice."))
                .findFirst()
                .map(frame -> cause.getClass().getName() + " at " + frame)
                .orElse(cause.getClass().getName());
    }
}
