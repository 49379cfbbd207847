package dev.sluice.config;

import dev.sluice.schemas.TableId;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * How a source table lands in the target.
 *
 * @param rename target column name by source column name
 * @param exclude source columns that the target does not get
 * @param constants value, as PostgreSQL text, by target column name that has no source column
 * @param transform what is computed from the source's columns, by target column name
 * @param references to rows of other tables, which no foreign key need say
 */
public record TableMapping(
        TableId source,
        TableId target,
        String lane,
        Map<String, String> rename,
        Set<String> exclude,
        Map<String, String> constants,
        Map<String, Transform> transform,
        TablePolicy policy,
        List<Reference> references) {

    /**
     * Rows of the table refer to rows of another one; all in the source's names.
     *
     * @param path of the configuration, for messages
     * @param columns of this table; a row in which one of them is NULL refers to nothing
     * @param table a source table of the same lane
     * @param key its columns, in the order of {@code columns}
     */
    public record Reference(String path, List<String> columns, TableId table, List<String> key) {}

    /**
     * How a target column comes from the source's.
     *
     * @param key of the configuration, for messages
     * @param expression SQL over the source's columns, as it was written
     */
    public record Transform(String key, String expression) {}

    /** Without references. */
    public TableMapping(
            TableId source,
            TableId target,
            String lane,
            Map<String, String> rename,
            Set<String> exclude,
            Map<String, String> constants,
            Map<String, Transform> transform,
            TablePolicy policy) {
        this(source, target, lane, rename, exclude, constants, transform, policy, List.of());
    }

    /** Without transformed columns and references, with the default policy. */
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
        return new TableMapping(source, target, lane, rename, exclude, constants, transform, other, references);
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
