package dev.sluice.apply;

import dev.sluice.apply.RowChange.Key;
import dev.sluice.schemas.TableId;
import java.nio.charset.StandardCharsets;
import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;

/**
 * What is known in the target of tables that are read again from the source: who asked for it, how far it is, and which
 * ranges are done. Requests are written by whoever asks, everything else by the lane's applier.
 *
 * <p>Every method runs in the caller's transaction.
 *
 * <p>Threads: one at a time.
 */
public final class RereadStore {
    /** How a message begins that says what of a table that is done is still to be looked at. */
    static final String LATER = "its foreign keys are looked at when ";
    /** The message of a table that has just been read. */
    static final String UNCHECKED = LATER + "all tables are read";

    private final String lane;

    /** What becomes of a reread. */
    public enum State {
        /** Nothing of it has begun. */
        REQUESTED,
        RUNNING,
        /** Somebody must act; nothing is read meanwhile. */
        FAILED,
        /** The table is in step with the stream. */
        DONE
    }

    /**
     * How gently the source is read.
     *
     * @param rowsPerSecond at most; empty: no limit
     * @param bytesPerSecond at most; empty: no limit
     * @param mostActive nothing is read while the source has more active sessions than that; empty: no limit
     */
    public record Throttle(OptionalLong rowsPerSecond, OptionalLong bytesPerSecond, OptionalLong mostActive) {
        public static final Throttle NONE = new Throttle(OptionalLong.empty(), OptionalLong.empty(), OptionalLong.empty());
    }

    /**
     * One table that is or was read again.
     *
     * @param kind {@code backfill}, {@code resync} or {@code recover}: the command that asked for it
     * @param condition SQL over the source's columns that the rows to be read fulfil; empty for all rows
     * @param isPaused no further range is begun
     * @param wasEmpty the target's table had no row when the reread began
     * @param isSwept rows that the source does not have are out of the target's table
     * @param rowsEstimated the source's estimate when it began
     * @param busy time spent reading, summed over workers
     * @param message what keeps it from going on, or what was found at its end; empty if nothing
     * @param started empty if it has not begun
     */
    public record Table(
            TableId source,
            String kind,
            String condition,
            State state,
            boolean isPaused,
            boolean wasEmpty,
            boolean isSwept,
            long rows,
            long bytes,
            long rowsEstimated,
            Duration busy,
            Throttle throttle,
            String message,
            Instant requested,
            Optional<Instant> started,
            Optional<Instant> finished) {
        boolean isUnfinished() {
            return state != State.DONE;
        }

        /** It is done, and what was found at its end somebody must look at: rows that refer to nothing, or that this is not known. */
        public boolean isDoubtful() {
            return state == State.DONE && !message.isEmpty() && !message.startsWith(LATER);
        }
    }

    /** Keys from {@code lo} on, below {@code hi}; null for no limit. */
    record Range(Key lo, Key hi) {
        static final Range ALL = new Range(null, null);
    }

    /** @param lane unique in the target: pipeline and lane */
    public RereadStore(String lane) {
        this.lane = lane;
    }

    /** Makes the tables; the schema is there. */
    public static void createTables(Connection target) throws SQLException {
        try (Statement create = target.createStatement()) {
            create.execute(
                    """
                    CREATE TABLE IF NOT EXISTS sluice.reread (
                      lane text NOT NULL,
                      source_schema text NOT NULL,
                      source_table text NOT NULL,
                      kind text NOT NULL,
                      condition text NOT NULL DEFAULT '',
                      state text NOT NULL DEFAULT 'requested',
                      is_paused boolean NOT NULL DEFAULT false,
                      was_empty boolean NOT NULL DEFAULT false,
                      is_swept boolean NOT NULL DEFAULT false,
                      rows bigint NOT NULL DEFAULT 0,
                      bytes bigint NOT NULL DEFAULT 0,
                      rows_estimated bigint NOT NULL DEFAULT 0,
                      busy_millis bigint NOT NULL DEFAULT 0,
                      rows_per_second bigint,
                      bytes_per_second bigint,
                      most_active bigint,
                      message text NOT NULL DEFAULT '',
                      requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
                      started_at timestamptz,
                      finished_at timestamptz,
                      PRIMARY KEY (lane, source_schema, source_table)
                    ) WITH (fillfactor = 50)""");
            create.execute(
                    """
                    CREATE TABLE IF NOT EXISTS sluice.reread_range (
                      lane text NOT NULL,
                      source_schema text NOT NULL,
                      source_table text NOT NULL,
                      lo text[],
                      hi text[],
                      key_order text NOT NULL DEFAULT '',
                      rows bigint NOT NULL,
                      done_at timestamptz NOT NULL DEFAULT clock_timestamp()
                    )""");
            create.execute("ALTER TABLE sluice.reread_range ADD COLUMN IF NOT EXISTS key_order text NOT NULL DEFAULT ''");
            create.execute(
                    "CREATE INDEX IF NOT EXISTS reread_range_table ON sluice.reread_range (lane, source_schema, source_table)");
            create.execute("CREATE TABLE IF NOT EXISTS sluice.reread_run (lane text PRIMARY KEY, run bigint NOT NULL)");
            create.execute(
                    """
                    CREATE TABLE IF NOT EXISTS sluice.reread_passed (
                      lane text NOT NULL,
                      xids bigint[] NOT NULL
                    )""");
        }
    }

