package dev.sluice.apply;

import dev.sluice.apply.DeadLetterTopic.Letter;
import dev.sluice.apply.DeadLetterTopic.Place;
import dev.sluice.apply.RowChange.Key;
import dev.sluice.apply.RowChange.Kind;
import dev.sluice.catalog.Catalog;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.common.TopicPartition;

/**
 * The index of a lane's dead letters in the target, and the state of its breaker: written by the lane's applier in the
 * transaction that moves the lane past a letter.
 *
 * <p>Numbers of letters that concern the same row grow in the order of the lane. Every method runs in the caller's transaction.
 *
 * <p>Threads: one at a time.
 */
final class DeadLetterStore {
    /** What holds a key back. */
    static final String HOLDS = "state IN ('open', 'behind')";

    private final String lane;

    /** What a letter is. */
    enum State {
        /** The target has refused it. */
        OPEN,
        /** It was not tried: a letter before it concerns the same row. */
        BEHIND,
        /** A later change, or a reading of the row, has made it out of date. */
        SUPERSEDED,
        /** It was written. */
        REPLAYED,
        /** Somebody has decided that it shall not be written. */
        DISCARDED;

        String sql() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** Why the target refused it; sqlstate and constraint null where there is none. */
    record Refusal(String name, String sqlstate, String constraint, String message) {
        static final Refusal BEHIND = new Refusal("behind", null, null, "a letter before it concerns the same row");

        /** Error and constraint, in words. */
        String what() {
            return constraint == null ? name : name + ", constraint " + constraint;
        }

        static Refusal of(SQLException e) {
            return new Refusal(
                    TargetFailures.name(e),
                    TargetFailures.state(e),
                    TargetFailures.constraint(e).orElse(null),
                    TargetFailures.message(e));
        }
    }

    /**
     * A letter that has been sent.
     *
     * @param oldRecordKey the header of the key before a change of key, null on others
     */
    record Entry(State state, Letter letter, byte[] oldRecordKey, Place place) {}

    /** @param lane unique in the target: pipeline and lane */
    DeadLetterStore(String lane) {
        this.lane = lane;
    }

