package dev.sluice.reconciler;

import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/**
 * What rows come to, computed by their server: their number, the exclusive or of their hashes, and the sum of them. Those of some of
 * the rows can be taken out of it again.
 */
record Digest(long rows, long xor, BigDecimal sum) {
    static Digest read(Connection side, String sql) throws SQLException {
        try (Statement query = side.createStatement();
                ResultSet row = query.executeQuery(sql)) {
            row.next();
            return new Digest(row.getLong(1), row.getLong(2), row.getBigDecimal(3));
        }
    }

    Digest less(Digest some) {
        return new Digest(rows - some.rows, xor ^ some.xor, sum.subtract(some.sum));
    }

    boolean isSame(Digest other) {
        return rows == other.rows && xor == other.xor && sum.compareTo(other.sum) == 0;
    }
}
