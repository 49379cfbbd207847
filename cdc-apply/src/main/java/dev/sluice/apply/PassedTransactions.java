package dev.sluice.apply;

import dev.sluice.schemas.SourceSnapshot;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Set;
import java.util.TreeSet;

/**
 * Source transactions that the lane has taken without applying all of them: whoever reads the rest must see them. A commit shows
 * in the log before it shows in snapshots, for microseconds, or for as long as it waits for a standby.
 *
 * <p>Kept in the target with the lane's progress, so that they outlive the process.
 *
 * <p>Threads: the lane's.
 */
final class PassedTransactions {
    private final RereadStore store;
    private final Set<Long> all = new TreeSet<>();
    private final Set<Long> sinceCommit = new TreeSet<>();

    PassedTransactions(RereadStore store) {
        this.store = store;
    }

    void load(Connection target) throws SQLException {
        all.clear();
        all.addAll(store.passed(target));
    }

    /** @param xid 32 bits */
    void add(long xid) {
        if (all.add(xid)) {
            sinceCommit.add(xid);
        }
    }

    Set<Long> copy() {
        return Set.copyOf(all);
    }

    int size() {
        return all.size();
    }

    /** Within the lane's transaction, before it ends. */
    void save(Connection target) throws SQLException {
        if (!sinceCommit.isEmpty()) {
            store.addPassed(target, sinceCommit);
        }
    }

    /** The transaction with what was saved has taken effect. */
    void saved() {
        sinceCommit.clear();
    }

    /** Every later snapshot sees them too. */
    void forgetSeen(Connection target, SourceSnapshot snapshot) throws SQLException {
        all.removeIf(snapshot::sees);
        store.keepPassed(target, all);
        sinceCommit.clear();
    }
}
