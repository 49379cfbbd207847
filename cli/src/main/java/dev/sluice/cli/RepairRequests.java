package dev.sluice.cli;

import dev.sluice.apply.RepairStore;
import dev.sluice.apply.RepairStore.Outcome;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.io.PrintWriter;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Has a table's rows repaired by the lane's applier, and waits for it; what keeps it waiting is said. */
final class RepairRequests {
    private static final long PATIENCE_NANOS = TimeUnit.MINUTES.toNanos(10);

    private final PipelineConfig config;
    private final RepairStore store;
    private final TableId source;
    private final PrintWriter err;

    RepairRequests(PipelineConfig config, LaneConfig lane, TableId source, PrintWriter err) {
        this.config = config;
        this.store = new RepairStore(config.nameInTarget(lane));
        this.source = source;
        this.err = err;
    }

    /**
     * Returns when each row is repaired or has failed.
     *
     * @param keys canonical
     * @return why rows were not repaired, by key
     * @throws Failure.Retryable if that takes longer than 10 minutes
     */
    Map<List<String>, String> fulfil(List<List<String>> keys) throws InterruptedException {
        if (keys.isEmpty()) {
            return Map.of();
        }
        try (TargetSession session = TargetSession.open(config)) {
            if (!session.inTransaction("looking for sluice.repair", RepairStore::isThere)) {
                throw new Failure.Fatal(
                        Stop.SETUP,
                        "target %s has no table sluice.repair: no `sluice apply` of this version has been at work there"
                                .formatted(config.target().address()),
                        "start `sluice apply`: it makes the table, and it does the repairing");
            }
            String by = System.getProperty("user.name") + ", " + config.target().user();
            List<Long> ids = session.inTransaction("requesting repairs", target -> store.request(target, source, keys, by));
            Map<Long, Outcome> outcomes = follow(session, ids);
            Map<List<String>, String> failed = new HashMap<>();
            for (int i = 0; i < ids.size(); i++) {
                Outcome outcome = outcomes.get(ids.get(i));
                if (outcome != null && outcome.state() == RepairStore.State.FAILED) {
                    failed.put(keys.get(i), outcome.message());
                }
            }
            return failed;
        }
    }

    private Map<Long, Outcome> follow(TargetSession session, List<Long> ids) throws InterruptedException {
        String said = "";
        long began = System.nanoTime();
        while (System.nanoTime() - began < PATIENCE_NANOS) {
            Map<Long, Outcome> outcomes = session.inTransaction("looking at repairs", target -> store.outcomes(target, ids));
            String now = String.join("; ", new LinkedHashSet<>(outcomes.values().stream()
                    .filter(outcome -> outcome.state() == RepairStore.State.REQUESTED)
                    .map(Outcome::message)
                    .filter(message -> !message.isEmpty())
                    .toList()));
            if (!now.equals(said)) {
                said = now;
                err.println(now.isEmpty() ? "it goes on" : "waits: " + now);
                err.flush();
            }
            if (outcomes.values().stream().noneMatch(outcome -> outcome.state() == RepairStore.State.REQUESTED)) {
                return outcomes;
            }
            TimeUnit.MILLISECONDS.sleep(100);
        }
        throw new Failure.Retryable(
                "not repaired within 10 minutes; the requests stay, `sluice apply` does them when it can", null);
    }
}
