package dev.sluice.reconciler;

import dev.sluice.config.Databases;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.divergence.Divergence;
import dev.sluice.divergence.DivergenceStore;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What the reconciler of a lane keeps in schema {@code sluice} of the target. What cannot be stored is said in the log, once, and
 * verification goes on; it is found again.
 *
 * <p>Threads: one.
 */
final class ReconcileStore implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(ReconcileStore.class);

    /** Divergences of a table that are looked at again at once. */
    private static final int AGAIN = 1_000;

    private final PipelineConfig config;
    private final LaneConfig lane;
    private final String name;
    private final DivergenceStore divergences;
    private Optional<Connection> connection = Optional.empty();
    private String trouble = "";
    /** Tables of which a divergence may be open. */
    private final Set<TableId> open = new HashSet<>();
    /** Touched rows that were compared and not counted yet. */
    private long compared;

    ReconcileStore(PipelineConfig config, LaneConfig lane) {
        this.config = config;
        this.lane = lane;
        this.name = config.nameInTarget(lane);
        this.divergences = new DivergenceStore(name);
        lane.tables().forEach(table -> open.add(table.source()));
    }

    private interface Work<T> {
        T in(Connection target) throws SQLException;
    }

    /** In a transaction; gives {@code absent} if it cannot be done. */
    private <T> T attempt(String what, T absent, Work<T> work) {
        try {
            if (connection.isEmpty()) {
                Connection opened = Databases.connectBriefly(config.target(), "sluice-reconcile");
                opened.setAutoCommit(false);
                connection = Optional.of(opened);
            }
            T result = work.in(connection.get());
            connection.get().commit();
            trouble = "";
            return result;
        } catch (SQLException e) {
            String said = "%s: %s (SQLSTATE %s)".formatted(what, Databases.reason(e), e.getSQLState());
            if (!said.equals(trouble)) {
                log.warn("lane {}: {}", lane.name(), said);
            }
            trouble = said;
            close();
            return absent;
        }
    }

    // ---- touched rows

    /** Up to where they had been verified. */
    Optional<TouchLog.Start> start() {
        return attempt("sluice.touched of the target cannot be read", Optional.empty(), target -> TouchedStore.read(target, name));
    }

    void save(Optional<TouchLog.Start> verified, int pending) {
        long counted = compared;
        boolean isSaved = attempt("sluice.touched of the target cannot be written", false, target -> {
            TouchedStore.createTables(target);
            TouchedStore.save(target, name, verified, pending, counted);
            return true;
        });
        compared -= isSaved ? counted : 0;
    }

    /** As {@link TouchedRows.Found#rows}. */
    boolean looked(PairedTable table, List<Divergence> diverged, List<List<String>> equal, OffsetDateTime at) {
        TableId source = table.source();
        boolean isKept = diverged.isEmpty() && !open.contains(source)
                || attempt("differences are NOT stored in sluice.divergence of the target", false, target -> {
                    if (!diverged.isEmpty()) {
                        DivergenceStore.createTable(target);
                        divergences.seen(target, table.mapping(), diverged, at);
                    }
                    if (DivergenceStore.isThere(target)) {
                        divergences.close(target, source, equal, at);
                    }
                    return true;
                });
        compared += isKept ? equal.size() + diverged.size() : 0;
        if (isKept && !diverged.isEmpty() && open.add(source)) {
            log.warn("lane {}: {}: {} rows differ soon after they were touched; `sluice repair --from-divergences` shows them",
                    lane.name(), source, diverged.size());
        }
        return isKept;
    }

    /** Rows that differed when they were last compared: how many, and the keys of some, those of the earliest look. */
    record Open(long rows, List<List<String>> keys) {
        static final Open NONE = new Open(0, List.of());
    }

    /** Empty if it cannot be told. */
    Optional<Open> open(TableId source) {
        if (!open.contains(source)) {
            return Optional.of(Open.NONE);
        }
        Optional<Open> found = attempt("sluice.divergence of the target cannot be read", Optional.empty(), target -> {
            if (!DivergenceStore.isThere(target)) {
                return Optional.of(Open.NONE);
            }
            List<List<String>> keys = divergences.openKeys(target, source, AGAIN);
            long rows = keys.size() < AGAIN ? keys.size() : divergences.open(target).getOrDefault(source, 0L);
            return Optional.of(new Open(rows, keys));
        });
        if (found.isPresent() && found.get().keys().isEmpty()) {
            open.remove(source);
        }
        return found;
    }

    // ---- whole tables

    /** How long ago its last pass was through, if it was in sync then. */
    Optional<Duration> sinceVerified(TableId source) {
        return attempt("sluice.verification of the target cannot be read", Optional.empty(), target ->
                VerificationHistory.sinceVerified(target, name, source));
    }

    StoredDivergences divergences() {
        return StoredDivergences.open(config, StoredDivergences.MOST_KEYS);
    }

    /** @param isAny also ranges in which rows were in flight */
    List<RangeLedger.Range> cutOff(TableId source, String columns, Duration longest, boolean isAny) {
        return attempt("sluice.verified_range of the target cannot be read", List.of(), target -> {
            RangeLedger.createTable(target);
            return RangeLedger.cutOff(target, name, source, columns, longest.toSeconds(), isAny);
        });
    }

    void saveRange(TablePass pass, RangeLedger.Range range) {
        attempt("sluice.verified_range of the target cannot be written", false, target -> {
            RangeLedger.createTable(target);
            RangeLedger.save(target, name, pass.mapping().source(), pass.columns(), pass.ranges(), range);
            return true;
        });
    }

    void saveResult(TablePass pass, TableVerification found) {
        if (found.isDiverged()) {
            open.add(found.source());
        }
        attempt("what was found is not stored in sluice.verification of the target", false, target -> {
            VerificationHistory.createTable(target);
            VerificationHistory.save(target, name, found, pass.began());
            RangeLedger.createTable(target);
            if (!found.isUnknown()) {
                RangeLedger.through(target, name, found.source(), pass.began());
            } else if (pass.began() != null) {
                RangeLedger.drop(target, name, found.source(), pass.began());
            }
            return true;
        });
    }

    void saveReferences(TableId source, List<ReferenceVerification> found) {
        attempt("what was found of references is not stored in sluice.verified_reference of the target", false, target -> {
            VerificationHistory.createTable(target);
            VerificationHistory.saveReferences(target, name, source, found);
            return true;
        });
    }

    @Override
    public void close() {
        try {
            if (connection.isPresent()) {
                connection.get().close();
            }
        } catch (SQLException e) {
            log.debug("closing: {}", e.getMessage());
        }
        connection = Optional.empty();
    }
}
