package dev.sluice.reconciler;

import dev.sluice.config.LaneConfig;
import dev.sluice.divergence.Divergence;
import java.time.OffsetDateTime;

/** Takes the rows that differ, table after table, as they are found. */
public interface Divergences {
    /** For whom the report is enough. */
    Divergences NOT_KEPT = new Divergences() {
        @Override
        public void begin(LaneConfig lane, ComparedTable table, OffsetDateTime pass) {}

        @Override
        public void found(Divergence divergence, OffsetDateTime seen) {}

        @Override
        public void end(TableComparison comparison) {}

        @Override
        public void endPartly() {}
    };

    /** @param pass the target's clock before the table's first snapshot */
    void begin(LaneConfig lane, ComparedTable table, OffsetDateTime pass);

    /**
     * A row of a table that has a key.
     *
     * @param seen the target's clock before the snapshot in which it was found
     */
    void found(Divergence divergence, OffsetDateTime seen);

    /** The whole table has been compared. */
    void end(TableComparison comparison);

    /** Some rows of the table have not been compared: what was known of them stays. */
    void endPartly();
}
