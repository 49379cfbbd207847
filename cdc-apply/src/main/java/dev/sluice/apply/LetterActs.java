package dev.sluice.apply;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;

/**
 * What a person does with dead letters, each act with a line in {@code sluice.audit}. Rows are written by the lane alone.
 *
 * <p>Every method runs in the caller's transaction.
 *
 * <p>Threads: one at a time.
 */
public final class LetterActs {
    private final List<String> lanes;
    private final String who;

    /**
     * One act.
     *
     * @param action {@code replay}, {@code edit}, {@code discard} or {@code resume}
     * @param result empty until it is finished
     */
    public record Act(
            long id,
            Instant at,
            String who,
            String lane,
            String action,
            List<Long> letters,
            String reason,
            String result,
            Optional<Instant> finished) {}

    /** @param lanes by their names in the target */
    public LetterActs(List<String> lanes, String who) {
        this.lanes = List.copyOf(lanes);
        this.who = who;
    }

    /**
     * Waits for what the lanes have in hand, and holds them off until the transaction ends. A lane that is about to write a letter
     * would write it still after it was discarded, or as it was before it was edited.
     */
    public void holdLanesOff(Connection target) throws SQLException {
        try (Statement lock = target.createStatement()) {
            lock.execute("LOCK TABLE sluice.dead_letter IN ACCESS EXCLUSIVE MODE");
        }
    }

    /** A letter's value is replayed in place of the one that it had. The letter is not closed. */
    public void edit(Connection target, long id, byte[] value, String reason) throws SQLException {
        try (PreparedStatement edit = target.prepareStatement(
                """
                UPDATE sluice.dead_letter
                SET edited_value = ?, edited_by = ?, edited_reason = ?, edited_at = clock_timestamp() WHERE id = ?""")) {
            edit.setBytes(1, value);
            edit.setString(2, who);
            edit.setString(3, reason);
            edit.setLong(4, id);
            edit.executeUpdate();
        }
        audit(target, "edit", List.of(id), reason, "edited");
    }

    /** Closes letters that are not closed; what they wait for does not matter any more. */
    public void discard(Connection target, Collection<Long> ids, String reason) throws SQLException {
        try (PreparedStatement discard = target.prepareStatement(
                """
                UPDATE sluice.dead_letter SET state = 'discarded', closed_at = clock_timestamp(), closed_by = ?,
                  is_requested = false, waits_for = '', repairs = NULL
                WHERE id = ANY (?) AND %s"""
                        .formatted(DeadLetters.HOLDS))) {
            discard.setString(1, who + ": " + reason);
            discard.setArray(2, target.createArrayOf("bigint", ids.toArray()));
            discard.executeUpdate();
        }
        audit(target, "discard", ids, reason, "discarded");
    }

    /** Lets lanes go on that are stopped. */
    public void resume(Connection target, List<DeadLetters.Breaker> breakers) throws SQLException {
        for (DeadLetters.Breaker breaker : breakers) {
            try (PreparedStatement resume = target.prepareStatement(
                    "UPDATE sluice.breaker SET resumed_at = clock_timestamp() WHERE lane = ? AND resumed_at IS NULL")) {
                resume.setString(1, breaker.lane());
                if (resume.executeUpdate() > 0) {
                    insert(target, breaker.lane(), "resume", List.of(), breaker.reason(), "resumed");
                }
            }
        }
    }

    /** One line for each lane that the letters are of. */
    private void audit(Connection target, String action, Collection<Long> ids, String reason, String result)
            throws SQLException {
        try (PreparedStatement query = target.prepareStatement(
                "SELECT lane, array_agg(id ORDER BY id) FROM sluice.dead_letter WHERE id = ANY (?) GROUP BY 1 ORDER BY 1")) {
            query.setArray(1, target.createArrayOf("bigint", ids.toArray()));
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    insert(target, row.getString(1), action, numbers(row, 2), reason, result);
                }
            }
        }
    }

    /** @param result empty if it is not finished */
    long insert(Connection target, String lane, String action, List<Long> letters, String reason, String result)
            throws SQLException {
        try (PreparedStatement insert = target.prepareStatement(
                """
                INSERT INTO sluice.audit (who, lane, action, letters, reason, result, finished_at)
                VALUES (?, ?, ?, ?, ?, ?, CASE WHEN ? THEN clock_timestamp() END) RETURNING id""")) {
            insert.setString(1, who);
            insert.setString(2, lane);
            insert.setString(3, action);
            insert.setArray(4, target.createArrayOf("bigint", letters.toArray()));
            insert.setString(5, reason);
            insert.setString(6, result);
            insert.setBoolean(7, !result.isEmpty());
            try (ResultSet row = insert.executeQuery()) {
                row.next();
                return row.getLong(1);
            }
        }
    }

    /** The last acts, the newest first; of one letter, if {@code letter} is not empty. */
    public List<Act> acts(Connection target, Optional<Long> letter, int most) throws SQLException {
        List<Act> acts = new ArrayList<>();
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT id, at, who, lane, action, letters, reason, result, finished_at FROM sluice.audit
                WHERE lane = ANY (?) AND (?::bigint IS NULL OR ?::bigint = ANY (letters)
                  OR id = (SELECT replay_run FROM sluice.dead_letter WHERE id = ?::bigint))
                ORDER BY id DESC LIMIT ?""")) {
            query.setArray(1, target.createArrayOf("text", lanes.toArray()));
            for (int parameter = 2; parameter <= 4; parameter++) {
                query.setObject(parameter, letter.orElse(null), Types.BIGINT);
            }
            query.setInt(5, most);
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    acts.add(new Act(
                            row.getLong(1),
                            DeadLetters.instant(row, 2),
                            row.getString(3),
                            row.getString(4),
                            row.getString(5),
                            numbers(row, 6),
                            row.getString(7),
                            row.getString(8),
                            Optional.ofNullable(DeadLetters.instant(row, 9))));
                }
            }
        }
        return acts;
    }

    private static List<Long> numbers(ResultSet row, int column) throws SQLException {
        return List.of((Long[]) row.getArray(column).getArray());
    }
}