    /** Makes the tables; the schema is there. */
    static void createTables(Connection target) throws SQLException {
        try (Statement create = target.createStatement()) {
            create.execute(
                    """
                    CREATE TABLE IF NOT EXISTS sluice.dead_letter (
                      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                      lane text NOT NULL,
                      state text NOT NULL,
                      source_schema text NOT NULL,
                      source_table text NOT NULL,
                      kind text NOT NULL,
                      key_columns text[] NOT NULL,
                      key text[],
                      old_key text[],
                      key_hash bigint,
                      old_key_hash bigint,
                      error_class text NOT NULL,
                      sqlstate text,
                      constraint_name text,
                      message text NOT NULL,
                      attempts integer NOT NULL DEFAULT 1,
                      first_failed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
                      last_failed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
                      epoch bigint,
                      seq bigint,
                      lsn pg_lsn,
                      xid bigint,
                      topic text NOT NULL,
                      partition integer NOT NULL,
                      record_offset bigint NOT NULL,
                      letter_partition integer,
                      letter_offset bigint,
                      record_key bytea,
                      record_value bytea,
                      old_record_key bytea,
                      is_from_topic boolean NOT NULL DEFAULT false,
                      edited_value bytea,
                      edited_by text,
                      edited_reason text,
                      edited_at timestamptz,
                      replay_run bigint,
                      is_requested boolean NOT NULL DEFAULT false,
                      waits_for text NOT NULL DEFAULT '',
                      repairs bigint[],
                      closed_at timestamptz,
                      closed_by text
                    )""");
            create.execute("CREATE UNIQUE INDEX IF NOT EXISTS dead_letter_seq ON sluice.dead_letter (lane, epoch, seq)");
            create.execute("CREATE UNIQUE INDEX IF NOT EXISTS dead_letter_record"
                    + " ON sluice.dead_letter (lane, topic, partition, record_offset) WHERE seq IS NULL");
            create.execute("CREATE INDEX IF NOT EXISTS dead_letter_key ON sluice.dead_letter (lane, key_hash) WHERE " + HOLDS);
            create.execute("CREATE INDEX IF NOT EXISTS dead_letter_old_key ON sluice.dead_letter (lane, old_key_hash)"
                    + " WHERE old_key_hash IS NOT NULL AND " + HOLDS);
            create.execute("CREATE INDEX IF NOT EXISTS dead_letter_recent ON sluice.dead_letter (lane, first_failed_at)");
            create.execute("CREATE INDEX IF NOT EXISTS dead_letter_requested ON sluice.dead_letter (lane, id) WHERE is_requested");
            create.execute("CREATE INDEX IF NOT EXISTS dead_letter_run ON sluice.dead_letter (replay_run) WHERE replay_run IS NOT NULL");
            create.execute("CREATE INDEX IF NOT EXISTS dead_letter_place"
                    + " ON sluice.dead_letter (lane, topic, letter_partition, letter_offset)");
            create.execute(
                    """
                    CREATE TABLE IF NOT EXISTS sluice.breaker (
                      lane text PRIMARY KEY,
                      reason text NOT NULL,
                      opened_at timestamptz NOT NULL,
                      resumed_at timestamptz
                    )""");
            create.execute(
                    """
                    CREATE TABLE IF NOT EXISTS sluice.audit (
                      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                      at timestamptz NOT NULL DEFAULT clock_timestamp(),
                      who text NOT NULL,
                      lane text NOT NULL,
                      action text NOT NULL,
                      letters bigint[] NOT NULL DEFAULT '{}',
                      reason text NOT NULL DEFAULT '',
                      result text NOT NULL DEFAULT '',
                      finished_at timestamptz
                    )""");
        }
    }

    /** Whether an applier that parks has been at work. */
    static boolean isThere(Connection target) throws SQLException {
        return Catalog.isThere(target, new TableId("sluice", "audit"));
    }

    // ---- parking

    /** One number for a key of a table; different keys may have the same. */
    static long hash(TableId table, List<String> key) {
        long hash = 0xcbf29ce484222325L ^ table.toString().hashCode();
        for (String value : key) {
            int length = value == null ? -1 : value.length();
            hash = (hash ^ length) * 0x100000001b3L;
            for (int i = 0; i < length; i++) {
                hash = (hash ^ value.charAt(i)) * 0x100000001b3L;
            }
        }
        return hash;
    }

