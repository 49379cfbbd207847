package dev.sluice.apply;

import dev.sluice.config.MessageLimit;
import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Optional;

/** A row of the source that this process has not the memory for; it was not read. */
final class LargeRow extends IOException {
    private static final long serialVersionUID = 1L;

    private LargeRow(int bytes) {
        super("a row of %d bytes is more than a quarter of the heap (%d MB); give apply a larger one (-Xmx)"
                .formatted(bytes, Runtime.getRuntime().maxMemory() >> 20));
    }

    /** From now on such a row fails what reads it, instead of ending the process. */
    static void refuse(Connection source) throws SQLException {
        int limit = (int) Math.min(Integer.MAX_VALUE, Runtime.getRuntime().maxMemory() / 4);
        MessageLimit.set(source, limit, (message, bytes) -> new LargeRow(bytes));
    }

    /** If one is why something failed: its message is then the one to show. */
    static Optional<LargeRow> in(Throwable failure) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof LargeRow large) {
                return Optional.of(large);
            }
        }
        return Optional.empty();
    }
}
