package dev.sluice.cli;

import dev.sluice.apply.RowPreview;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.divergence.Divergence.Kind;
import dev.sluice.divergence.Divergence;
import dev.sluice.divergence.DivergenceStore;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What comparisons have found in a lane's tables and no later one has found equal. */
final class OpenDivergences {
    private final PipelineConfig config;
    private final DivergenceStore store;
    private final Map<TableId, Long> counts;

    private OpenDivergences(PipelineConfig config, DivergenceStore store, Map<TableId, Long> counts) {
        this.config = config;
        this.store = store;
        this.counts = counts;
    }

    /** @throws Failure.Fatal if nothing was ever stored */
    static OpenDivergences read(PipelineConfig config, LaneConfig lane) {
        DivergenceStore store = new DivergenceStore(config.nameInTarget(lane));
        try (TargetSession session = TargetSession.open(config)) {
            if (!session.inTransaction("looking for sluice.divergence", DivergenceStore::isThere)) {
                throw new Failure.Fatal(
                        Stop.SETUP,
                        "target %s has no table sluice.divergence: no comparison has stored anything there"
                                .formatted(config.target().address()),
                        "run `sluice compare`, which says what it stores");
            }
            return new OpenDivergences(config, store, session.inTransaction("reading sluice.divergence", store::open));
        }
    }

    long count(TableId source) {
        return counts.getOrDefault(source, 0L);
    }

    /** Numbers by tables that the lane does not have. */
    Map<TableId, Long> unmapped(LaneConfig lane) {
        Map<TableId, Long> unmapped = new LinkedHashMap<>(counts);
        lane.tables().forEach(mapping -> unmapped.remove(mapping.source()));
        return unmapped;
    }

    List<Divergence> of(TableId source) {
        try (TargetSession session = TargetSession.open(config)) {
            return session.inTransaction("reading sluice.divergence", target -> store.open(target, source));
        }
    }

    /**
     * The key as the source prints it; that of a row which only the target has is the target's text.
     *
     * @throws Failure.Fatal if the source has no such value, or another key
     */
    List<String> key(Divergence divergence, RowPreview preview) {
        if (divergence.key().size() != preview.keyColumns().size()) {
            throw new Failure.Fatal(
                    Stop.USAGE,
                    "it was compared by another key, which is now %s".formatted(preview.keyColumns()),
                    "run `sluice compare`");
        }
        return divergence.kind() == Kind.EXTRA ? preview.canonical(divergence.key()) : divergence.key();
    }

    /** Its columns that only a comparison looks at. */
    List<String> computed(Divergence divergence, TableMapping mapping) {
        return divergence.columns().stream().filter(mapping.transform()::containsKey).toList();
    }
}