    /** Whether an applier of this version has been at work, so that requests can be written and read. */
    public static boolean isThere(Connection target) throws SQLException {
        try (Statement ask = target.createStatement();
                ResultSet there = ask.executeQuery(
                        "SELECT to_regclass('sluice.reread_passed') IS NOT NULL AND EXISTS (SELECT 1 FROM pg_catalog.pg_attribute"
                                + " WHERE attrelid = to_regclass('sluice.reread_range') AND attname = 'key_order')")) {
            there.next();
            return there.getBoolean(1);
        }
    }

    // ---- requests

    /**
     * Asks for a table to be read again. One that is being read begins anew.
     *
     * @param condition SQL over the source's columns; empty for all rows
     */
    public void request(Connection target, TableId table, String kind, String condition, Throttle throttle)
            throws SQLException {
        forgetRanges(target, table);
        try (PreparedStatement request = target.prepareStatement(
                """
                INSERT INTO sluice.reread (lane, source_schema, source_table, kind, condition,
                                           rows_per_second, bytes_per_second, most_active)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (lane, source_schema, source_table) DO UPDATE SET
                  kind = EXCLUDED.kind, condition = EXCLUDED.condition, state = 'requested', is_paused = false,
                  was_empty = false, is_swept = false, rows = 0, bytes = 0, rows_estimated = 0, busy_millis = 0,
                  rows_per_second = EXCLUDED.rows_per_second, bytes_per_second = EXCLUDED.bytes_per_second,
                  most_active = EXCLUDED.most_active, message = '', requested_at = clock_timestamp(),
                  started_at = NULL, finished_at = NULL""")) {
            bind(request, table);
            request.setString(4, kind);
            request.setString(5, condition);
            bind(request, 6, throttle);
            request.executeUpdate();
        }
    }

    /** Lets no further range of a table begin, or lets it go on. */
    public void pause(Connection target, TableId table, boolean isPaused) throws SQLException {
        try (PreparedStatement pause = target.prepareStatement("UPDATE sluice.reread SET is_paused = ?" + ONE)) {
            pause.setBoolean(1, isPaused);
            bind(pause, 2, table);
            pause.executeUpdate();
        }
    }

    public void throttle(Connection target, TableId table, Throttle throttle) throws SQLException {
        try (PreparedStatement change = target.prepareStatement(
                "UPDATE sluice.reread SET rows_per_second = ?, bytes_per_second = ?, most_active = ?" + ONE)) {
            bind(change, 1, throttle);
            bind(change, 4, table);
            change.executeUpdate();
        }
    }

