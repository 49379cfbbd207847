package dev.sluice.reconciler;

import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.divergence.Divergence;
import dev.sluice.schemas.TableId;
import java.sql.SQLException;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Compares the rows of a table that the stream has touched, as soon as both sides have the same events of them.
 *
 * <p>Threads: one.
 */
final class TouchedRows {
    /** A row that was in flight in so many looks is chased. */
    private static final int HOT = 5;

    /** Rows that are remembered to have been looked into. */
    private static final int EXPLAINED = 10_000;

    private final PipelineConfig config;
    private final LaneConfig lane;
    private final Verification verification;
    private final TouchedKeys keys;
    private final Found found;
    /** Rows to be looked at that the stream has not touched. */
    private final Map<TableId, List<List<String>>> others = new HashMap<>();
    /** Rows that still differed when they were last compared, and were looked into when they first did. */
    private final Map<TableId, Set<List<String>>> explained = new HashMap<>();

    /** Gets what a look has found. */
    interface Found {
        /**
         * @param equal keys of rows that are the same on both sides; where only digests were compared too
         * @param at the target's clock before its snapshot
         * @return whether it is kept; else they are looked at again
         */
        boolean rows(PairedTable table, List<Divergence> diverged, List<List<String>> equal, OffsetDateTime at);
    }

    TouchedRows(PipelineConfig config, LaneConfig lane, Verification verification, TouchedKeys keys, Found found) {
        this.config = config;
        this.lane = lane;
        this.verification = verification;
        this.keys = keys;
        this.found = found;
    }

    /** Rows that have differed are looked at too, the next time; those that are in flight then are not. */
    void also(TableId table, List<List<String>> some) {
        if (!some.isEmpty()) {
            others.put(table, some);
        }
    }

    boolean isAnyOf(TableId table) {
        return keys.isAnyOf(table) || others.containsKey(table);
    }

    /** @return why nothing can be told of the table now */
    Optional<String> look(TableMapping mapping) throws InterruptedException {
        TableId source = mapping.source();
        List<Compared> compared = new ArrayList<>();
        return verification.attempt(mapping, table -> {
            try {
                table.look(() -> {
                    InFlight now = table.inFlightInStream();
                    if (now.isWhole(source)) {
                        return;
                    }
                    long applied = table.pair().seq();
                    Map<List<String>, String> due = texts(table, keys.due(source, now, applied, PairedTable.KEYS_AT_ONCE));
                    Set<List<String>> some = new HashSet<>(due.keySet());
                    others(table).forEach(some::add);
                    compared.add(compare(table, due, List.copyOf(some)));
                    Map<List<String>, String> hot = texts(table, keys.hot(source, HOT, applied, PairedTable.KEYS_AT_ONCE));
                    table.chase(new HashSet<>(hot.keySet()), atRest -> compared.add(compare(table, hot, atRest)));
                });
            } finally {
                table.pair().release(); // looking for events takes its time
                compared.forEach(one -> tell(table, one));
            }
        });
    }

    /**
     * What a pair has told of some rows.
     *
     * @param shown rows that differ; {@code desk} gives those that it looks into as well
     * @param json the keys of rows that the stream has touched
     * @param applied number of the target's last event
     */
    private record Compared(
            EvidenceDesk desk, List<Divergence> shown, List<List<String>> equal, OffsetDateTime at, List<String> json, long applied) {}

    private void tell(PairedTable table, Compared one) {
        one.desk().handOn();
        if (found.rows(table, one.shown(), one.equal(), one.at())) {
            one.json().forEach(key -> keys.verified(table.source(), key, one.applied()));
        }
    }

    private List<List<String>> others(PairedTable table) throws TouchLog.Unknown, PairedTable.Busy {
        List<List<String>> some = others.remove(table.source());
        if (some == null) {
            return List.of();
        }
        Set<List<String>> inFlight = table.inFlight();
        int width = table.compared().key().size();
        return some.stream().filter(key -> key.size() == width && !inFlight.contains(key)).toList();
    }

    private Map<List<String>, String> texts(PairedTable table, List<String> some) {
        Map<List<String>, String> texts = new HashMap<>();
        for (String key : some) {
            Optional<List<String>> text = table.key(key);
            if (text.isEmpty()) {
                keys.forget(table.source()); // the key has changed
                return Map.of();
            }
            texts.put(text.get(), key);
        }
        return texts;
    }

    /** @param json the keys of those that the stream has touched */
    private Compared compare(PairedTable table, Map<List<String>, String> json, List<List<String>> some) throws SQLException {
        List<Divergence> diverged = new ArrayList<>();
        Set<List<String>> equal = new HashSet<>(some);
        long seed = ThreadLocalRandom.current().nextLong();
        if (!some.isEmpty() && table.rowsIfSame(table.keys(some), Set.of(), seed).isEmpty()) {
            table.compare(table.keys(some), Set.of(), diverged::add);
            diverged.forEach(one -> equal.remove(one.key()));
        }
        Set<List<String>> known = explained.computeIfAbsent(table.source(), t -> new HashSet<>());
        known.removeAll(equal);
        List<Divergence> shown = new ArrayList<>();
        EvidenceDesk desk = new EvidenceDesk(config, lane, (divergence, at) -> shown.add(divergence));
        for (Divergence one : diverged) {
            // of each row that the stream has touched, once for as long as it differs
            if (json.containsKey(one.key()) && known.size() < EXPLAINED && known.add(one.key())) {
                desk.found(one, table.pair().targetAt());
            } else {
                shown.add(one);
            }
        }
        desk.look(table.pair(), table.compared());
        boolean isBlind = !table.selfTest().unseen().isEmpty(); // then nothing is known to be equal
        return new Compared(desk, shown, isBlind ? List.of() : List.copyOf(equal), table.pair().targetAt(),
                some.stream().filter(json::containsKey).map(json::get).toList(), table.pair().seq());
    }
}
