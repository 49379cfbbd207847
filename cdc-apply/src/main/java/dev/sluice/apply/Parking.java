package dev.sluice.apply;

import dev.sluice.apply.DeadLetterStore.Entry;
import dev.sluice.apply.DeadLetterStore.Parked;
import dev.sluice.apply.DeadLetterStore.Refusal;
import dev.sluice.apply.DeadLetterStore.State;
import dev.sluice.apply.DeadLetterTopic.Letter;
import dev.sluice.apply.DeadLetterTopic.Place;
import dev.sluice.apply.RowChange.Key;
import dev.sluice.apply.RowChange.Kind;
import dev.sluice.apply.RowChange.Origin;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.process.Failpoints;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Headers;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import dev.sluice.schemas.TopicNames;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Header;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Parks changes that the target can never take, and what comes later for their keys.
 *
 * <p>Everything happens within the lane's target transaction; what is kept in memory belongs to the run, which ends where a
 * transaction fails. In memory are the hashes of parked keys: what they hit is looked up in the index.
 *
 * <p>Threads: the lane's.
 */
final class Parking implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Parking.class);

    /** Letters that are sent together. */
    private static final int MOST_PENDING = 500;

    private static final long MOST_BYTES = 4 << 20;

    private final LaneConfig lane;
    private final Connection target;
    private final DeadLetterStore store;
    private final DeadLetterTopic topic;
    private final int perMinute;
    private final List<Pending> pending = new ArrayList<>();
    private long pendingBytes;
    private Map<TableId, Set<Long>> parked = new HashMap<>();
    /** Letters that are being replayed and have no other beside them that concerns their row. */
    private Set<Long> alone = Set.of();
    private final Set<Long> refusedAgain = new HashSet<>();
    /** Those of them that were refused for what other rows are. */
    private final Set<Long> refusedForOthers = new HashSet<>();
    /** Letters within the last minute; -1 until somebody has to know. */
    private int recent = -1;
    private int parkedNow;
    /** Of these, how many of each table and error. */
    private final Map<String, Integer> kindsNow = new TreeMap<>();

    /** A letter that is not in the index yet. */
    private record Pending(RowChange change, State state, Refusal refusal) {
        Origin origin() {
            return change.origin();
        }

        /** About as long as its record. */
        long bytes() {
            long bytes = 1_000;
            if (change.values() != null) {
                for (String value : change.values()) {
                    bytes += value == null ? 0 : value.length();
                }
            }
            return bytes;
        }
    }

    /** The lane parks too much. */
    static final class BreakerOpens extends RuntimeException {
        private static final long serialVersionUID = 1L;

        BreakerOpens(String reason) {
            super(reason);
        }
    }

    Parking(PipelineConfig config, LaneConfig lane, LaneLock lock) {
        this.lane = lane;
        this.target = lock.connection();
        this.store = new DeadLetterStore(config.nameInTarget(lane));
        this.topic = new DeadLetterTopic(config, lane, lock);
        this.perMinute = config.apply().deadLettersPerMinute();
    }

    /** Reads what is parked. */
    void open() throws SQLException {
        parked = store.parked(target);
    }

    /** Whether rows are parked at all. */
    boolean isOn() {
        return perMinute > 0;
    }

    DeadLetterStore store() {
        return store;
    }

    // ---- what a change meets

    /** Whether one of them cannot simply be written: it is no event, or a letter may concern its row. */
    boolean concerns(List<RowChange> changes) {
        for (RowChange change : changes) {
            if (change.kind() == Kind.UNREADABLE
                    || (isReplay(change) ? !alone.contains(change.origin().letter()) : !parked.isEmpty() && mayMeet(change))) {
                return true;
            }
        }
        return false;
    }

    boolean concerns(SourceTransaction transaction) {
        return transaction.hasUnreadable() || !parked.isEmpty() && concerns(transaction.changes());
    }

    private boolean mayMeet(RowChange change) {
        Set<Long> hashes = parked.get(change.table().source());
        if (hashes == null) {
            return false;
        }
        return change.kind() == Kind.TRUNCATE || keys(change).stream().anyMatch(key -> hashes.contains(hash(change, key)));
    }

    private static long hash(RowChange change, Key key) {
        return DeadLetterStore.hash(change.table().source(), key.values());
    }

    /** The keys that a change touches. */
    static List<Key> keys(RowChange change) {
        if (change.key() == null) {
            return List.of();
        }
        return change.kind() == Kind.MOVE ? List.of(change.oldKey(), change.key()) : List.of(change.key());
    }

    /**
     * Parks the change without trying it, if it is no event, or if a letter before it concerns its row and it does not make that one
     * out of date. False if it is to be tried.
     */
    boolean parkedBehind(RowChange change) throws SQLException {
        if (change.kind() == Kind.UNREADABLE) {
            if (!isOn() && !isReplay(change)) {
                throw unreadable(change);
            }
            park(change, State.OPEN, new Refusal("unreadable", null, null, "the record is no change event"));
            return true;
        }
        List<Parked> chain = chain(change);
        if (chain.isEmpty()) {
            return false;
        }
        boolean isWhole = change.kind() == Kind.UPSERT || change.kind() == Kind.DELETE;
        boolean isMoved = chain.stream().anyMatch(link -> link.kind() == Kind.MOVE);
        if (isWhole && !isMoved) {
            return false;
        }
        park(change, State.BEHIND, Refusal.BEHIND);
        return true;
    }

    private List<Parked> chain(RowChange change) throws SQLException {
        List<Key> keys = keys(change);
        if (keys.isEmpty() || !mayMeet(change)) {
            return List.of();
        }
        flush();
        TableId table = change.table().source();
        List<Parked> chain = store.chain(target, table, keys);
        if (isReplay(change)) {
            return chain.stream().filter(link -> link.id() < change.origin().letter()).toList();
        }
        if (chain.isEmpty()) {
            keys.forEach(key -> parked.get(table).remove(hash(change, key)));
        }
        return chain;
    }

    private static boolean isReplay(RowChange change) {
        return change.origin() != null && change.origin().letter() > 0;
    }

    /** Letters are going to be replayed. */
    void beginReplay(Set<Long> lettersAlone) {
        alone = lettersAlone;
        refusedAgain.clear();
        refusedForOthers.clear();
    }

    /** How many letters of the replay were refused once more, or wait behind one that was. */
    int refusedAgain() {
        return refusedAgain.size();
    }

    /** Closes those that were written; gives those that were refused for what other rows are. */
    Set<Long> endReplay() throws SQLException {
        Set<Long> written = new HashSet<>(alone);
        written.removeAll(refusedAgain);
        store.close(target, written, State.REPLAYED, "its own record");
        alone = Set.of();
        return refusedForOthers;
    }

    /** These have been written: letters before them are out of date. */
    void written(List<RowChange> changes) throws SQLException {
        for (RowChange change : changes) {
            TableId table = change.table().source();
            if (change.kind() == Kind.TRUNCATE && parked.containsKey(table)) {
                flush();
                store.supersede(target, table, "a TRUNCATE of the table");
                parked.remove(table);
            } else if (change.kind() == Kind.UPSERT || change.kind() == Kind.DELETE) {
                supersede(change);
            }
            if (isReplay(change)) {
                store.close(target, List.of(change.origin().letter()), State.REPLAYED, "its own record");
            }
        }
    }

    private void supersede(RowChange change) throws SQLException {
        List<Parked> chain = chain(change);
        if (!chain.isEmpty()) {
            store.close(target, chain.stream().map(Parked::id).toList(), State.SUPERSEDED, "a later change of the row");
            if (!isReplay(change)) {
                keys(change).forEach(key -> parked.get(change.table().source()).remove(hash(change, key)));
            }
        }
    }

    // ---- parking

    /** Whether the change can be parked: it is a record's. */
    static boolean canPark(RowChange change) {
        return change.origin() != null && change.kind() != Kind.TRUNCATE;
    }

    /**
     * Parks a change that the target has refused.
     *
     * @throws BreakerOpens if it is one too many
     */
    void refused(RowChange change, SQLException refusal) throws SQLException {
        if (change.origin() == Origin.LOOSE) {
            return;
        }
        if (!isOn() && !isReplay(change)) {
            throw poison(change, refusal);
        }
        if (change.kind() == Kind.UPSERT || change.kind() == Kind.DELETE) {
            supersede(change);
        }
        if (isReplay(change) && !TargetFailures.isAboutRowAlone(refusal)) {
            refusedForOthers.add(change.origin().letter());
        }
        park(change, State.OPEN, Refusal.of(refusal));
    }

    private void park(RowChange change, State state, Refusal refusal) throws SQLException {
        if (change.origin() == Origin.LOOSE) {
            return; // the reading brings the row
        }
        TableId table = change.table().source();
        Set<Long> hashes = parked.computeIfAbsent(table, t -> new HashSet<>());
        keys(change).forEach(key -> hashes.add(hash(change, key)));
        if (isReplay(change)) {
            refusedAgain.add(change.origin().letter());
            store.refusedAgain(target, change.origin().letter(), refusal);
            return;
        }
        count(table, refusal);
        if (isOn()) {
            requireNotTooMany(table, refusal);
        }
        Pending one = new Pending(change, state, refusal);
        pending.add(one);
        pendingBytes += one.bytes();
        if (pending.size() >= MOST_PENDING || pendingBytes > MOST_BYTES) {
            flush();
        }
    }

    private void count(TableId table, Refusal refusal) {
        parkedNow++;
        kindsNow.merge(table + " " + refusal.what(), 1, Integer::sum);
    }

    private void requireNotTooMany(TableId table, Refusal refusal) throws SQLException {
        if (recent < 0) {
            recent = store.recent(target);
        }
        if (recent + parkedNow > perMinute) {
            throw new BreakerOpens("more than %d dead letters within a minute (apply.deadLettersPerMinute), the last of %s: %s"
                    .formatted(perMinute, table, refusal.what()));
        }
    }

    /** To be said before the lane's transaction ends: sends what is parked, and puts it into the index. */
    void beforeCommit() throws SQLException {
        flush();
    }

    void afterCommit() {
        if (parkedNow > 0) {
            log.warn(
                    "lane {}: parked as dead letters: {}; `sluice dlq list` shows them",
                    lane.name(),
                    kindsNow.entrySet().stream()
                            .map(kind -> "%s (%d)".formatted(kind.getKey(), kind.getValue()))
                            .collect(Collectors.joining(", ")));
        }
        parkedNow = 0;
        kindsNow.clear();
        recent = -1;
    }

    /** Records that somebody else has written to the lane's topics. Within the caller's transaction. */
    void parkStrays(List<ConsumerRecord<byte[], byte[]>> strays, TopicNames topics) throws SQLException {
        Refusal refusal = new Refusal("unreadable", null, null, "the record lacks the headers that every record of a lane has");
        List<Letter> letters = new ArrayList<>();
        for (ConsumerRecord<byte[], byte[]> stray : strays) {
            LaneRecord record = LaneRecord.stray(stray);
            if (!store.has(target, record.partition(), stray.offset())) {
                Optional<TableId> table = lane.tables().stream()
                        .map(TableMapping::source)
                        .filter(source -> topics.change(source).equals(stray.topic()))
                        .findFirst();
                if (table.isEmpty()) {
                    log.warn("lane {}: {}@{} is not of this lane, nor of a table that is mapped", lane.name(), record.partition(), stray.offset());
                    continue;
                }
                count(table.get(), refusal);
                requireNotTooMany(table.get(), refusal);
                letters.add(new Letter(record, table.get(), List.of(), Kind.UNREADABLE, null, null, refusal));
            }
        }
        send(letters, letters.stream().map(letter -> State.OPEN).toList());
    }

    private void flush() throws SQLException {
        send(pending);
        pending.clear();
        pendingBytes = 0;
    }

    private void send(List<Pending> some) throws SQLException {
        Map<Pending, LaneRecord> originals = new IdentityHashMap<>();
        List<Pending> asTheyLie = new ArrayList<>(some);
        asTheyLie.sort(Comparator.comparing((Pending one) -> one.origin().partition().toString())
                .thenComparing(one -> one.origin().offset()));
        for (Pending one : asTheyLie) {
            originals.put(one, topic.original(one.origin().partition(), one.origin().offset()));
        }
        send(
                some.stream().map(one -> letter(originals.get(one), one)).toList(),
                some.stream().map(Pending::state).toList());
    }

    private static Letter letter(LaneRecord record, Pending one) {
        RowChange change = one.change();
        boolean isMove = change.kind() == Kind.MOVE; // elsewhere the old key is a whole row
        return new Letter(
                record,
                change.table().source(),
                change.key() == null ? List.of() : change.table().keyNames(),
                change.kind(),
                change.key(),
                isMove ? change.oldKey() : null,
                one.refusal());
    }

    private void send(List<Letter> letters, List<State> states) throws SQLException {
        if (letters.isEmpty()) {
            return;
        }
        List<Place> places = topic.send(letters, changeTopic -> store.letterOffsets(target, changeTopic));
        List<Entry> entries = new ArrayList<>();
        for (int i = 0; i < letters.size(); i++) {
            Letter letter = letters.get(i);
            Header old = letter.record().kafka().headers().lastHeader(Headers.OLD_KEY);
            entries.add(new Entry(states.get(i), letter, old == null ? null : old.value(), places.get(i)));
        }
        store.insert(target, entries);
        Failpoints.reach("apply.parked");
    }

    private static Failure.Fatal unreadable(RowChange change) {
        return new Failure.Fatal(
                Stop.POISON,
                "record %s@%d is no change event".formatted(change.origin().partition(), change.origin().offset()),
                "somebody else writes to this topic, or a newer capture with another format: find out which");
    }

    /** A row that can never be written, where rows are not parked. */
    static Failure.Poison poison(RowChange change, SQLException refusal) {
        return new Failure.Poison(
                "%s, %s of key %s"
                        .formatted(
                                TargetFailures.translate("writing " + change.table().id(), refusal).getMessage(),
                                change.kind(),
                                change.key() == null ? "-" : change.table().keyNames() + "=" + change.key().values()),
                change.table().source(),
                refusal);
    }

    @Override
    public void close() {
        topic.close();
    }
}
