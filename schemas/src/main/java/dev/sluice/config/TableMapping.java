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
 */
public record TableMapping(
        TableId source,
        TableId target,
        String lane,
        Map<String, String> rename,
        Set<String> exclude,
        Map<String, String> constants,
        TablePolicy policy) {

    /** With the default policy. */
    public TableMapping(
            TableId source,
            TableId target,
            String lane,
            Map<String, String> rename,
            Set<String> exclude,
            Map<String, String> constants) {
        this(source, target, lane, rename, exclude, constants, TablePolicy.DEFAULT);
    }

    public TableMapping with(TablePolicy other) {
        return new TableMapping(source, target, lane, rename, exclude, constants, other);
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