    /** Per source table the {@link #hash}es of its parked keys; a table whose letters have no key has an empty set. */
    Map<TableId, Set<Long>> parked(Connection target) throws SQLException {
        Map<TableId, Set<Long>> parked = new HashMap<>();
        try (PreparedStatement query = target.prepareStatement(
                "SELECT source_schema, source_table, key_hash, old_key_hash FROM sluice.dead_letter WHERE lane = ? AND " + HOLDS)) {
            query.setString(1, lane);
            query.setFetchSize(10_000);
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    Set<Long> hashes = parked.computeIfAbsent(new TableId(row.getString(1), row.getString(2)), t -> new HashSet<>());
                    for (int column = 3; column <= 4; column++) {
                        long hash = row.getLong(column);
                        if (!row.wasNull()) {
                            hashes.add(hash);
                        }
                    }
                }
            }
        }
        return parked;
    }

    /** What holds one of the keys back, in the order of the lane. */
    List<Parked> chain(Connection target, TableId table, List<Key> keys) throws SQLException {
        Set<Long> hashes = keys.stream().map(key -> hash(table, key.values())).collect(Collectors.toSet());
        return alike(target, hashes).stream()
                .filter(parked -> parked.table().equals(table) && parked.keys().stream().anyMatch(keys::contains))
                .toList();
    }

    /** A letter that holds its keys back. */
    record Parked(long id, TableId table, Kind kind, List<Key> keys) {}

    /** What holds keys of these hashes back, in the order of the lane; other keys may have the same hash. */
    List<Parked> alike(Connection target, Collection<Long> hashes) throws SQLException {
        List<Parked> found = new ArrayList<>();
        String sql = "SELECT id, source_schema, source_table, kind, key, old_key FROM sluice.dead_letter WHERE lane = ? AND %s AND %s";
        try (PreparedStatement query = target.prepareStatement("%s UNION %s ORDER BY id"
                .formatted(sql.formatted(HOLDS, "key_hash = ANY (?)"), sql.formatted(HOLDS, "old_key_hash = ANY (?)")))) {
            for (int i = 0; i < 2; i++) {
                query.setString(2 * i + 1, lane);
                query.setArray(2 * i + 2, target.createArrayOf("bigint", hashes.toArray()));
            }
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    List<Key> keys = Stream.of(key(row, 5), key(row, 6)).filter(Objects::nonNull).toList();
                    found.add(new Parked(
                            row.getLong(1), new TableId(row.getString(2), row.getString(3)), kind(row.getString(4)), keys));
                }
            }
        }
        return found;
    }

    private static Kind kind(String text) {
        return Kind.valueOf(text.toUpperCase(Locale.ROOT));
    }

    /** A letter that is there already was refused once more: the lane has lost its position and reads its topics again. */
    void insert(Connection target, List<Entry> entries) throws SQLException {
        try (PreparedStatement insert = target.prepareStatement(
                """
                INSERT INTO sluice.dead_letter (
                  lane, state, source_schema, source_table, kind, key_columns, key, old_key, key_hash, old_key_hash,
                  error_class, sqlstate, constraint_name, message, epoch, seq, lsn, xid, topic, partition, record_offset,
                  letter_partition, letter_offset, record_key, record_value, old_record_key)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?::pg_lsn, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (lane, epoch, seq) DO UPDATE SET state = EXCLUDED.state, error_class = EXCLUDED.error_class,
                  sqlstate = EXCLUDED.sqlstate, constraint_name = EXCLUDED.constraint_name, message = EXCLUDED.message,
                  attempts = dead_letter.attempts + 1, last_failed_at = clock_timestamp(), is_requested = false,
                  closed_at = NULL, closed_by = NULL""")) {
            for (Entry entry : entries) {
                bind(target, insert, entry);
                insert.addBatch();
            }
            insert.executeBatch();
        }
    }

    private void bind(Connection target, PreparedStatement insert, Entry entry) throws SQLException {
        Letter letter = entry.letter();
        LaneRecord record = letter.record();
        int parameter = 1;
        insert.setString(parameter++, lane);
        insert.setString(parameter++, entry.state().sql());
        insert.setString(parameter++, letter.table().schema());
        insert.setString(parameter++, letter.table().table());
        insert.setString(parameter++, letter.kind().name().toLowerCase(Locale.ROOT));
        insert.setArray(parameter++, target.createArrayOf("text", letter.keyColumns().toArray()));
        for (Key key : new Key[] {letter.key(), letter.oldKey()}) {
            insert.setArray(parameter++, key == null ? null : target.createArrayOf("text", key.values().toArray()));
        }
        for (Key key : new Key[] {letter.key(), letter.oldKey()}) {
            insert.setObject(parameter++, key == null ? null : hash(letter.table(), key.values()), Types.BIGINT);
        }
        insert.setString(parameter++, letter.refusal().name());
        insert.setString(parameter++, letter.refusal().sqlstate());
        insert.setString(parameter++, letter.refusal().constraint());
        insert.setString(parameter++, letter.refusal().message());
        boolean isStray = record.isStray();
        insert.setObject(parameter++, isStray ? null : record.epoch(), Types.BIGINT);
        insert.setObject(parameter++, isStray ? null : record.seq(), Types.BIGINT);
        insert.setString(parameter++, isStray ? null : record.lsn().toString());
        insert.setObject(parameter++, isStray ? null : record.xid(), Types.BIGINT);
        insert.setString(parameter++, record.partition().topic());
        insert.setInt(parameter++, record.partition().partition());
        insert.setLong(parameter++, record.kafka().offset());
        insert.setInt(parameter++, entry.place().partition().partition());
        insert.setLong(parameter++, entry.place().offset());
        insert.setBytes(parameter++, record.kafka().key());
        insert.setBytes(parameter++, record.kafka().value());
        insert.setBytes(parameter, entry.oldRecordKey());
    }

    /** Whether a record that has no number is parked already. */
    boolean has(Connection target, TopicPartition partition, long offset) throws SQLException {
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT 1 FROM sluice.dead_letter
                WHERE lane = ? AND topic = ? AND partition = ? AND record_offset = ? AND seq IS NULL""")) {
            query.setString(1, lane);
            query.setString(2, partition.topic());
            query.setInt(3, partition.partition());
            query.setLong(4, offset);
            try (ResultSet row = query.executeQuery()) {
                return row.next();
            }
        }
    }

    /** A replayed letter was refused again. */
    void refusedAgain(Connection target, long id, Refusal refusal) throws SQLException {
        try (PreparedStatement update = target.prepareStatement(
                """
                UPDATE sluice.dead_letter
                SET state = CASE WHEN ? THEN 'behind' ELSE 'open' END, error_class = ?, sqlstate = ?, constraint_name = ?,
                  message = ?, attempts = attempts + CASE WHEN ? THEN 0 ELSE 1 END,
                  last_failed_at = CASE WHEN ? THEN last_failed_at ELSE clock_timestamp() END,
                  is_requested = false, waits_for = '', repairs = NULL
                WHERE id = ?""")) {
            boolean isBehind = refusal == Refusal.BEHIND;
            update.setBoolean(1, isBehind);
            update.setString(2, refusal.name());
            update.setString(3, refusal.sqlstate());
            update.setString(4, refusal.constraint());
            update.setString(5, refusal.message());
            update.setBoolean(6, isBehind);
            update.setBoolean(7, isBehind);
            update.setLong(8, id);
            update.executeUpdate();
        }
    }

    /** Closes letters that are not closed yet. */
    void close(Connection target, Collection<Long> ids, State state, String by) throws SQLException {
        close(target, ids, state, by, HOLDS);
    }

    private static void close(Connection target, Collection<Long> ids, State state, String by, String condition)
            throws SQLException {
        try (PreparedStatement close = target.prepareStatement(
                "UPDATE sluice.dead_letter SET state = ?, closed_at = clock_timestamp(), closed_by = ?, is_requested = false"
                        + " WHERE id = ANY (?) AND %s AND %s".formatted(HOLDS, condition))) {
            close.setString(1, state.sql());
            close.setString(2, by);
            close.setArray(3, target.createArrayOf("bigint", ids.toArray()));
            close.executeUpdate();
        }
    }

    /** All of a table's letters are out of date. */
    void supersede(Connection target, TableId table, String by) throws SQLException {
        try (PreparedStatement close = target.prepareStatement(
                """
                UPDATE sluice.dead_letter
                SET state = 'superseded', closed_at = clock_timestamp(), closed_by = ?, is_requested = false
                WHERE lane = ? AND source_schema = ? AND source_table = ? AND %s"""
                        .formatted(HOLDS))) {
            close.setString(1, by);
            close.setString(2, lane);
            close.setString(3, table.schema());
            close.setString(4, table.table());
            close.executeUpdate();
        }
    }

    // ---- replays

    /**
     * A letter that is to be replayed.
     *
     * @param bytes of its value
     * @param isEdited somebody wants another row than the source's
     * @param isOutOfDate nobody knows what has happened since; the row must be read from the source
     */
    record Requested(
            long id,
            TableId table,
            Kind kind,
            Key key,
            Key oldKey,
            TopicPartition partition,
            long offset,
            long bytes,
            boolean isEdited,
            boolean isOutOfDate) {
        List<Key> keys() {
            return key == null ? List.of() : oldKey == null ? List.of(key) : List.of(oldKey, key);
        }
    }

    /**
     * What a letter carries.
     *
     * @param value as it was edited, if it was
     */
    record Payload(byte[] recordKey, byte[] value, byte[] oldRecordKey) {}

    private static final String REQUESTED =
            """
            SELECT id, source_schema, source_table, kind, key, old_key, topic, partition, record_offset,
              coalesce(octet_length(coalesce(edited_value, record_value)), 0), edited_value IS NOT NULL,
              is_from_topic AND edited_value IS NULL
            FROM sluice.dead_letter WHERE lane = ? AND %s AND %s ORDER BY id LIMIT ?""";

    private static final String OF_TABLES = "(source_schema, source_table) IN (SELECT * FROM unnest(?::text[], ?::text[]))";

    /** The first letters of the tables that are to be replayed, in the order of the lane. */
    List<Requested> requested(Connection target, Collection<TableId> tables, int most) throws SQLException {
        try (PreparedStatement query =
                target.prepareStatement(REQUESTED.formatted(HOLDS, "is_requested AND repairs IS NULL AND " + OF_TABLES))) {
            query.setString(1, lane);
            bindTables(target, query, 2, tables);
            query.setInt(4, most);
            return requested(query);
        }
    }

    private static void bindTables(Connection target, PreparedStatement statement, int from, Collection<TableId> tables)
            throws SQLException {
        statement.setArray(from, target.createArrayOf("text", tables.stream().map(TableId::schema).toArray()));
        statement.setArray(from + 1, target.createArrayOf("text", tables.stream().map(TableId::table).toArray()));
    }

    /** Those of the letters that are to be replayed. */
    List<Requested> letters(Connection target, Collection<Long> ids) throws SQLException {
        try (PreparedStatement query = target.prepareStatement(REQUESTED.formatted(HOLDS, "is_requested AND repairs IS NULL AND id = ANY (?)"))) {
            query.setString(1, lane);
            query.setArray(2, target.createArrayOf("bigint", ids.toArray()));
            query.setInt(3, ids.size());
            return requested(query);
        }
    }

    private static List<Requested> requested(PreparedStatement query) throws SQLException {
        List<Requested> letters = new ArrayList<>();
        try (ResultSet row = query.executeQuery()) {
            while (row.next()) {
                letters.add(new Requested(
                        row.getLong(1),
                        new TableId(row.getString(2), row.getString(3)),
                        kind(row.getString(4)),
                        key(row, 5),
                        key(row, 6),
                        new TopicPartition(row.getString(7), row.getInt(8)),
                        row.getLong(9),
                        row.getLong(10),
                        row.getBoolean(11),
                        row.getBoolean(12)));
            }
        }
        return letters;
    }

    /** What letters carry; the caller sees to it that it is not too much at once. */
    Map<Long, Payload> payloads(Connection target, Collection<Long> ids) throws SQLException {
        Map<Long, Payload> payloads = new HashMap<>();
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT id, record_key, coalesce(edited_value, record_value), old_record_key
                FROM sluice.dead_letter WHERE id = ANY (?)""")) {
            query.setArray(1, target.createArrayOf("bigint", ids.toArray()));
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    payloads.put(row.getLong(1), new Payload(row.getBytes(2), row.getBytes(3), row.getBytes(4)));
                }
            }
        }
        return payloads;
    }

    private static Key key(ResultSet row, int column) throws SQLException {
        return row.getArray(column) == null ? null : Key.of((String[]) row.getArray(column).getArray());
    }

    /** The run that one letter belongs to takes others along, but those that it has tried already. */
    void takeAlong(Connection target, long of, Collection<Long> others) throws SQLException {
        try (PreparedStatement update = target.prepareStatement(
                """
                UPDATE sluice.dead_letter d SET is_requested = true, waits_for = '', replay_run = asked.replay_run
                FROM sluice.dead_letter asked
                WHERE asked.id = ? AND d.id = ANY (?) AND NOT d.is_requested AND (d.replay_run = asked.replay_run) IS NOT TRUE
                  AND d.%s"""
                        .formatted(HOLDS))) {
            update.setLong(1, of);
            update.setArray(2, target.createArrayOf("bigint", others.toArray()));
            update.executeUpdate();
        }
    }

    /** What letters of all other tables wait for before they can be replayed. */
    void waitFor(Connection target, Collection<TableId> tables, String what) throws SQLException {
        try (PreparedStatement update = target.prepareStatement(
                "UPDATE sluice.dead_letter SET waits_for = ? WHERE lane = ? AND is_requested AND waits_for <> ? AND NOT " + OF_TABLES)) {
            update.setString(1, what);
            update.setString(2, lane);
            update.setString(3, what);
            bindTables(target, update, 4, tables);
            update.executeUpdate();
        }
    }

    /** The rows of the letter, if it is not closed, are being read from the source. */
    void repairs(Connection target, long id, List<Long> repairs) throws SQLException {
        try (PreparedStatement update = target.prepareStatement(
                "UPDATE sluice.dead_letter SET repairs = ?, is_requested = true, waits_for = 'its row is being read from the source' WHERE id = ?"
                        + " AND " + HOLDS)) {
            update.setArray(1, target.createArrayOf("bigint", repairs.toArray()));
            update.setLong(2, id);
            update.executeUpdate();
        }
    }

    /** Letters whose rows have been read from the source, or could not be: per letter why not, empty if they were. */
    Map<Long, String> repaired(Connection target) throws SQLException {
        Map<Long, String> repaired = new HashMap<>();
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT d.id, string_agg(DISTINCT r.message, '; ') FILTER (WHERE r.state = 'failed')
                FROM sluice.dead_letter d JOIN sluice.repair r ON r.id = ANY (d.repairs)
                WHERE d.lane = ? AND d.is_requested AND d.repairs IS NOT NULL
                GROUP BY d.id HAVING bool_and(r.state <> 'requested')""")) {
            query.setString(1, lane);
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    repaired.put(row.getLong(1), Optional.ofNullable(row.getString(2)).orElse(""));
                }
            }
        }
        return repaired;
    }

    /** Whether a replay is under way, or has just come to its end. */
    boolean isReplaying(Connection target) throws SQLException {
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT EXISTS (SELECT 1 FROM sluice.dead_letter WHERE lane = ? AND is_requested)
                  OR EXISTS (SELECT 1 FROM sluice.audit WHERE lane = ? AND action = 'replay' AND finished_at IS NULL)""")) {
            query.setString(1, lane);
            query.setString(2, lane);
            try (ResultSet row = query.executeQuery()) {
                row.next();
                return row.getBoolean(1);
            }
        }
    }

    /** Says of runs that have come to their end what they came to. */
    void finishRuns(Connection target) throws SQLException {
        try (PreparedStatement finish = target.prepareStatement(
                """
                UPDATE sluice.audit a SET finished_at = clock_timestamp(), result = d.result
                FROM sluice.audit run CROSS JOIN LATERAL (
                  SELECT format('%s replayed, %s superseded, %s refused again',
                    count(*) FILTER (WHERE state = 'replayed'), count(*) FILTER (WHERE state = 'superseded'),
                    count(*) FILTER (WHERE state IN ('open', 'behind'))) AS result
                  FROM sluice.dead_letter WHERE replay_run = run.id
                  HAVING count(*) > 0 AND NOT bool_or(is_requested)) d
                WHERE run.lane = ? AND run.action = 'replay' AND run.finished_at IS NULL AND a.id = run.id""")) {
            finish.setString(1, lane);
            finish.executeUpdate();
        }
    }

    /** The keys, and those that letters tie to them by changes of key: what stands under one may belong to another. */
    Set<Key> tied(Connection target, TableId table, Collection<Key> keys) throws SQLException {
        Set<Key> tied = new HashSet<>(keys);
        Set<Key> fresh = Set.copyOf(keys);
        while (!fresh.isEmpty()) {
            Set<Long> hashes = fresh.stream().map(key -> hash(table, key.values())).collect(Collectors.toSet());
            fresh = alike(target, hashes).stream()
                    .filter(parked -> parked.table().equals(table) && parked.keys().stream().anyMatch(tied::contains))
                    .flatMap(parked -> parked.keys().stream())
                    .filter(key -> !tied.contains(key))
                    .collect(Collectors.toSet());
            tied.addAll(fresh);
        }
        return tied;
    }

    /**
     * Rows were read from the source as they are at the lane's position: what is parked of them is out of date.
     *
     * @param keys all that are {@link #tied}
     */
    void supersedeRead(Connection target, TableId table, Collection<Key> keys) throws SQLException {
        Set<Long> hashes = keys.stream().map(key -> hash(table, key.values())).collect(Collectors.toSet());
        List<Long> outOfDate = alike(target, hashes).stream()
                .filter(parked -> parked.table().equals(table) && keys.containsAll(parked.keys()))
                .map(Parked::id)
                .toList();
        // a letter that has asked for this reading is closed by the replay that it belongs to
        close(target, outOfDate, State.SUPERSEDED, "a repair of the row", "repairs IS NULL");
    }

    /** Per partition of a dead-letter topic, the offset behind the last letter that the index knows. */
    Map<Integer, Long> letterOffsets(Connection target, String topic) throws SQLException {
        Map<Integer, Long> offsets = new HashMap<>();
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT letter_partition, max(letter_offset) + 1 FROM sluice.dead_letter
                WHERE lane = ? AND topic = ? AND letter_offset IS NOT NULL GROUP BY 1""")) {
            query.setString(1, lane);
            query.setString(2, topic);
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    offsets.put(row.getInt(1), row.getLong(2));
                }
            }
        }
        return offsets;
    }

    // ---- the breaker

    /** Why the lane is stopped; empty if it is not. */
    Optional<String> breaker(Connection target) throws SQLException {
        try (PreparedStatement query =
                target.prepareStatement("SELECT reason FROM sluice.breaker WHERE lane = ? AND resumed_at IS NULL")) {
            query.setString(1, lane);
            try (ResultSet row = query.executeQuery()) {
                return row.next() ? Optional.of(row.getString(1)) : Optional.empty();
            }
        }
    }

    void openBreaker(Connection target, String reason) throws SQLException {
        try (PreparedStatement open = target.prepareStatement(
                """
                INSERT INTO sluice.breaker (lane, reason, opened_at) VALUES (?, ?, clock_timestamp())
                ON CONFLICT (lane) DO UPDATE SET reason = EXCLUDED.reason, opened_at = EXCLUDED.opened_at, resumed_at = NULL""")) {
            open.setString(1, lane);
            open.setString(2, reason);
            open.executeUpdate();
        }
    }

    /** Letters of the last minute, from the lane's last resumption on. */
    int recent(Connection target) throws SQLException {
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT count(*) FROM sluice.dead_letter
                WHERE lane = ? AND first_failed_at > greatest(
                  clock_timestamp() - interval '1 minute', (SELECT resumed_at FROM sluice.breaker WHERE lane = ?))""")) {
            query.setString(1, lane);
            query.setString(2, lane);
            try (ResultSet row = query.executeQuery()) {
                row.next();
                return row.getInt(1);
            }
        }
    }
}
