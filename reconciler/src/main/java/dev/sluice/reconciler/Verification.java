package dev.sluice.reconciler;

import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.TableId;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Compares tables of two living databases, exactly: while both are written, and however far behind the target is.
 *
 * <p>Both sides are read in a {@link SnapshotPair}. A row is in flight if one of the snapshots has a change of it that the other
 * has not ({@link TouchLog}); every other row must be the same, and one that is not is confirmed at once. Rows in flight are looked
 * at again in pairs of their own until they have come to rest.
 *
 * <p>Why it is exact: the transactions that write one row follow each other on its lock, and their changes are in the stream in
 * that order, so both sides have a beginning of the same sequence; equal beginnings make equal rows.
 *
 * <p>A table goes range by range of its key ({@link TablePass}), each in a pair of its own, so no snapshot is held for long; rows that
 * the stream has touched go one by one ({@link TouchedRows}).
 *
 * <p>Threads: one at a time.
 */
public final class Verification implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Verification.class);

    /** Of a range whose references are looked at. */
    private static final int REFERRING_ROWS = 100_000;

    private final PipelineConfig config;
    private final LaneConfig lane;
    private final int rangeRows;
    private final boolean isRowByRow;
    private final boolean isLasting;
    private final TouchLog touches;
    private final SelfTests selfTests = new SelfTests();
    private final Map<TableId, PairedTable> tables = new HashMap<>();
    private Optional<Sides> sides = Optional.empty();

    /**
     * One that goes on for ever: what a person must mend makes a table unknown, and does not end anything.
     *
     * @param touches is closed with it
     */
    static Verification lasting(PipelineConfig config, LaneConfig lane, TouchLog touches) {
        return new Verification(config, lane, TablePass.RANGE_ROWS, false, touches, true);
    }

    /**
     * @param rangeRows of a range, at most
     * @param isRowByRow rows are compared one by one also where digests would do
     */
    public Verification(PipelineConfig config, LaneConfig lane, int rangeRows, boolean isRowByRow) {
        this(config, lane, rangeRows, isRowByRow, new TouchLog(config, lane, TouchLog.Listener.NONE, Optional.empty()), false);
    }

    private Verification(
            PipelineConfig config, LaneConfig lane, int rangeRows, boolean isRowByRow, TouchLog touches, boolean isLasting) {
        this.isLasting = isLasting;
        this.config = config;
        this.lane = lane;
        this.rangeRows = rangeRows;
        this.isRowByRow = isRowByRow;
        this.touches = touches;
    }

    /**
     * The whole of a table.
     *
     * @param divergences gets what is confirmed
     * @param progress called after each range
     * @throws Failure.Fatal if a table or column is missing, or may not be read
     */
    public TableVerification verify(TableMapping mapping, Divergences divergences, Progress progress) throws InterruptedException {
        TablePass pass = pass(mapping, divergences, TablePass.Earlier.NONE);
        while (!pass.isDone()) {
            step(pass);
            progress.at(mapping.source(), pass.rows(), pass.estimated());
        }
        return pass.result();
    }

    /** A pass over a table; it is done in steps. */
    TablePass pass(TableMapping mapping, Divergences divergences, TablePass.Earlier earlier) {
        return new TablePass(config, lane, mapping, divergences, rangeRows, earlier);
    }

    /**
     * The next range of a pass, or another look at rows that were in flight.
     *
     * @throws Failure.Fatal if a table or column is missing, or may not be read
     */
    void step(TablePass pass) throws InterruptedException {
        attempt(pass.mapping(), pass::step).ifPresent(pass::unknown);
    }

    /** Work on a table, with both databases. */
    interface Work {
        void on(PairedTable table) throws SQLException, TouchLog.Unknown, InterruptedException;
    }

    /**
     * Does the work with both databases at hand; their snapshots are let go behind it.
     *
     * @return why it could not be done
     * @throws Failure.Fatal if a person is needed
     */
    Optional<String> attempt(TableMapping mapping, Work work) throws InterruptedException {
        try {
            if (sides.isEmpty()) {
                sides = Optional.of(Sides.open(config, lane, touches, isRowByRow));
            }
            work.on(paired(mapping));
            return Optional.empty();
        } catch (TouchLog.Unknown e) {
            return Optional.of(e.getMessage());
        } catch (SQLException e) {
            closeSides();
            return unknown(Snapshots.translate(e));
        } catch (Failure e) {
            return unknown(e);
        } finally {
            release();
        }
    }

    /**
     * The references whose child a table is: those of the mapping, and the foreign keys of the target.
     *
     * @throws Failure.Fatal if a table or column may not be read
     */
    public List<ReferenceVerification> verifyReferences(TableMapping child) throws InterruptedException {
        List<ReferencePass> passes = new ArrayList<>();
        Optional<String> unknown = addReferences(child, passes);
        if (unknown.isPresent()) {
            return List.of(ReferenceVerification.unknown(child.source(), unknown.get()));
        }
        for (ReferencePass pass : passes) {
            while (!pass.isDone()) {
                step(pass);
            }
        }
        return passes.stream().map(ReferencePass::result).toList();
    }

    /**
     * Adds a pass for each reference of a table.
     *
     * @return why it cannot be told which there are
     */
    Optional<String> addReferences(TableMapping child, Collection<ReferencePass> passes) throws InterruptedException {
        return attempt(child, table -> {
            for (CheckedReference one : CheckedReference.of(lane, child, table.pair().source(), table.pair().target())) {
                passes.add(new ReferencePass(one, child, Math.min(rangeRows, REFERRING_ROWS)));
            }
        });
    }

    /** As {@link #step(TablePass)}. */
    void step(ReferencePass pass) throws InterruptedException {
        attempt(pass.child(), table -> pass.step(table, pass.parent().map(this::paired))).ifPresent(pass::unknown);
    }

    private Optional<String> unknown(Failure failure) {
        if (failure instanceof Failure.Fatal fatal) {
            if (!isLasting) {
                throw fatal;
            }
            return Optional.of("%s; %s".formatted(fatal.getMessage(), fatal.remedy()));
        }
        return Optional.of(failure.getMessage());
    }

    private PairedTable paired(TableMapping mapping) {
        return tables.computeIfAbsent(
                mapping.source(), t -> new PairedTable(config, lane, mapping, sides.orElseThrow(), selfTests));
    }

    /** How far a table is. */
    public interface Progress {
        Progress SILENT = (table, done, estimated) -> {};

        /** @param estimated rows in all, as the source's statistics have it */
        void at(TableId table, long done, long estimated);
    }

    private void release() {
        try {
            if (sides.isPresent()) {
                sides.get().pair().release();
            }
        } catch (SQLException e) {
            closeSides();
        }
    }

    private void closeSides() {
        try {
            if (sides.isPresent()) {
                sides.get().pair().close();
            }
        } catch (SQLException e) {
            log.debug("closing: {}", e.getMessage());
        }
        sides = Optional.empty();
        tables.clear();
    }

    @Override
    public void close() {
        closeSides();
        touches.close();
    }
}
