package dev.sluice.apply;

import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;

/**
 * The index of dead letters as a person looks at it, over several lanes. What is written of it is written by
 * {@link LetterActs} and the lane.
 *
 * <p>Every method runs in the caller's transaction.
 *
 * <p>Threads: one at a time.
 */
public final class DeadLetters {
    static final String HOLDS = DeadLetterStore.HOLDS;

    private static final String CHOSEN =
            """
            lane = ANY (?) AND (?::bigint[] IS NULL OR id = ANY (?)) AND (?::text IS NULL OR source_schema = ?)
              AND (?::text IS NULL OR source_table = ?) AND (?::text IS NULL OR error_class = ?)
              AND (?::text IS NULL OR constraint_name = ?) AND (?::text[] IS NULL OR state = ANY (?))
              AND (?::text IS NULL OR first_failed_at >= ?::timestamptz)""";

    private static final String LETTERS =
            """
            SELECT id, lane, state, source_schema, source_table, kind, key_columns, key, old_key, error_class, sqlstate,
              constraint_name, message, attempts, first_failed_at, last_failed_at,
              is_requested, waits_for, replay_run, closed_at, closed_by
            FROM sluice.dead_letter WHERE %s ORDER BY id LIMIT ?"""
                    .formatted(CHOSEN);

    private final List<String> lanes;

    /**
     * Which letters; what is empty does not matter.
     *
     * @param states as the index has them, {@code open}, {@code behind}, {@code superseded}, {@code replayed}, {@code discarded}
     */
    public record Choice(
            List<Long> ids,
            Optional<TableId> table,
            Optional<String> errorClass,
            Optional<String> constraint,
            Optional<Instant> since,
            Set<String> states) {
        /** Those that are not closed. */
        public static final Set<String> HOLDING = Set.of("open", "behind");

        public static Choice ofIds(Collection<Long> ids) {
            return new Choice(List.copyOf(ids), Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty(), Set.of());
        }
    }

    /**
     * A letter without its record.
     *
     * @param keyColumns of the source, empty if its key is not known
     * @param key as the source prints it, empty if it is not known
     * @param oldKey of a change of key: the one before
     * @param errorClass why the target refused it
     * @param behind the nearest letter before it that is about the same row, if both are not closed
     * @param isRequested its replay is asked for
     * @param run the last replay that it was part of, as the audit has it
     * @param closedAt null while it is not closed
     * @param closedBy empty while it is not closed
     */
    public record Letter(
            long id,
            String lane,
            String state,
            TableId table,
            String kind,
            List<String> keyColumns,
            List<String> key,
            List<String> oldKey,
            String errorClass,
            Optional<String> sqlstate,
            Optional<String> constraint,
            String message,
            int attempts,
            Instant firstFailed,
            Instant lastFailed,
            OptionalLong behind,
            boolean isRequested,
            String waitsFor,
            OptionalLong run,
            Optional<Instant> closedAt,
            String closedBy) {
        /** Whether it holds its row back. */
        public boolean isHolding() {
            return Choice.HOLDING.contains(state);
        }

        private Letter behind(Long before) {
            return new Letter(
                    id, lane, state, table, kind, keyColumns, key, oldKey, errorClass, sqlstate, constraint, message, attempts,
                    firstFailed, lastFailed, before == null ? OptionalLong.empty() : OptionalLong.of(before), isRequested, waitsFor,
                    run, closedAt, closedBy);
        }
    }

    /** What letters can be counted by; every entry is a column, or an expression over them. */
    public enum By {
        TABLE("format('%s.%s', source_schema, source_table)"),
        CLASS("error_class"),
        CONSTRAINT("coalesce(constraint_name, '')"),
        HOUR("to_char(date_trunc('hour', first_failed_at AT TIME ZONE 'UTC'), 'YYYY-MM-DD\"T\"HH24:MI\"Z\"')");

        private final String sql;

        By(String sql) {
            this.sql = sql;
        }
    }

    /** Letters that have something in common. */
    public record Group(String name, long open, long behind, long closed, Instant oldest, Instant newest) {}

    /**
     * What stands of a lane.
     *
     * @param oldest empty if nothing does
     * @param tables how many letters each source table has that are not closed
     * @param waiting the lane waits for something that passes by itself
     */
    public record Standing(
            long open,
            long behind,
            Optional<Instant> oldest,
            Map<TableId, Long> tables,
            Optional<Breaker> breaker,
            Optional<Waiting> waiting) {
        public static final Standing NOTHING =
                new Standing(0, 0, Optional.empty(), Map.of(), Optional.empty(), Optional.empty());
    }

