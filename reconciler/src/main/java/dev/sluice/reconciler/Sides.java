package dev.sluice.reconciler;

import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/**
 * Both databases, as a lane's verifications read them, and what goes on between the two.
 *
 * <p>Threads: one at a time.
 *
 * @param isAlike both servers hash a text to the same number
 * @param isRowByRow rows are compared one by one also where digests would do
 */
record Sides(SnapshotPair pair, TouchLog touches, boolean isAlike, boolean isRowByRow) {
    /** Texts whose hashes both servers must agree about, before digests say anything. */
    private static final String PROBE =
            "SELECT hashtextextended(('The quick brown fox, ' || chr(252) || chr(8364)) COLLATE \"C\", 12345)::text"
                    + " || pg_encoding_to_char((SELECT encoding FROM pg_database WHERE datname = current_database()))";

    /** @throws SQLException if a database cannot be reached */
    static Sides open(PipelineConfig config, LaneConfig lane, TouchLog touches, boolean isRowByRow) throws SQLException {
        SnapshotPair pair = SnapshotPair.open(config, lane);
        touches.beginAnew();
        try {
            return new Sides(pair, touches, probe(pair.source()).equals(probe(pair.target())), isRowByRow);
        } catch (SQLException e) {
            pair.close();
            throw e;
        }
    }

    private static String probe(Connection side) throws SQLException {
        try (Statement statement = side.createStatement();
                ResultSet row = statement.executeQuery(PROBE)) {
            row.next();
            return row.getString(1);
        }
    }
}
