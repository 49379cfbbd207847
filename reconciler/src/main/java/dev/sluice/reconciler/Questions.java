package dev.sluice.reconciler;

import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Questions to a database about rows, in a snapshot that stays whatever becomes of them. */
final class Questions {
    private Questions() {}

    interface Question<T> {
        T ask(Connection side) throws SQLException;
    }

    /**
     * Asks.
     *
     * @return empty if the server refuses to answer
     * @throws SQLException if the connection is lost
     */
    static <T> Optional<T> tried(Connection side, Question<T> question) throws SQLException {
        Savepoint before = side.setSavepoint();
        try {
            T answer = question.ask(side);
            side.releaseSavepoint(before);
            return Optional.of(answer);
        } catch (SQLException e) {
            side.rollback(before);
            return Optional.empty();
        }
    }

    /** Answers by the keys of rows. */
    static Map<List<String>, String[]> answers(Connection side, String sql, int keyWidth) throws SQLException {
        Map<List<String>, String[]> answers = new HashMap<>();
        try (RowStream rows = new RowStream(side, sql)) {
            for (; rows.hasRow(); rows.next()) {
                String[] row = rows.row();
                answers.put(List.copyOf(rows.key(keyWidth)), Arrays.copyOfRange(row, keyWidth, row.length));
            }
        }
        return answers;
    }
}
