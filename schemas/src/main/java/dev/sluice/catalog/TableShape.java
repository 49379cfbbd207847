package dev.sluice.catalog;

import dev.sluice.schemas.TableId;
import java.util.List;
import java.util.Optional;

/**
 * What the catalog says of one table.
 *
 * @param kind {@code pg_class.relkind}: r table, p partitioned table
 * @param persistence {@code pg_class.relpersistence}: p permanent, u unlogged, t temporary
 * @param columns in the table's order, dropped ones left out
 * @param primaryKey its columns in key order; empty if there is none
 * @param replicaIdentity {@code pg_class.relreplident}: d default, n nothing, f full, i index
 * @param identityIndex columns of the index that is the replica identity; empty unless {@code replicaIdentity} is i
 * @param uniqueIndexes column lists of all valid unique indexes over plain columns without a predicate, the primary
 *     key's included; those of deferrable constraints are left out, {@code ON CONFLICT} refuses them
 * @param partition true if the table is itself a partition of another
 */
public record TableShape(
        TableId id,
        char kind,
        char persistence,
        List<Column> columns,
        List<String> primaryKey,
        char replicaIdentity,
        List<String> identityIndex,
        List<List<String>> uniqueIndexes,
        boolean partition) {

    /**
     * The columns that name a row in the stream: the primary key, else the replica identity's index; empty if there is
     * neither.
     */
    public List<String> keyColumns() {
        return primaryKey.isEmpty() ? identityIndex : primaryKey;
    }

    public Optional<Column> column(String name) {
        return columns.stream().filter(c -> c.name().equals(name)).findFirst();
    }
}
