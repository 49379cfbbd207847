package dev.sluice.apply;

import java.sql.Connection;
import java.sql.SQLException;

/** Schema sluice as an applier makes it at its start, for tests that play the applier's part. */
public final class AppliersTables {

    private AppliersTables() {}

    public static void create(Connection target) throws SQLException {
        Progress.createTables(target);
        RereadStore.createTables(target);
        DeadLetterStore.createTables(target);
    }
}
