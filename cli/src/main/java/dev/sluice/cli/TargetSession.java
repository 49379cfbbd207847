package dev.sluice.cli;

import dev.sluice.apply.RereadStore;
import dev.sluice.apply.TargetFailures;
import dev.sluice.config.Databases;
import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;

/**
 * A command's connection to the target.
 *
 * <p>Threads: one.
 */
final class TargetSession implements AutoCloseable {
    private final Connection connection;

    /** Something to be done in one transaction. */
    interface Work<T> {
        T run(Connection target) throws SQLException;
    }

    private TargetSession(Connection connection) {
        this.connection = connection;
    }

    /** @throws Failure as its SQLSTATE says */
    static TargetSession open(PipelineConfig pipeline) {
        try {
            Connection connection = Databases.connect(pipeline.target(), "sluice-command");
            try (Statement set = connection.createStatement()) {
                set.execute("SET lock_timeout = '10s'");
            }
            connection.setAutoCommit(false);
            return new TargetSession(connection);
        } catch (SQLException e) {
            throw TargetFailures.translate("connecting to " + pipeline.target().address(), e);
        }
    }

    /**
     * Commits what {@code work} did, or nothing of it.
     *
     * @param doing as it reads after "target: "
     */
    <T> T inTransaction(String doing, Work<T> work) {
        try {
            boolean isDone = false;
            try {
                T result = work.run(connection);
                connection.commit();
                isDone = true;
                return result;
            } finally {
                if (!isDone && !connection.isClosed()) {
                    connection.rollback();
                }
            }
        } catch (SQLException e) {
            throw TargetFailures.translate(doing, e);
        }
    }

    /** @throws Failure.Fatal if requests cannot be written, since no applier has made their tables */
    void requireRereads(PipelineConfig pipeline) {
        if (!inTransaction("looking for schema sluice", RereadStore::isThere)) {
            throw new Failure.Fatal(
                    Stop.SETUP,
                    "target %s has no table sluice.reread: no `sluice apply` of this version has been at work there"
                            .formatted(pipeline.target().address()),
                    "start `sluice apply`: it makes schema and tables, and it does what is requested; with `backfill: auto`"
                            + " it reads the tables that it has never read by itself, with `backfill: none` it waits for"
                            + " `sluice backfill`");
        }
    }

    @Override
    public void close() {
        try {
            connection.close();
        } catch (SQLException e) {
            // it is gone already
            return;
        }
    }
}
