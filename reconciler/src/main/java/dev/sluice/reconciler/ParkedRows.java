package dev.sluice.reconciler;

import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Rows that dead letters hold back. */
final class ParkedRows {
    private ParkedRows() {}

    /** The first letter that holds a row back, by the keys of the row before and after what was refused. */
    static Map<List<String>, Long> read(Connection target, String lane, TableId source) throws SQLException {
        Map<List<String>, Long> letters = new HashMap<>();
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT id, key, old_key FROM sluice.dead_letter
                WHERE lane = ? AND source_schema = ? AND source_table = ? AND state IN ('open', 'behind') ORDER BY id""")) {
            query.setString(1, lane);
            query.setString(2, source.schema());
            query.setString(3, source.table());
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    for (int column = 2; column <= 3; column++) {
                        if (row.getArray(column) != null) {
                            letters.putIfAbsent(Arrays.asList((String[]) row.getArray(column).getArray()), row.getLong(1));
                        }
                    }
                }
            }
        }
        return letters;
    }
}
