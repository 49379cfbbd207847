package dev.sluice.apply;

import dev.sluice.apply.RowChange.Key;
import dev.sluice.catalog.Catalog;
import dev.sluice.schemas.TableId;
import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * Rows that somebody wants to be made equal to the source's, in the target: written by whoever asks, finished by the lane's
 * applier. What is done stays for {@value #KEPT_DAYS} days, so that it can be seen who asked for what.
 *
 * <p>Every method runs in the caller's transaction.
 *
 * <p>Threads: one at a time.
 */
public final class RepairStore {
    private static final int KEPT_DAYS = 90;

    private final String lane;

    /** What became of a repair. */
    public enum State {
        REQUESTED,
        /** The row was what the source had, at the lane's position. */
        DONE,
        /** The row is as it was. */
        FAILED
    }

    /** @param message why it failed, or what it waits for; empty if there is nothing to say */
    public record Outcome(State state, String message) {}

    /** A row to be repaired. */
    record Request(long id, TableId table, Key key) {}

    /** @param lane unique in the target: pipeline and lane */
    public RepairStore(String lane) {
        this.lane = lane;
    }

    /** Makes the table; the schema is there. */
    static void createTable(Connection target) throws SQLException {
        try (Statement create = target.createStatement()) {
            create.execute(
                    """
                    CREATE TABLE IF NOT EXISTS sluice.repair (
                      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                      lane text NOT NULL,
                      source_schema text NOT NULL,
                      source_table text NOT NULL,
                      key text[] NOT NULL,
                      state text NOT NULL DEFAULT 'requested',
                      message text NOT NULL DEFAULT '',
                      requested_by text NOT NULL,
                      requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
                      finished_at timestamptz
                    )""");
            create.execute("CREATE INDEX IF NOT EXISTS repair_requested ON sluice.repair (lane, id) WHERE state = 'requested'");
        }
    }

    /** Whether an applier that repairs rows has been at work. */
    public static boolean isThere(Connection target) throws SQLException {
        return Catalog.isThere(target, new TableId("sluice", "repair"));
    }

    /**
     * Asks for rows to be made equal.
     *
     * @param keys in the order of the key's columns at the source, as its server prints them
     * @return a number for each, in that order
     */
    public List<Long> request(Connection target, TableId table, List<List<String>> keys, String by) throws SQLException {
        try (Statement forget = target.createStatement()) {
            forget.execute("DELETE FROM sluice.repair WHERE finished_at < now() - interval '%d days'".formatted(KEPT_DAYS));
        }
        List<Long> ids = new ArrayList<>();
        try (PreparedStatement insert = target.prepareStatement(
                """
                INSERT INTO sluice.repair (lane, source_schema, source_table, key, requested_by)
                VALUES (?, ?, ?, ?, ?) RETURNING id""")) {
            for (List<String> key : keys) {
                insert.setString(1, lane);
                insert.setString(2, table.schema());
                insert.setString(3, table.table());
                insert.setArray(4, target.createArrayOf("text", key.toArray()));
                insert.setString(5, by);
                try (ResultSet row = insert.executeQuery()) {
                    row.next();
                    ids.add(row.getLong(1));
                }
            }
        }
        return ids;
    }

    /** What became of these. */
    public Map<Long, Outcome> outcomes(Connection target, Collection<Long> ids) throws SQLException {
        Map<Long, Outcome> outcomes = new TreeMap<>();
        try (PreparedStatement query =
                target.prepareStatement("SELECT id, state, message FROM sluice.repair WHERE id = ANY (?)")) {
            query.setArray(1, target.createArrayOf("bigint", ids.toArray()));
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    State state = State.valueOf(row.getString(2).toUpperCase(Locale.ROOT));
                    outcomes.put(row.getLong(1), new Outcome(state, row.getString(3)));
                }
            }
        }
        return outcomes;
    }

    /** The first that are asked for, in the order of their numbers. */
    List<Request> requested(Connection target, int most) throws SQLException {
        List<Request> requests = new ArrayList<>();
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT id, source_schema, source_table, key FROM sluice.repair
                WHERE lane = ? AND state = 'requested' ORDER BY id LIMIT ?""")) {
            query.setString(1, lane);
            query.setInt(2, most);
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    requests.add(new Request(
                            row.getLong(1),
                            new TableId(row.getString(2), row.getString(3)),
                            Key.of((String[]) row.getArray(4).getArray())));
                }
            }
        }
        return requests;
    }

    void finish(Connection target, List<Request> requests, State state, String message) throws SQLException {
        try (PreparedStatement finish = target.prepareStatement(
                "UPDATE sluice.repair SET state = ?, message = ?, finished_at = clock_timestamp() WHERE id = ANY (?)")) {
            finish.setString(1, state.name().toLowerCase(Locale.ROOT));
            finish.setString(2, message);
            finish.setArray(3, ids(target, requests));
            finish.executeUpdate();
        }
    }

    /** What they wait for. */
    void say(Connection target, List<Request> requests, String message) throws SQLException {
        try (PreparedStatement say =
                target.prepareStatement("UPDATE sluice.repair SET message = ? WHERE id = ANY (?) AND message <> ?")) {
            say.setString(1, message);
            say.setArray(2, ids(target, requests));
            say.setString(3, message);
            say.executeUpdate();
        }
    }

    private static Array ids(Connection target, List<Request> requests) throws SQLException {
        return target.createArrayOf("bigint", requests.stream().map(Request::id).toArray());
    }
}
