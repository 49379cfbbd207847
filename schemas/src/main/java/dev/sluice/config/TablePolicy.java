package dev.sluice.config;

/**
 * What is done with changes of a table that can be followed in more than one way.
 *
 * @param newColumns of the source that the target does not have
 * @param truncate of the source table
 * @param triggers of the target table, user-defined ones and those of cascading foreign keys
 */
public record TablePolicy(NewColumns newColumns, Truncate truncate, Triggers triggers) {
    public static final TablePolicy DEFAULT = new TablePolicy(NewColumns.IGNORE, Truncate.APPLY, Triggers.SUPPRESS);

    /** A column that appears at the source while the stream runs. */
    public enum NewColumns {
        /** Its values are left out, and a finding says so. */
        IGNORE,
        /** It is added to the target; rows written before keep NULL. */
        ADD,
        /** The table stops, the others go on. */
        STOP
    }

    /** A TRUNCATE at the source. */
    public enum Truncate {
        APPLY,
        /** The table stops before it, the others go on. */
        STOP
    }

    /** What fires in the target when apply writes. */
    public enum Triggers {
        /** None but those that are enabled ALWAYS or for replicas: what they did at the source comes in the stream. */
        SUPPRESS,
        /** All, as for anybody. */
        FIRE
    }
}
