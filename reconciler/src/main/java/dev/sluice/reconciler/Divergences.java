package dev.sluice.reconciler;

import dev.sluice.config.LaneConfig;
import dev.sluice.divergence.Divergence;

/** Takes the rows that differ, table after table, as they are found. */
public interface Divergences {
    /** For whom the report is enough. */
    Divergences NOT_KEPT = new Divergences() {
        @Override
        public void begin(LaneConfig lane, ComparedTable table) {}

        @Override
        public void found(Divergence divergence) {}

        @Override
        public void end(TableComparison comparison) {}

        @Override
        public void endPartly() {}
    };

    void begin(LaneConfig lane, ComparedTable table);

    /** A row of a table that has a key. */
    void found(Divergence divergence);

    /** The whole table has been compared. */
    void end(TableComparison comparison);

    /** Some rows of the table have not been compared: what was known of them stays. */
    void endPartly();
}