    /** A lane waits: for a lock, a full disk, Kafka. */
    public record Waiting(String lane, Instant since, String reason) {}

    /** A lane is stopped, since it would have parked too much. */
    public record Breaker(String lane, String reason, Instant opened) {}

    /** @param lanes by their names in the target, of pipeline and lane */
    public DeadLetters(List<String> lanes) {
        this.lanes = List.copyOf(lanes);
    }

    /** Whether an applier that parks has been at work. */
    public static boolean isThere(Connection target) throws SQLException {
        return DeadLetterStore.isThere(target);
    }

    /** The first ones, in the order of their numbers. */
    public List<Letter> letters(Connection target, Choice choice, int most) throws SQLException {
        List<Letter> letters = new ArrayList<>();
        try (PreparedStatement query = target.prepareStatement(LETTERS)) {
            query.setInt(bind(target, query, choice), most);
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    letters.add(letter(row));
                }
            }
        }
        Map<Long, Long> before = new LetterChains(lanes).nearestBefore(target, letters);
        return letters.stream().map(letter -> letter.behind(before.get(letter.id()))).toList();
    }

    public Optional<Letter> letter(Connection target, long id) throws SQLException {
        return letters(target, Choice.ofIds(List.of(id)), 1).stream().findFirst();
    }

    private static Letter letter(ResultSet row) throws SQLException {
        return new Letter(
                row.getLong(1),
                row.getString(2),
                row.getString(3),
                new TableId(row.getString(4), row.getString(5)),
                row.getString(6),
                texts(row, 7),
                texts(row, 8),
                texts(row, 9),
                row.getString(10),
                Optional.ofNullable(row.getString(11)),
                Optional.ofNullable(row.getString(12)),
                row.getString(13),
                row.getInt(14),
                instant(row, 15),
                instant(row, 16),
                OptionalLong.empty(),
                row.getBoolean(17),
                row.getString(18),
                number(row, 19),
                Optional.ofNullable(instant(row, 20)),
                Optional.ofNullable(row.getString(21)).orElse(""));
    }

    static List<String> texts(ResultSet row, int column) throws SQLException {
        return row.getArray(column) == null ? List.of() : Arrays.asList((String[]) row.getArray(column).getArray());
    }

    /** Null for NULL. */
    static Instant instant(ResultSet row, int column) throws SQLException {
        Timestamp found = row.getTimestamp(column);
        return found == null ? null : found.toInstant();
    }

    static OptionalLong number(ResultSet row, int column) throws SQLException {
        long number = row.getLong(column);
        return row.wasNull() ? OptionalLong.empty() : OptionalLong.of(number);
    }

    /** How many, and since when, by what they have in common; one group of all if {@code by} is empty and there are any. */
    public List<Group> groups(Connection target, Choice choice, Optional<By> by) throws SQLException {
        String sql =
                """
                SELECT %s, count(*) FILTER (WHERE state = 'open'), count(*) FILTER (WHERE state = 'behind'),
                  count(*) FILTER (WHERE NOT %s), min(first_failed_at), max(first_failed_at)
                FROM sluice.dead_letter WHERE %s GROUP BY 1 ORDER BY %s"""
                        .formatted(
                                by.map(one -> one.sql).orElse("''"),
                                HOLDS,
                                CHOSEN,
                                by.equals(Optional.of(By.HOUR)) ? "1" : "count(*) DESC, 1");
        List<Group> groups = new ArrayList<>();
        try (PreparedStatement query = target.prepareStatement(sql)) {
            bind(target, query, choice);
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    groups.add(new Group(
                            row.getString(1),
                            row.getLong(2),
                            row.getLong(3),
                            row.getLong(4),
                            instant(row, 5),
                            instant(row, 6)));
                }
            }
        }
        return groups;
    }

    /** The next parameter's number. */
    private int bind(Connection target, PreparedStatement query, Choice choice) throws SQLException {
        int parameter = 1;
        query.setArray(parameter++, target.createArrayOf("text", lanes.toArray()));
        for (int i = 0; i < 2; i++) {
            query.setArray(parameter++, choice.ids().isEmpty() ? null : target.createArrayOf("bigint", choice.ids().toArray()));
        }
        List<Optional<String>> texts = List.of(
                choice.table().map(TableId::schema), choice.table().map(TableId::table), choice.errorClass(), choice.constraint());
        for (Optional<String> text : texts) {
            query.setString(parameter++, text.orElse(null));
            query.setString(parameter++, text.orElse(null));
        }
        for (int i = 0; i < 2; i++) {
            query.setArray(parameter++, choice.states().isEmpty() ? null : target.createArrayOf("text", choice.states().toArray()));
        }
        String since = choice.since().map(Instant::toString).orElse(null);
        query.setString(parameter++, since);
        query.setString(parameter++, since);
        return parameter;
    }

    /** Numbers of those that are chosen and not closed, in the order of the lane. */
    public List<Long> holding(Connection target, Choice choice) throws SQLException {
        Choice open = new Choice(
                choice.ids(), choice.table(), choice.errorClass(), choice.constraint(), choice.since(), Choice.HOLDING);
        try (PreparedStatement query =
                target.prepareStatement("SELECT id FROM sluice.dead_letter WHERE %s ORDER BY id".formatted(CHOSEN))) {
            bind(target, query, open);
            return ids(query);
        }
    }

    /** Letters that these replays were asked for and that later ones have taken over, as they are now. */
    public List<Letter> takenOver(Connection target, Collection<Long> runs) throws SQLException {
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT id FROM sluice.dead_letter WHERE lane = ANY (?) AND replay_run IS NOT NULL AND replay_run <> ALL (?)
                  AND id IN (SELECT unnest(letters) FROM sluice.audit WHERE id = ANY (?) AND action = 'replay')
                ORDER BY 1""")) {
            query.setArray(1, target.createArrayOf("text", lanes.toArray()));
            query.setArray(2, target.createArrayOf("bigint", runs.toArray()));
            query.setArray(3, target.createArrayOf("bigint", runs.toArray()));
            List<Long> found = ids(query);
            return found.isEmpty() ? List.of() : letters(target, Choice.ofIds(found), found.size());
        }
    }

    static List<Long> ids(PreparedStatement query) throws SQLException {
        List<Long> ids = new ArrayList<>();
        try (ResultSet row = query.executeQuery()) {
            while (row.next()) {
                ids.add(row.getLong(1));
            }
        }
        return ids;
    }

    /** What stands of the lanes; nothing if no applier that parks has been at work. */
    public Standing standing(Connection target) throws SQLException {
        if (!isThere(target)) {
            return Standing.NOTHING;
        }
        long open = 0;
        long behind = 0;
        Optional<Instant> oldest = Optional.empty();
        Map<TableId, Long> tables = new TreeMap<>();
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT source_schema, source_table, count(*) FILTER (WHERE state = 'open'),
                  count(*) FILTER (WHERE state = 'behind'), min(first_failed_at)
                FROM sluice.dead_letter WHERE lane = ANY (?) AND %s GROUP BY 1, 2"""
                        .formatted(HOLDS))) {
            query.setArray(1, target.createArrayOf("text", lanes.toArray()));
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    open += row.getLong(3);
                    behind += row.getLong(4);
                    tables.put(new TableId(row.getString(1), row.getString(2)), row.getLong(3) + row.getLong(4));
                    Instant first = instant(row, 5);
                    oldest = Optional.of(oldest.filter(first::isAfter).orElse(first));
                }
            }
        }
        return new Standing(
                open, behind, oldest, tables, breakers(target).stream().findFirst(), waiting(target).stream().findFirst());
    }

    /** Lanes that wait for something that passes by itself. */
    public List<Waiting> waiting(Connection target) throws SQLException {
        List<Waiting> waiting = new ArrayList<>();
        for (String lane : lanes) {
            BlockedLane.read(target, lane).ifPresent(blocked ->
                    waiting.add(new Waiting(lane, blocked.since(), blocked.reason())));
        }
        return waiting;
    }

    /** Lanes that are stopped. */
    public List<Breaker> breakers(Connection target) throws SQLException {
        List<Breaker> breakers = new ArrayList<>();
        try (PreparedStatement query = target.prepareStatement(
                "SELECT lane, reason, opened_at FROM sluice.breaker WHERE lane = ANY (?) AND resumed_at IS NULL ORDER BY lane")) {
            query.setArray(1, target.createArrayOf("text", lanes.toArray()));
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    breakers.add(new Breaker(row.getString(1), row.getString(2), instant(row, 3)));
                }
            }
        }
        return breakers;
    }
}
