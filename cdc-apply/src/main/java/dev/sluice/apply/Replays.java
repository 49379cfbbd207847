package dev.sluice.apply;

import dev.sluice.apply.DeadLetterStore.Parked;
import dev.sluice.apply.DeadLetterStore.Payload;
import dev.sluice.apply.DeadLetterStore.Refusal;
import dev.sluice.apply.DeadLetterStore.Requested;
import dev.sluice.apply.DeadLetterStore.State;
import dev.sluice.apply.RowChange.Key;
import dev.sluice.apply.RowChange.Kind;
import dev.sluice.apply.RowChange.Origin;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.Headers;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes dead letters that somebody wants replayed, between two source transactions.
 *
 * <p>A letter is never written without those before it that concern the same row, and they are written in the order of the lane, so
 * the row ends as the lane has it. What is refused again stays parked. Where the columns of the table have changed since, for
 * letters of which nobody knows what has happened since, and where other rows have what the row has given up since, the rows are
 * read from the source instead.
 *
 * <p>Delivery: letters and rows are one target transaction, so a crash repeats nothing.
 *
 * <p>Threads: the lane's.
 */
final class Replays {
    private static final Logger log = LoggerFactory.getLogger(Replays.class);
    private static final long LOOK_NANOS = Duration.ofSeconds(1).toNanos();

    /** Letters in one target transaction. */
    private static final int MOST = 200;

    private static final long MOST_BYTES = Math.min(16L << 20, Runtime.getRuntime().maxMemory() / 16);

    private final LaneConfig lane;
    private final LaneLock lock;
    private final Connection target;
    private final TargetTables tables;
    private final Parking parking;
    private final DeadLetterStore store;
    private final RepairStore repairs;
    private final Map<TableId, TargetTable> bySource = new HashMap<>();
    private final EventDecoder decoder = new EventDecoder();
    /** By row, the letters that are not closed. */
    private final Map<Row, Set<Long>> chains = new HashMap<>();
    private long lookedAt = System.nanoTime() - LOOK_NANOS;

    /** @param byTopic the tables that are not held */
    Replays(
            PipelineConfig config,
            LaneConfig lane,
            LaneLock lock,
            TargetTables tables,
            Map<String, TargetTable> byTopic,
            Parking parking) {
        this.lane = lane;
        this.lock = lock;
        this.target = lock.connection();
        this.tables = tables;
        this.parking = parking;
        this.store = parking.store();
        this.repairs = new RepairStore(config.nameInTarget(lane));
        byTopic.values().forEach(table -> bySource.put(table.source(), table));
    }

    /** Replays some of what is asked for; called between two transactions, with everything written that was taken. */
    void turn() throws SQLException {
        if (System.nanoTime() - lookedAt < LOOK_NANOS) {
            return;
        }
        lookedAt = System.nanoTime();
        if (store.isReplaying(target)) {
            replaySome();
        }
        target.commit();
        lock.used();
    }

    private void replaySome() throws SQLException {
        finishRepaired();
        store.waitFor(target, bySource.keySet(), "its table is held, or apply does not have it; `sluice status` says more");
        List<Requested> asked = store.requested(target, bySource.keySet(), MOST);
        if (!asked.isEmpty()) {
            replay(withThoseBefore(asked));
        }
        store.finishRuns(target); // the stream, or somebody, may have closed the last letter of one
        if (asked.size() == MOST) {
            lookedAt -= LOOK_NANOS; // there may be more
        }
    }

    private void finishRepaired() throws SQLException {
        Map<Long, String> repaired = store.repaired(target);
        for (Map.Entry<Long, String> one : repaired.entrySet()) {
            if (one.getValue().isEmpty()) {
                store.close(target, List.of(one.getKey()), State.REPLAYED, "a reading of its row from the source");
            } else {
                store.refusedAgain(target, one.getKey(), new Refusal("reread", null, null, one.getValue()));
            }
        }
    }

    /** A row that letters concern. */
    private record Row(TableId table, Key key) {}

    /**
     * The first of the letters and of those before them that concern the same rows, in the order of the lane. The lane stands still
     * while they are tried; the others stay asked for.
     */
    private List<Requested> withThoseBefore(List<Requested> asked) throws SQLException {
        Map<Long, Requested> all = new TreeMap<>();
        chains.clear();
        List<Requested> fresh = asked;
        while (!fresh.isEmpty()) {
            fresh.forEach(letter -> all.put(letter.id(), letter));
            readChains(fresh);
            Set<Long> before = new LinkedHashSet<>();
            for (Requested letter : fresh) {
                Set<Long> earlier = letter.keys().stream()
                        .flatMap(key -> chains.get(new Row(letter.table(), key)).stream())
                        .filter(id -> id < letter.id() && !all.containsKey(id))
                        .collect(Collectors.toSet());
                if (!earlier.isEmpty()) {
                    store.takeAlong(target, letter.id(), earlier);
                    before.addAll(earlier);
                }
            }
            fresh = before.isEmpty() ? List.of() : store.letters(target, before);
        }
        return all.values().stream().limit(MOST).toList();
    }

