package dev.sluice.apply;

import dev.sluice.apply.Progress.Position;
import dev.sluice.apply.RepairStore.Request;
import dev.sluice.apply.RepairStore.State;
import dev.sluice.apply.RowChange.Key;
import dev.sluice.apply.RowChange.Kind;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.SourceSnapshot;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Makes single rows equal to the source's again, while the stream goes on.
 *
 * <p>From a moment between two transactions on, the lane remembers the changes of the rows that it applies. Then they are read
 * in one snapshot of the source. When the lane has applied everything that the snapshot has seen, it stops between two
 * transactions and writes the rows as they were read, and after them once more the changes that the snapshot has not seen. So
 * they end exactly where an undamaged row would be at the lane's position, and nobody sees anything else.
 *
 * <p>A row whose key changes meanwhile, and a table that is emptied, are tried again.
 *
 * <p>Threads: the lane's; {@link RowReader} has its own.
 */
final class Repairs implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(Repairs.class);
    private static final long LOOK_NANOS = Duration.ofSeconds(1).toNanos();
    private static final int MOST_ROWS = 200;
    private static final int MOST_TRIES = 20;
    /** What a key is taken to need in memory. */
    private static final long KEY_BYTES = 100;
    private static final long MOST_BYTES = Math.min(16L << 20, Runtime.getRuntime().maxMemory() / 16);

    /** Changes that cannot be written once more after a row that was read. */
    private static final Set<Kind> CANNOT_FOLLOW = Set.of(Kind.TRUNCATE, Kind.MOVE, Kind.UNREADABLE);

    private final RepairStore store;
    private final DeadLetterStore letters;
    private final LaneLock lock;
    private final Connection target;
    private final RowReader reader;
    private final Map<Long, Integer> tries = new HashMap<>();
    /** By the key that was asked for, others that are read with it: as the source has printed it, and those that letters tie to it. */
    private final Map<Key, Set<Key>> companions = new HashMap<>();
    private TargetTables tables;
    private Map<TableId, TargetTable> bySource = Map.of();
    private Optional<Round> round = Optional.empty();
    private int most = MOST_ROWS;
    private long lookedAt = System.nanoTime() - LOOK_NANOS;

    /** Rows of one table that are repaired together. */
    private static final class Round {
        private final TargetTable table;
        private final List<Request> requests;
        private final Set<Key> keys = new HashSet<>();
        private final List<Seen> seen = new ArrayList<>();
        /** Changes by other spellings of keys: some may be of the same rows. */
        private final List<Spelling> others = new ArrayList<>();
        private final Future<RowReader.Rows> reading;
        private long bytes;

        /** @param companions other keys to be read with those that were asked for */
        Round(TargetTable table, List<Request> requests, Map<Key, Set<Key>> companions, RowReader reader) {
            this.table = table;
            this.requests = requests;
            for (Request request : requests) {
                keys.add(request.key());
                keys.addAll(companions.getOrDefault(request.key(), Set.of()));
            }
            this.reading = reader.read(table.source(), List.copyOf(keys));
        }

        void see(RowChange change, long xid, long size) {
            if (change.table() != table || change.kind() == Kind.UNREADABLE && change.key() == null) {
                return;
            }
            boolean isAbout = change.kind() == Kind.TRUNCATE
                    || keys.contains(change.key())
                    || change.kind() == Kind.MOVE && keys.contains(change.oldKey());
            if (isAbout) {
                bytes += size;
                seen.add(new Seen(xid, change));
            } else if (!table.hasPlainKey()) {
                bytes += KEY_BYTES;
                others.add(new Spelling(xid, change.key()));
                if (change.kind() == Kind.MOVE) {
                    others.add(new Spelling(xid, change.oldKey()));
                }
            }
            if (bytes > MOST_BYTES) {
                seen.clear();
                others.clear();
            }
        }

        List<Key> unseenOthers(SourceSnapshot snapshot) {
            return others.stream().filter(one -> !snapshot.sees(one.xid())).map(Spelling::key).toList();
        }

        List<Seen> unseen(SourceSnapshot snapshot) {
            return seen.stream().filter(one -> !snapshot.sees(one.xid())).toList();
        }
    }

    /** A key that a change had which the lane has applied. */
    private record Spelling(long xid, Key key) {}

    /** A change that the lane has applied. */
    private record Seen(long xid, RowChange change) {}

    Repairs(RepairStore store, DeadLetterStore letters, LaneLock lock, RowReader reader) {
        this.store = store;
        this.letters = letters;
        this.lock = lock;
        this.target = lock.connection();
        this.reader = reader;
    }

    /** @param byTopic the tables that are not held */
    void open(TargetTables tables, Map<String, TargetTable> byTopic) {
        this.tables = tables;
        bySource = new HashMap<>();
        byTopic.values().forEach(table -> bySource.put(table.source(), table));
    }

    boolean isBusy() {
        return round.isPresent();
    }

    /** Remembers what is about to be applied. */
    void see(List<SourceTransaction> batch) {
        round.ifPresent(now -> {
            for (SourceTransaction transaction : batch) {
                long size = transaction.bytes() / Math.max(1, transaction.changes().size());
                transaction.changes().forEach(change -> now.see(change, transaction.xid(), size));
            }
        });
    }

    /**
     * Goes on with what is to be repaired; called between two transactions, with everything written that was taken.
     *
     * @param unfinished source tables that are being read as a whole
     */
    void turn(Position position, Set<TableId> unfinished) throws SQLException {
        if (round.isPresent()) {
            if (round.get().reading.isDone()) {
                join(round.get(), position);
            }
        } else if (System.nanoTime() - lookedAt > LOOK_NANOS) {
            lookedAt = System.nanoTime();
            begin(unfinished);
        }
    }

    private void begin(Set<TableId> unfinished) throws SQLException {
        List<Request> all = store.requested(target, 10 * MOST_ROWS);
        List<Request> waiting = all.stream().filter(request -> unfinished.contains(request.table())).toList();
        store.say(target, waiting, "its whole table is being read from the source");
        List<Request> unknown = all.stream()
                .filter(request -> !unfinished.contains(request.table()) && !bySource.containsKey(request.table()))
                .toList();
        store.say(target, unknown, "its table is held, or apply does not have it; `sluice status` says more");
        target.commit();
        lock.used();
        Optional<TableId> next = all.stream()
                .map(Request::table)
                .filter(table -> !unfinished.contains(table) && bySource.containsKey(table))
                .findFirst();
        if (next.isPresent()) {
            List<Request> some = all.stream().filter(request -> request.table().equals(next.get())).limit(most).toList();
            TargetTable table = bySource.get(next.get());
            addTied(table, some, some.stream().map(Request::key).collect(Collectors.toSet()));
            target.commit();
            lock.used();
            round = Optional.of(new Round(table, some, companions, reader));
        }
    }

    /**
     * Adds rows that letters tie to those asked for: a row whose change of key is parked still stands under the key that it had.
     *
     * @param keys that are read already
     * @return whether there are others
     */
    private boolean addTied(TargetTable table, List<Request> requests, Set<Key> keys) throws SQLException {
        if (keys.containsAll(letters.tied(target, table.source(), keys))) {
            return false;
        }
        for (Request request : requests) {
            letters.tied(target, table.source(), List.of(request.key())).forEach(key -> readWith(request.key(), key));
        }
        return true;
    }

    private void join(Round now, Position position) throws SQLException {
        RowReader.Rows rows;
        try {
            rows = now.reading.get();
        } catch (ExecutionException e) {
            failed(now, e.getCause());
            return;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Failure.Retryable("interrupted", e);
        }
        if (position.end().compareTo(rows.until()) < 0) {
            return;
        }
        if (now.table.keyNames().isEmpty()) {
            now.table.keyIs(rows.keyColumns());
        }
        rows.found().forEach((asked, row) -> readWith(asked, rows.key(row)));
        List<Seen> unseen = now.unseen(rows.snapshot());
        boolean isOut = now.bytes > MOST_BYTES
                || !now.table.keyNames().equals(rows.keyColumns())
                || isRespelt(now, now.unseenOthers(rows.snapshot()))
                || !now.keys.containsAll(rows.found().values().stream().map(rows::key).toList())
                || unseen.stream().anyMatch(one -> CANNOT_FOLLOW.contains(one.change().kind()))
                || addTied(now.table, now.requests, now.keys);
        if (isOut) {
            again(now, "its row changes too much to be read: its key, its table, or more than fits into memory");
            return;
        }
        write(now, rows, unseen);
    }

    private void write(Round now, RowReader.Rows rows, List<Seen> unseen) throws SQLException {
        List<RowChange> changes = new ArrayList<>();
        for (Key key : now.keys) {
            List<String> found = rows.found().get(key);
            if (found == null) {
                changes.add(new RowChange(now.table, Kind.DELETE, key, null, null));
                continue;
            }
            RowChange row = row(now.table, rows.columns(), found, key);
            changes.add(row);
            if (!now.table.hasPlainKey()) { // a row that is there keeps the spelling of its key, unless it moves
                changes.add(new RowChange(now.table, Kind.MOVE, rows.key(found), row.values(), key));
            }
        }
        unseen.forEach(one -> changes.add(one.change()));
        try {
            tables.deferConstraints(target);
            TargetWriter writer = new TargetWriter(target, tables);
            writer.awaitedAtSource(unseen.stream().map(Seen::xid).collect(Collectors.toSet()));
            writer.writeInOrder(changes);
            store.finish(target, now.requests, State.DONE, "");
            letters.supersedeRead(target, now.table.source(), now.keys);
            lock.ownCommitTime();
            target.commit();
        } catch (Failure.Poison e) {
            target.rollback();
            refused(now, e.getMessage());
            return;
        } catch (SQLException e) {
            if (!TargetFailures.isAboutRows(e)) {
                throw e;
            }
            target.rollback();
            refused(now, TargetFailures.translate("repairing a row of " + now.table.id(), e).getMessage());
            return;
        }
        log.info("{}: {} rows are repaired", now.table.id(), now.requests.size());
        end(now);
    }

    private void readWith(Key asked, Key other) {
        companions.computeIfAbsent(asked, key -> new HashSet<>()).add(other);
    }

    /** Whether one of the keys is another spelling of one that is repaired; the target's server knows. */
    private boolean isRespelt(Round now, List<Key> others) throws SQLException {
        if (others.isEmpty()) {
            return false;
        }
        List<Key> own = List.copyOf(now.keys);
        int[] places = now.table.keyPlaces();
        String arrays = IntStream.of(places).mapToObj(place -> "?::text[]").collect(Collectors.joining(", "));
        String names = IntStream.range(0, places.length).mapToObj(i -> "c" + i).collect(Collectors.joining(", "));
        String same = IntStream.range(0, places.length)
                .mapToObj(i -> {
                    ColumnType type = now.table.type(places[i]);
                    return type.same(type.cast("own.c" + i), type.cast("other.c" + i));
                })
                .collect(Collectors.joining(" AND "));
        boolean isAny = false;
        try (PreparedStatement query = target.prepareStatement(
                "SELECT own.n, other.n FROM unnest(%1$s) WITH ORDINALITY AS own(%2$s, n) JOIN unnest(%1$s) WITH ORDINALITY AS other(%2$s, n) ON %3$s"
                        .formatted(arrays, names, same))) {
            int parameter = 1;
            for (List<Key> keys : List.of(own, others)) {
                for (int i = 0; i < places.length; i++) {
                    int column = i;
                    query.setArray(
                            parameter++,
                            target.createArrayOf("text", keys.stream().map(key -> key.values().get(column)).toArray()));
                }
            }
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    isAny = true;
                    Key as = others.get(row.getInt(2) - 1);
                    Key meant = own.get(row.getInt(1) - 1);
                    now.requests.stream()
                            .map(Request::key)
                            .filter(asked -> asked.equals(meant) || companions.getOrDefault(asked, Set.of()).contains(meant))
                            .forEach(asked -> readWith(asked, as));
                }
            }
        }
        return isAny;
    }

    private static RowChange row(TargetTable table, List<String> columns, List<String> row, Key key) {
        String[] values = new String[table.width() + columns.size()];
        Arrays.fill(values, RowChange.ABSENT);
        for (int i = 0; i < columns.size(); i++) {
            if (table.isExpected(columns.get(i))) {
                values[table.place(columns.get(i))] = row.get(i);
            }
        }
        return new RowChange(table, Kind.UPSERT, key, values, null);
    }

    /** One of them may be refused for all: then they are tried one by one. */
    private void refused(Round now, String why) throws SQLException {
        if (now.requests.size() > 1) {
            again(now, why);
            return;
        }
        store.finish(target, now.requests, State.FAILED, why);
        target.commit();
        log.warn("{}: a row cannot be repaired: {}", now.table.id(), why);
        end(now);
    }

    /** What the source refuses to say. */
    private void failed(Round now, Throwable cause) throws SQLException {
        if (cause instanceof Error error) {
            throw error;
        }
        Optional<LargeRow> large = LargeRow.in(cause);
        if (large.isPresent()) {
            again(now, large.get().getMessage());
            return;
        }
        again(now, cause instanceof SQLException e
                ? "the source was not read (SQLSTATE %s)".formatted(e.getSQLState())
                : "the source was not read: " + cause);
    }

    private void again(Round now, String why) throws SQLException {
        most = 1;
        List<Request> given = now.requests.stream()
                .filter(request -> tries.merge(request.id(), 1, Integer::sum) >= MOST_TRIES)
                .toList();
        store.finish(target, given, State.FAILED, why + "; tried %d times".formatted(MOST_TRIES));
        store.say(target, now.requests.stream().filter(request -> !given.contains(request)).toList(), why + "; trying again");
        target.commit();
        log.info("{}: {} rows are not repaired yet: {}", now.table.id(), now.requests.size(), why);
        lock.used();
        round = Optional.empty();
    }

    private void end(Round now) {
        now.requests.forEach(request -> {
            tries.remove(request.id());
            companions.remove(request.key());
        });
        if (tries.isEmpty()) {
            most = MOST_ROWS;
            companions.clear();
        }
        lock.used();
        round = Optional.empty();
        lookedAt = System.nanoTime() - LOOK_NANOS - 1;
    }

    @Override
    public void close() {
        reader.close();
    }
}
