package dev.sluice.reconciler;

import dev.sluice.catalog.Catalog;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.Failure;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/**
 * The digest of a whole table in one statement on each side, both at the same time: the statement of {@link TablePass} without its
 * ranges, in sessions with the same settings. It tells nothing of living databases; what a comparison costs at the least is
 * measured by it.
 *
 * <p>Threads: one at a time.
 */
public final class BareDigest implements AutoCloseable {
    private static final long SEED = 1;

    private final Connection source;
    private final Connection target;
    private final ComparedTable table;

    private BareDigest(Connection source, Connection target, ComparedTable table) {
        this.source = source;
        this.target = target;
        this.table = table;
    }

    /**
     * @throws Failure.Fatal if the table or a column is missing, or may not be read
     * @throws Failure.Retryable if a database cannot be reached
     */
    public static BareDigest open(PipelineConfig config, TableMapping mapping) {
        try {
            Connection source = Snapshots.open(config.source());
            try {
                Connection target = Snapshots.open(config.target());
                TableShape here = RowComparison.shape(Catalog.read(source, List.of(mapping.source())), mapping.source(), config.source());
                TableShape there = RowComparison.shape(Catalog.read(target, List.of(mapping.target())), mapping.target(), config.target());
                ComparedTable table = new ComparedTable(mapping, here, there, ComputedPairs.read(config, mapping, here, there));
                source.rollback();
                target.rollback();
                return new BareDigest(source, target, table);
            } catch (SQLException | RuntimeException e) {
                source.close();
                throw e;
            }
        } catch (SQLException e) {
            throw Snapshots.translate(e);
        }
    }

    /** Whether both sides have the same rows; returns when both servers have answered. */
    public boolean isSame() {
        CompletableFuture<Digest> here =
                CompletableFuture.supplyAsync(() -> digest(source, table.sourceDigestSql(RowCondition.ALL, SEED)));
        Digest there = digest(target, table.targetDigestSql(RowCondition.ALL, SEED));
        try {
            return here.join().isSame(there);
        } catch (CompletionException e) {
            throw e.getCause() instanceof Failure failure ? failure : e;
        }
    }

    private static Digest digest(Connection side, String sql) {
        try {
            Digest digest = Digest.read(side, sql);
            side.rollback();
            return digest;
        } catch (SQLException e) {
            throw Snapshots.translate(e);
        }
    }

    @Override
    public void close() {
        try (source;
                target) {
            source.rollback();
        } catch (SQLException e) {
            throw Snapshots.translate(e);
        }
    }
}
