package dev.sluice.apply;

import dev.sluice.apply.DeadLetters.Choice;
import dev.sluice.apply.DeadLetters.Letter;
import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Replays as they are asked for and followed: a run is a line of {@code sluice.audit}, one for each lane, and the lane does it.
 *
 * <p>Every method runs in the caller's transaction.
 *
 * <p>Threads: one at a time.
 */
public final class LetterReplay {
    private final List<String> lanes;
    private final LetterActs acts;

    /**
     * How far runs are.
     *
     * @param requested letters that the lane has not tried yet
     * @param waitsFor what they wait for, each text once
     */
    public record Progress(long requested, long replayed, long superseded, long refused, List<String> waitsFor) {}

    /** @param lanes by their names in the target */
    public LetterReplay(List<String> lanes, String who) {
        this.lanes = List.copyOf(lanes);
        this.acts = new LetterActs(lanes, who);
    }

    /**
     * Asks for letters to be replayed that are not closed and not asked for already.
     *
     * @return the lanes of the runs that the letters are part of now, by number; of those too that somebody has asked for before
     */
    public Map<Long, String> request(Connection target, Collection<Long> ids) throws SQLException {
        Map<String, List<Long>> byLane = new LinkedHashMap<>();
        try (PreparedStatement query = target.prepareStatement(
                "SELECT lane, id FROM sluice.dead_letter WHERE id = ANY (?) AND lane = ANY (?) AND NOT is_requested AND %s ORDER BY 1, 2"
                        .formatted(DeadLetters.HOLDS))) {
            query.setArray(1, ids(target, ids));
            query.setArray(2, target.createArrayOf("text", lanes.toArray()));
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    byLane.computeIfAbsent(row.getString(1), lane -> new ArrayList<>()).add(row.getLong(2));
                }
            }
        }
        for (Map.Entry<String, List<Long>> lane : byLane.entrySet()) {
            request(target, lane.getKey(), lane.getValue());
        }
        Map<Long, String> runs = new TreeMap<>();
        try (PreparedStatement query = target.prepareStatement(
                "SELECT DISTINCT replay_run, lane FROM sluice.dead_letter WHERE id = ANY (?) AND lane = ANY (?) AND is_requested"
                        + " AND replay_run IS NOT NULL")) {
            query.setArray(1, ids(target, ids));
            query.setArray(2, target.createArrayOf("text", lanes.toArray()));
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    runs.put(row.getLong(1), row.getString(2));
                }
            }
        }
        return runs;
    }

    long request(Connection target, String lane, List<Long> letters) throws SQLException {
        acts.holdLanesOff(target);
        long run = acts.insert(target, lane, "replay", letters, "", "");
        try (PreparedStatement request = target.prepareStatement(
                """
                UPDATE sluice.dead_letter SET is_requested = true, replay_run = ?, waits_for = '', repairs = NULL
                WHERE id = ANY (?) AND NOT is_requested AND %s"""
                        .formatted(DeadLetters.HOLDS))) {
            request.setLong(1, run);
            request.setArray(2, ids(target, letters));
            request.executeUpdate();
        }
        return run;
    }

    /** The lanes of earlier runs, by number; without those that are no replays of these lanes. */
    public Map<Long, String> lanes(Connection target, Collection<Long> runs) throws SQLException {
        Map<Long, String> found = new LinkedHashMap<>();
        try (PreparedStatement query = target.prepareStatement(
                "SELECT id, lane FROM sluice.audit WHERE id = ANY (?) AND lane = ANY (?) AND action = 'replay' ORDER BY 1")) {
            query.setArray(1, ids(target, runs));
            query.setArray(2, target.createArrayOf("text", lanes.toArray()));
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    found.put(row.getLong(1), row.getString(2));
                }
            }
        }
        return found;
    }

    public Progress progress(Connection target, Collection<Long> runs) throws SQLException {
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT count(*) FILTER (WHERE is_requested), count(*) FILTER (WHERE state = 'replayed'),
                  count(*) FILTER (WHERE state = 'superseded'), count(*) FILTER (WHERE NOT is_requested AND %s),
                  array_remove(array_agg(DISTINCT waits_for) FILTER (WHERE is_requested), '')
                FROM sluice.dead_letter WHERE replay_run = ANY (?)"""
                        .formatted(DeadLetters.HOLDS))) {
            query.setArray(1, ids(target, runs));
            try (ResultSet row = query.executeQuery()) {
                row.next();
                return new Progress(
                        row.getLong(1), row.getLong(2), row.getLong(3), row.getLong(4), DeadLetters.texts(row, 5));
            }
        }
    }

    /**
     * Asks within the runs once more for what was refused for a foreign key, and what waits behind it: the rows that it refers to may
     * have been written by the same runs.
     *
     * @return how many letters
     */
    public int requestAgain(Connection target, Collection<Long> runs) throws SQLException {
        int again;
        try (PreparedStatement request = target.prepareStatement(
                """
                UPDATE sluice.dead_letter SET is_requested = true, waits_for = '', repairs = NULL
                WHERE replay_run = ANY (?) AND NOT is_requested AND (state = 'open' AND sqlstate = '23503' OR state = 'behind')
                  AND EXISTS (SELECT FROM sluice.dead_letter
                              WHERE replay_run = ANY (?) AND state = 'open' AND sqlstate = '23503')""")) {
            request.setArray(1, ids(target, runs));
            request.setArray(2, ids(target, runs));
            again = request.executeUpdate();
        }
        if (again > 0) {
            try (PreparedStatement reopen =
                    target.prepareStatement("UPDATE sluice.audit SET finished_at = NULL, result = '' WHERE id = ANY (?)")) {
                reopen.setArray(1, ids(target, runs));
                reopen.executeUpdate();
            }
        }
        return again;
    }

    /** Letters of the runs that are not closed, in the order of their numbers. */
    public List<Letter> refused(Connection target, Collection<Long> runs, int most) throws SQLException {
        try (PreparedStatement query = target.prepareStatement(
                "SELECT id FROM sluice.dead_letter WHERE replay_run = ANY (?) AND NOT is_requested AND %s ORDER BY 1 LIMIT ?"
                        .formatted(DeadLetters.HOLDS))) {
            query.setArray(1, ids(target, runs));
            query.setInt(2, most);
            List<Long> found = DeadLetters.ids(query);
            return found.isEmpty() ? List.of() : new DeadLetters(lanes).letters(target, Choice.ofIds(found), most);
        }
    }

    private static Array ids(Connection target, Collection<Long> ids) throws SQLException {
        return target.createArrayOf("bigint", ids.toArray());
    }
}
