package dev.sluice.config;

import dev.sluice.schemas.TableId;
import java.util.Map;
import java.util.Set;

/**
 * How a source table lands in the target.
 *
 * @param rename target column name by source column name
 * @param exclude source columns that the target does not get
 * @param constants value, as PostgreSQL text, by target column name that has no source column
 * @param transform what is computed from the source's columns, by target column name
 */
public record TableMapping(
        TableId source,
        TableId target,
        String lane,
        Map<String, String> rename,
        Set<String> exclude,
        Map<String, String> constants,
        Map<String, Transform> transform,
        TablePolicy policy) {

    /**
     * How a target column comes from the source's.
     *
     * @param key of the configuration, for messages
     * @param expression SQL over the source's columns, as it was written
     */
    public record Transform(String key, String expression) {}

    /** Without transformed columns, with the default policy. */
    public TableMapping(
            TableId source,
            TableId target,
            String lane,
            Map<String, String> rename,
            Set<String> exclude,
            Map<String, String> constants) {
        this(source, target, lane, rename, exclude, constants, Map.of(), TablePolicy.DEFAULT);
    }

    public TableMapping with(TablePolicy other) {
        return new TableMapping(source, target, lane, rename, exclude, constants, transform, other);
    }

    /** The target's name of a source column that is not excluded. */
    public String targetColumn(String sourceColumn) {
        return rename.getOrDefault(sourceColumn, sourceColumn);
    }

    /** Every row as it is, same names. */
    public static TableMapping identity(TableId table, String lane) {
        return new TableMapping(table, table, lane, Map.of(), Set.of(), Map.of());
    }
}
