package dev.sluice.apply;

import dev.sluice.apply.RowChange.Key;
import dev.sluice.apply.RowChange.Kind;
import dev.sluice.apply.TableReread.Places;
import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Databases;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Takes out of a batch what is not to be applied now, because its table is being read.
 *
 * <p>Threads: the lane's.
 */
final class RereadRouter implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(RereadRouter.class);

    private final DatabaseConfig config;
    private final LaneLock lock;
    private final PassedTransactions passed;
    /** For orders that only the source knows; null until it was asked. */
    private Connection source;

    /** @param config the source */
    RereadRouter(DatabaseConfig config, LaneLock lock, PassedTransactions passed) {
        this.config = config;
        this.lock = lock;
        this.passed = passed;
    }

    /**
     * Leaves in the transactions what is to be applied now.
     *
     * @param unfinished tables that are being read, by source table
     * @throws Failure.Retryable if only the source knows where a key belongs, and it does not answer
     * @throws KeyChanged if a table's changes have another key than its ranges
     */
    void route(List<SourceTransaction> batch, Map<TableId, RereadWork> unfinished) throws SQLException {
        Map<TableId, Places> places = places(batch, unfinished);
        for (SourceTransaction transaction : batch) {
            List<RowChange> applied = new ArrayList<>(transaction.changes().size());
            long bytes = transaction.bytes() / Math.max(1, transaction.changes().size());
            for (RowChange change : transaction.changes()) {
                RereadWork work = unfinished.get(change.table().source());
                if (work == null || change.kind() == Kind.UNREADABLE) {
                    applied.add(change);
                } else {
                    if (work.reread().isUnfinished()) {
                        passed.add(transaction.xid());
                    }
                    work.reread().route(change, transaction.xid(), bytes, places.get(work.source()), applied);
                }
            }
            transaction.replaceChanges(applied);
        }
    }

    private Map<TableId, Places> places(List<SourceTransaction> batch, Map<TableId, RereadWork> unfinished)
            throws SQLException {
        Map<TableId, List<Key>> keys = new LinkedHashMap<>();
        for (SourceTransaction transaction : batch) {
            for (RowChange change : transaction.changes()) {
                if (unfinished.containsKey(change.table().source()) && change.kind() != Kind.UNREADABLE) {
                    TableReread.addKeys(change, keys.computeIfAbsent(change.table().source(), table -> new ArrayList<>()));
                }
            }
        }
        Map<TableId, Places> places = new HashMap<>();
        for (Map.Entry<TableId, List<Key>> some : keys.entrySet()) {
            places.put(some.getKey(), new Places(places(unfinished.get(some.getKey()).reread(), some.getValue())));
        }
        return places;
    }

    private int[] places(TableReread reread, List<Key> keys) throws SQLException {
        List<Key> borders = reread.intervals().borders();
        if (borders.isEmpty() || keys.isEmpty()) {
            return new int[keys.size()];
        }
        KeyOrder order = reread.scope().keys();
        if (!order.isOf(reread.table().keyNames())) {
            throw new KeyChanged(reread.source());
        }
        try {
            return order.isPlain() ? order.places(keys, borders) : askedPlaces(reread, order, keys, borders);
        } catch (NumberFormatException e) {
            throw new KeyChanged(reread.source()); // the columns have the names that they had, and other types
        }
    }

    private int[] askedPlaces(TableReread reread, KeyOrder order, List<Key> keys, List<Key> borders) throws SQLException {
        lock.keep(true);
        try {
            if (source == null) {
                source = Databases.connectBriefly(config, "sluice-apply key order");
            }
            try (Statement set = source.createStatement()) {
                set.execute(order.searchPathSql());
            }
            return order.places(source, keys, borders);
        } catch (SQLException e) {
            if (String.valueOf(e.getSQLState()).startsWith("22")) {
                throw new KeyChanged(reread.source()); // as above: the values are none of these types
            }
            throw new Failure.Retryable(
                    "source %s: asking for the order of keys of %s: %s (SQLSTATE %s)"
                            .formatted(config.address(), reread.source(), Databases.reason(e), e.getSQLState()),
                    e);
        }
    }

    @Override
    public void close() {
        try {
            if (source != null) {
                source.close();
            }
        } catch (SQLException e) {
            log.debug("closing: {}", e.getMessage());
        }
    }
}
