package dev.sluice.reconciler;

import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Databases;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.divergence.Divergence;
import dev.sluice.divergence.DivergenceStore;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Keeps the rows that differ in {@code sluice.divergence} of the target, in transactions of {@value #BATCH} rows. Where that is
 * not possible the comparison goes on without it, and {@link #lines} says why.
 *
 * <p>Threads: one at a time.
 */
final class StoredDivergences implements Divergences, AutoCloseable {
    /** Most keys of a table that a pass keeps, the first in the order in which it compares. */
    static final int MOST_KEYS = 100_000;

    private static final int BATCH = 1_000;

    private final DatabaseConfig target;
    private final PipelineConfig config;
    private final int mostKeys;
    private final List<Divergence> batch = new ArrayList<>();
    private final List<String> notes = new ArrayList<>();
    private Optional<Connection> connection = Optional.empty();
    private Optional<String> trouble = Optional.empty();
    private boolean isThere;
    private boolean isComplete;
    /** Of the table. */
    private OffsetDateTime pass;
    /** Of the batch. */
    private OffsetDateTime seen;
    private DivergenceStore store;
    private ComparedTable table;
    private long kept;
    private long stored;
    private long closed;

    /** Something to be written in one transaction. */
    private interface Work {
        void run(Connection target) throws SQLException;
    }

    private StoredDivergences(PipelineConfig config, int mostKeys) {
        this.config = config;
        this.target = config.target();
        this.mostKeys = mostKeys;
    }

    /** For any number of tables. */
    static StoredDivergences open(PipelineConfig config, int mostKeys) {
        StoredDivergences divergences = new StoredDivergences(config, mostKeys);
        divergences.connect();
        return divergences;
    }

    private void connect() {
        try {
            Connection opened = Databases.connect(target, "sluice-compare");
            connection = Optional.of(opened);
            try (Statement set = opened.createStatement()) {
                set.execute("SET lock_timeout = '10s'");
            }
            opened.setAutoCommit(false);
        } catch (SQLException e) {
            troubled(e);
        }
        write(to -> {
            isThere = DivergenceStore.isThere(to);
            DivergenceStore.forgetOld(to);
            isComplete = DivergenceStore.isComplete(to);
        });
    }

    @Override
    public void begin(LaneConfig lane, ComparedTable compared, OffsetDateTime began) {
        pass = began;
        store = new DivergenceStore(config.nameInTarget(lane));
        table = compared;
        batch.clear();
        kept = 0;
    }

    @Override
    public void found(Divergence divergence, OffsetDateTime at) {
        if (!at.equals(seen)) {
            flush();
            seen = at;
        }
        if (kept < mostKeys) {
            kept++;
            batch.add(divergence);
        }
        if (batch.size() == BATCH) {
            flush();
        }
    }

    private void flush() {
        if (!batch.isEmpty()) {
            write(to -> {
                if (!isComplete) {
                    DivergenceStore.createTable(to);
                    isComplete = DivergenceStore.isComplete(to);
                }
                store.seen(to, table.mapping(), batch, seen);
            });
            isThere = true;
            batch.clear();
        }
    }

    @Override
    public void end(TableComparison comparison) {
        TableId source = comparison.source();
        if (!table.hasKey()) {
            if (!comparison.isEqual()) {
                notes.add("%s has no key, its rows are not stored; `sluice resync --table %s` makes it equal"
                        .formatted(source, source));
            }
            return;
        }
        flush();
        boolean isCut = comparison.differenceCount() > kept;
        if (isCut) {
            notes.add("%s: the first %,d of %,d keys are stored; `sluice resync --table %s` makes the whole table equal"
                    .formatted(source, kept, comparison.differenceCount(), source));
        }
        stored += kept;
        int[] changed = {BATCH};
        while (isThere && trouble.isEmpty() && changed[0] == BATCH) {
            write(to -> changed[0] = isCut
                    ? store.forgetUnseen(to, source, pass, BATCH)
                    : store.closeUnseen(to, source, pass, BATCH));
            closed += isCut || trouble.isPresent() ? 0 : changed[0];
        }
    }

    @Override
    public void endPartly() {
        flush();
        stored += kept;
    }

    private void write(Work work) {
        if (trouble.isPresent()) {
            return;
        }
        try {
            work.run(connection.orElseThrow());
            connection.orElseThrow().commit();
        } catch (SQLException e) {
            troubled(e);
        }
    }

    private void troubled(SQLException e) {
        String cure = switch (String.valueOf(e.getSQLState())) {
            case "42501" -> ("GRANT USAGE, CREATE ON SCHEMA sluice TO %1$s; and if it is there,"
                            + " GRANT SELECT, INSERT, UPDATE, DELETE ON sluice.divergence TO %1$s;")
                    .formatted(TableId.quote(target.user()));
            case "3F000" -> "start `sluice apply`: it makes schema sluice, and it does the repairing";
            default -> "compare again when that is over";
        };
        trouble = Optional.of(("differing keys are NOT STORED in sluice.divergence of the target: %s;"
                        + " `sluice repair --from-divergences` lacks them; cure: %s")
                .formatted(Databases.reason(e), cure));
    }

    /** Why nothing more is kept; empty if there is no such reason. */
    Optional<String> trouble() {
        return trouble;
    }

    /** What was kept and what not, for a person; nothing if there is nothing to say. */
    List<String> lines() {
        List<String> lines = new ArrayList<>();
        trouble.ifPresent(lines::add);
        if (trouble.isEmpty()) {
            lines.addAll(notes);
            if (stored > 0) {
                lines.add(("%,d differing keys are stored; `sluice repair --from-divergences` shows them,"
                                + " with --execute it repairs them")
                        .formatted(stored));
            }
            if (stored > 0 && !isComplete) {
                lines.add("their explanations are not stored: sluice.divergence is of an earlier version; as its owner: "
                        + DivergenceStore.COMPLETE);
            }
            if (closed > 0) {
                lines.add("%,d keys that differed before are equal now".formatted(closed));
            }
        }
        return lines;
    }

    @Override
    public void close() {
        try {
            if (connection.isPresent()) {
                connection.get().close();
            }
        } catch (SQLException e) {
            // it is gone already
            return;
        }
    }
}
