package dev.sluice.apply;

import dev.sluice.apply.DeadLetters.Letter;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Dead letters that are about the same rows.
 *
 * <p>Every method runs in the caller's transaction, not in autocommit.
 *
 * <p>Threads: one at a time.
 */
public final class LetterChains {
    /** Letters that are fetched at a time. */
    private static final int FETCHED = 10_000;

    private final List<String> lanes;

    /** @param lanes by their names in the target */
    public LetterChains(List<String> lanes) {
        this.lanes = List.copyOf(lanes);
    }

    /** Which way along a chain. */
    public enum Along {
        BEFORE("DESC"),
        BEHIND("ASC");

        private final String order;

        Along(String order) {
            this.order = order;
        }
    }

    /** A row that a letter is about. */
    private record Row(String lane, TableId table, List<String> key) {}

    /**
     * Letters of the same rows that are not closed, before or behind these, without these.
     *
     * <p>One pass: what a letter leads to lies further on in the same direction. A join of the index with itself would be up to the
     * server's estimates, and those are bad just when many letters have come at once.
     */
    public List<Long> along(Connection target, Collection<Long> ids, Along way) throws SQLException {
        Set<Long> chosen = new HashSet<>(ids);
        Set<Row> concerned = new HashSet<>();
        List<Long> found = new ArrayList<>();
        if (chosen.isEmpty()) {
            return found;
        }
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT id, lane, source_schema, source_table, key, old_key FROM sluice.dead_letter
                WHERE lane = ANY (?) AND %s ORDER BY id %s"""
                        .formatted(DeadLetters.HOLDS, way.order))) {
            query.setArray(1, target.createArrayOf("text", lanes.toArray()));
            query.setFetchSize(FETCHED);
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    long id = row.getLong(1);
                    List<Row> rows = rows(row);
                    boolean isChosen = chosen.contains(id);
                    if (isChosen || rows.stream().anyMatch(concerned::contains)) {
                        concerned.addAll(rows);
                        if (!isChosen) {
                            found.add(id);
                        }
                    }
                }
            }
        }
        found.sort(null);
        return found;
    }

    /** Of the letters that are not closed, the nearest one before it that is about the same row. */
    Map<Long, Long> nearestBefore(Connection target, List<Letter> letters) throws SQLException {
        Set<Long> wanted = new HashSet<>();
        Set<Long> hashes = new HashSet<>();
        letters.stream().filter(Letter::isHolding).forEach(letter -> {
            wanted.add(letter.id());
            Stream.of(letter.key(), letter.oldKey())
                    .filter(key -> !key.isEmpty())
                    .forEach(key -> hashes.add(DeadLetterStore.hash(letter.table(), key)));
        });
        Map<Long, Long> before = new HashMap<>();
        if (hashes.isEmpty()) {
            return before;
        }
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT id, lane, source_schema, source_table, key, old_key FROM sluice.dead_letter
                WHERE lane = ANY (?) AND %s AND (key_hash = ANY (?) OR old_key_hash = ANY (?)) ORDER BY id"""
                        .formatted(DeadLetters.HOLDS))) {
            query.setArray(1, target.createArrayOf("text", lanes.toArray()));
            query.setArray(2, target.createArrayOf("bigint", hashes.toArray()));
            query.setArray(3, target.createArrayOf("bigint", hashes.toArray()));
            query.setFetchSize(FETCHED);
            Map<Row, Long> last = new HashMap<>();
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    long id = row.getLong(1);
                    for (Row one : rows(row)) {
                        Long earlier = last.put(one, id);
                        if (earlier != null && earlier < id && wanted.contains(id)) {
                            before.merge(id, earlier, Math::max);
                        }
                    }
                }
            }
        }
        return before;
    }

    private static List<Row> rows(ResultSet row) throws SQLException {
        TableId table = new TableId(row.getString(3), row.getString(4));
        List<Row> rows = new ArrayList<>(2);
        for (int column = 5; column <= 6; column++) {
            List<String> key = DeadLetters.texts(row, column);
            if (!key.isEmpty()) {
                rows.add(new Row(row.getString(2), table, key));
            }
        }
        return rows;
    }
}