    /** Those of the lane, by source table. */
    public Map<TableId, Table> read(Connection target) throws SQLException {
        Map<TableId, Table> tables = new TreeMap<>();
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT source_schema, source_table, kind, condition, state, is_paused, was_empty, is_swept, rows, bytes,
                       rows_estimated, busy_millis, rows_per_second, bytes_per_second, most_active, message,
                       extract(epoch FROM requested_at) * 1000, extract(epoch FROM started_at) * 1000,
                       extract(epoch FROM finished_at) * 1000
                FROM sluice.reread WHERE lane = ?""")) {
            query.setString(1, lane);
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    TableId source = new TableId(row.getString(1), row.getString(2));
                    tables.put(source, table(source, row));
                }
            }
        }
        return tables;
    }

    private static Table table(TableId source, ResultSet row) throws SQLException {
        return new Table(
                source,
                row.getString(3),
                row.getString(4),
                State.valueOf(row.getString(5).toUpperCase(Locale.ROOT)),
                row.getBoolean(6),
                row.getBoolean(7),
                row.getBoolean(8),
                row.getLong(9),
                row.getLong(10),
                row.getLong(11),
                Duration.ofMillis(row.getLong(12)),
                new Throttle(number(row, 13), number(row, 14), number(row, 15)),
                row.getString(16),
                moment(row, 17).orElseThrow(),
                moment(row, 18),
                moment(row, 19));
    }

    private static OptionalLong number(ResultSet row, int column) throws SQLException {
        long number = row.getLong(column);
        return row.wasNull() ? OptionalLong.empty() : OptionalLong.of(number);
    }

    private static Optional<Instant> moment(ResultSet row, int column) throws SQLException {
        long millis = row.getLong(column);
        return row.wasNull() ? Optional.empty() : Optional.of(Instant.ofEpochMilli(millis));
    }

    // ---- the applier's part

    /** Application name of the sessions that read for this lane; the server keeps 63 bytes of it. */
    String readersName() {
        return "sluice-reread " + UUID.nameUUIDFromBytes(lane.getBytes(StandardCharsets.UTF_8));
    }

    /** Ends the readers of earlier runs: one that is paused or cut off would keep its locks. */
    void endReaders(Connection target) throws SQLException {
        try (PreparedStatement end = target.prepareStatement(
                "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity"
                        + " WHERE application_name = ? AND usename = current_user AND datname = current_database()")) {
            end.setString(1, readersName());
            end.executeQuery().close();
        }
    }

    /**
     * Takes the right to finish ranges away from every earlier run of the lane's applier; waits for one that is just being
     * finished.
     *
     * @return the number of this run
     */
    long beginRun(Connection target) throws SQLException {
        try (PreparedStatement begin = target.prepareStatement(
                """
                INSERT INTO sluice.reread_run (lane, run) VALUES (?, 1)
                ON CONFLICT (lane) DO UPDATE SET run = reread_run.run + 1
                RETURNING run""")) {
            begin.setString(1, lane);
            try (ResultSet row = begin.executeQuery()) {
                row.next();
                return row.getLong(1);
            }
        }
    }

    /** Whether this run is still the lane's; it stays so to the end of the transaction. */
    boolean isRun(Connection target, long run) throws SQLException {
        try (PreparedStatement query = target.prepareStatement(
                "SELECT 1 FROM sluice.reread_run WHERE lane = ? AND run = ? FOR SHARE")) {
            query.setString(1, lane);
            query.setLong(2, run);
            try (ResultSet row = query.executeQuery()) {
                return row.next();
            }
        }
    }

    /** Begins a reread, or begins it anew. */
    void start(Connection target, TableId table, boolean wasEmpty, long rowsEstimated) throws SQLException {
        forgetRanges(target, table);
        try (PreparedStatement start = target.prepareStatement(
                """
                UPDATE sluice.reread SET state = 'running', was_empty = ?, is_swept = ?, rows = 0, bytes = 0, busy_millis = 0,
                  rows_estimated = ?, message = '', started_at = clock_timestamp()""" + ONE)) {
            start.setBoolean(1, wasEmpty);
            start.setBoolean(2, wasEmpty);
            start.setLong(3, rowsEstimated);
            bind(start, 4, table);
            start.executeUpdate();
        }
    }

    void swept(Connection target, TableId table) throws SQLException {
        try (PreparedStatement swept = target.prepareStatement("UPDATE sluice.reread SET is_swept = true" + ONE)) {
            bind(swept, 1, table);
            swept.executeUpdate();
        }
    }

    /**
     * The range is from now on what the stream makes of it.
     *
     * @param order by which it was cut
     */
    void done(Connection target, TableId table, KeyOrder order, Range range, long rows, long bytes, Duration busy)
            throws SQLException {
        try (PreparedStatement done = target.prepareStatement(
                "INSERT INTO sluice.reread_range (lane, source_schema, source_table, lo, hi, rows, key_order)"
                        + " VALUES (?, ?, ?, ?, ?, ?, ?)")) {
            bind(done, table);
            done.setArray(4, array(target, range.lo()));
            done.setArray(5, array(target, range.hi()));
            done.setLong(6, rows);
            done.setString(7, order.text());
            done.executeUpdate();
        }
        try (PreparedStatement count = target.prepareStatement(
                """
                UPDATE sluice.reread SET rows = rows + ?, bytes = bytes + ?, busy_millis = busy_millis + ?, message = ''"""
                        + ONE)) {
            count.setLong(1, rows);
            count.setLong(2, bytes);
            count.setLong(3, busy.toMillis());
            bind(count, 4, table);
            count.executeUpdate();
        }
    }

    /**
     * Those that are done, in no order.
     *
     * @throws KeyChanged if one of them was cut by another order
     */
    List<Range> ranges(Connection target, TableId table, KeyOrder order) throws SQLException {
        List<Range> ranges = new ArrayList<>();
        try (PreparedStatement query = target.prepareStatement("SELECT lo, hi, key_order FROM sluice.reread_range" + ONE)) {
            bind(query, 1, table);
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    if (!row.getString(3).equals(order.text())) {
                        throw new KeyChanged(table);
                    }
                    ranges.add(new Range(key(row.getArray(1)), key(row.getArray(2))));
                }
            }
        }
        return ranges;
    }

    private void forgetRanges(Connection target, TableId table) throws SQLException {
        try (PreparedStatement forget = target.prepareStatement("DELETE FROM sluice.reread_range" + ONE)) {
            bind(forget, 1, table);
            forget.executeUpdate();
        }
    }

    /** A table that is done stays what it is if somebody has asked for it again meanwhile. */
    void finish(Connection target, TableId table, State state, String message) throws SQLException {
        try (PreparedStatement finish = target.prepareStatement(
                """
                UPDATE sluice.reread SET state = ?, message = ?,
                  finished_at = CASE WHEN ? THEN clock_timestamp() END""" + ONE
                        + (state == State.DONE ? " AND state <> 'requested'" : ""))) {
            finish.setString(1, state.name().toLowerCase(Locale.ROOT));
            finish.setString(2, message);
            finish.setBoolean(3, state == State.DONE);
            bind(finish, 4, table);
            if (finish.executeUpdate() == 0) {
                return;
            }
        }
        if (state == State.DONE) {
            forgetRanges(target, table);
        }
    }

    void say(Connection target, TableId table, String message) throws SQLException {
        try (PreparedStatement say =
                target.prepareStatement("UPDATE sluice.reread SET message = ?" + ONE + " AND message <> ?")) {
            say.setString(1, message);
            bind(say, 2, table);
            say.setString(5, message);
            say.executeUpdate();
        }
    }

    // ---- transactions that were passed by

    void addPassed(Connection target, Set<Long> xids) throws SQLException {
        try (PreparedStatement add =
                target.prepareStatement("INSERT INTO sluice.reread_passed (lane, xids) VALUES (?, ?)")) {
            add.setString(1, lane);
            add.setArray(2, target.createArrayOf("bigint", xids.toArray()));
            add.executeUpdate();
        }
    }

    Set<Long> passed(Connection target) throws SQLException {
        Set<Long> xids = new TreeSet<>();
        try (PreparedStatement query = target.prepareStatement("SELECT xids FROM sluice.reread_passed WHERE lane = ?")) {
            query.setString(1, lane);
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    xids.addAll(Arrays.asList((Long[]) row.getArray(1).getArray()));
                }
            }
        }
        return xids;
    }

    /** Keeps only these. */
    void keepPassed(Connection target, Set<Long> xids) throws SQLException {
        try (PreparedStatement forget = target.prepareStatement("DELETE FROM sluice.reread_passed WHERE lane = ?")) {
            forget.setString(1, lane);
            forget.executeUpdate();
        }
        if (!xids.isEmpty()) {
            addPassed(target, xids);
        }
    }

    // ----

    private static final String ONE = " WHERE lane = ? AND source_schema = ? AND source_table = ?";

    private void bind(PreparedStatement statement, TableId table) throws SQLException {
        bind(statement, 1, table);
    }

    private void bind(PreparedStatement statement, int first, TableId table) throws SQLException {
        statement.setString(first, lane);
        statement.setString(first + 1, table.schema());
        statement.setString(first + 2, table.table());
    }

    private static void bind(PreparedStatement statement, int first, Throttle throttle) throws SQLException {
        int parameter = first;
        for (OptionalLong limit : List.of(throttle.rowsPerSecond(), throttle.bytesPerSecond(), throttle.mostActive())) {
            statement.setObject(parameter++, limit.isPresent() ? limit.getAsLong() : null, Types.BIGINT);
        }
    }

    private static Array array(Connection target, Key key) throws SQLException {
        return key == null ? null : target.createArrayOf("text", key.values().toArray());
    }

    private static Key key(Array values) throws SQLException {
        return values == null ? null : Key.of((String[]) values.getArray());
    }
}