    private void readChains(List<Requested> letters) throws SQLException {
        Set<Long> hashes = new HashSet<>();
        for (Requested letter : letters) {
            letter.keys().forEach(key -> {
                hashes.add(DeadLetterStore.hash(letter.table(), key.values()));
                chains.computeIfAbsent(new Row(letter.table(), key), row -> new TreeSet<>()).add(letter.id());
            });
        }
        for (Parked parked : store.alike(target, hashes)) {
            parked.keys().forEach(key ->
                    chains.computeIfAbsent(new Row(parked.table(), key), row -> new TreeSet<>()).add(parked.id()));
        }
    }

    private boolean isAlone(Requested letter) {
        return letter.keys().stream().allMatch(key -> chains.get(new Row(letter.table(), key)).size() == 1);
    }

    private boolean isFollowed(Requested letter) {
        return letter.keys().stream()
                .flatMap(key -> chains.get(new Row(letter.table(), key)).stream())
                .anyMatch(id -> id > letter.id());
    }

    private void replay(List<Requested> letters) throws SQLException {
        List<Requested> some = new ArrayList<>();
        long bytes = 0;
        for (Requested letter : letters) {
            if (letter.isOutOfDate() || letter.kind() == Kind.UNREADABLE && !letter.isEdited()) {
                readAgain(letter); // what reads as an event may still be somebody else's
            } else {
                bytes += letter.bytes();
                if (bytes > MOST_BYTES && !some.isEmpty()) {
                    break; // the rest stays asked for
                }
                some.add(letter);
            }
        }
        write(some);
    }

    private void write(List<Requested> letters) throws SQLException {
        Map<Long, Payload> payloads = store.payloads(target, letters.stream().map(Requested::id).toList());
        List<RowChange> changes = new ArrayList<>();
        Set<Long> alone = new HashSet<>();
        for (Requested letter : letters) {
            try {
                RowChange change = decoded(letter, payloads.get(letter.id()));
                if (change.key() != null && !letter.isEdited() && isBetterRead(change)) {
                    readAgain(letter);
                    continue;
                }
                changes.add(change);
                if (isAlone(letter)) {
                    alone.add(letter.id());
                }
            } catch (SchemaChange e) {
                readAgain(letter);
            } catch (TableStopped e) {
                store.refusedAgain(target, letter.id(), new Refusal("table", null, null, e.getMessage()));
            }
        }
        if (changes.isEmpty()) {
            return;
        }
        TargetWriter writer = new TargetWriter(target, tables);
        writer.awaitedAtSource(Set.of());
        try {
            tables.deferConstraints(target);
            parking.beginReplay(alone);
            writer.writeApart(changes, parking);
            Set<Long> refusedForOthers = parking.endReplay();
            for (Requested letter : letters) {
                if (refusedForOthers.contains(letter.id()) && isFollowed(letter)) {
                    readAgain(letter); // others may have what this row has given up since
                }
            }
            lock.ownCommitTime();
        } catch (SQLException e) {
            TargetFailures.stopped(e, writer.last()).ifPresent(stopped -> {
                throw stopped;
            });
            throw e;
        }
        log.info(
                "lane {}: {} of {} dead letters were replayed, up to number {}",
                lane.name(), changes.size() - parking.refusedAgain(), changes.size(), letters.get(letters.size() - 1).id());
    }

    /**
     * Whether the letter does not say anything any more, or its key may be spelt in several ways: then later changes of its row may
     * not have been known as such.
     */
    private static boolean isBetterRead(RowChange change) {
        return change.kind() == Kind.UNREADABLE || !change.table().hasPlainKey();
    }

    /** As the index has it: half of a change of key may have been parked by itself, while its table was read. */
    private RowChange decoded(Requested letter, Payload payload) {
        TargetTable table = bySource.get(letter.table());
        Origin origin = new Origin(letter.partition(), letter.offset(), letter.id());
        ConsumerRecord<byte[], byte[]> record = new ConsumerRecord<>(
                letter.partition().topic(),
                letter.partition().partition(),
                letter.offset(),
                payload.recordKey(),
                payload.value());
        if (letter.oldKey() != null) {
            record.headers().add(Headers.OLD_KEY, payload.oldRecordKey());
        }
        RowChange change = decoder.decode(new LaneRecord(record, letter.partition(), 0, 0, null, 0), table);
        if (letter.kind() == Kind.DELETE && !letter.key().equals(change.key())) {
            return new RowChange(table, Kind.DELETE, letter.key(), null, null, origin);
        }
        return new RowChange(table, change.kind(), change.key(), change.values(), change.oldKey(), origin);
    }

    private void readAgain(Requested letter) throws SQLException {
        List<List<String>> keys = letter.keys().stream().map(Key::values).toList();
        if (keys.isEmpty()) {
            store.refusedAgain(
                    target,
                    letter.id(),
                    new Refusal("reread", null, null, "its key is not known; `sluice resync` of the table brings its row"));
            return;
        }
        store.repairs(target, letter.id(), repairs.request(target, letter.table(), keys, "replay of dead letter " + letter.id()));
    }
}
