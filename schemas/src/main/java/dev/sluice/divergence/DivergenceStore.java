package dev.sluice.divergence;

import dev.sluice.catalog.Catalog;
import dev.sluice.config.TableMapping;
import dev.sluice.divergence.Divergence.Kind;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Rows that a comparison has found to differ, in the target: written by whoever compares, read by whoever repairs. Values of
 * rows stand in their evidence only, and there as hashes unless the configuration says otherwise. One is closed by a later
 * comparison that finds its row equal, and opened again by one that does not; what is closed stays for {@value #KEPT_DAYS} days.
 *
 * <p>A pass is one comparison of a table; it is named by the target's time before its first snapshot, and what it finds by the time
 * before the snapshot in which it was found. What was seen earlier changes nothing if it is said behind what was seen later.
 *
 * <p>Every method runs in the caller's transaction.
 *
 * <p>Threads: one at a time.
 */
public final class DivergenceStore {
    private static final int KEPT_DAYS = 90;
    private static final String UNSEEN =
            """
            SELECT d.lane, d.source_schema, d.source_table, d.key_digest, given.pass
            FROM sluice.divergence AS d, (SELECT ?::timestamptz) AS given (pass)
            WHERE d.lane = ? AND d.source_schema = ? AND d.source_table = ? AND d.closed_at IS NULL AND d.last_seen < given.pass
            LIMIT ?""";

    private static final String SEEN =
            """
            INSERT INTO sluice.divergence AS known (lane, source_schema, source_table, target_schema, target_table,
                                                    kind, columns, first_seen, last_seen, key, key_digest%s)
            SELECT given.lane, given.source_schema, given.source_table, given.target_schema, given.target_table,
                   given.kind, given.columns, given.pass, given.pass, given.key, sha256(convert_to(given.key::text, 'UTF8'))%s
            FROM (SELECT ?::text, ?::text, ?::text, ?::text, ?::text, ?::text, ?::text[], ?::timestamptz, ?::text[],
                         nullif(?::text, ''), nullif(?::text, '')::jsonb)
              AS given (lane, source_schema, source_table, target_schema, target_table, kind, columns, pass, key,
                        explanation, evidence)
            ON CONFLICT (lane, source_schema, source_table, key_digest) DO UPDATE SET
              target_schema = EXCLUDED.target_schema, target_table = EXCLUDED.target_table, kind = EXCLUDED.kind,
              columns = EXCLUDED.columns, last_seen = EXCLUDED.last_seen, closed_at = NULL%s
            WHERE known.last_seen <= EXCLUDED.last_seen
              AND (known.closed_at IS NULL OR known.closed_at <= EXCLUDED.last_seen)""";

    /** What a table of an earlier version lacks, in the three places of {@link #SEEN}. */
    private static final String[] EXPLAINED = {
        ", explanation, evidence",
        ", given.explanation, given.evidence",
        """
        ,
          explanation = CASE WHEN EXCLUDED.explanation IS NULL AND known.closed_at IS NULL
                             THEN known.explanation ELSE EXCLUDED.explanation END,
          evidence = CASE WHEN EXCLUDED.explanation IS NULL AND known.closed_at IS NULL
                          THEN known.evidence ELSE EXCLUDED.evidence END"""
    };

    /** For the owner of a table of an earlier version. */
    public static final String COMPLETE = "ALTER TABLE sluice.divergence ADD COLUMN IF NOT EXISTS explanation text,"
            + " ADD COLUMN IF NOT EXISTS evidence jsonb;";

    private final String lane;

    /** @param lane unique in the target: pipeline and lane */
    public DivergenceStore(String lane) {
        this.lane = lane;
    }

    public static boolean isThere(Connection target) throws SQLException {
        return Catalog.isThere(target, new TableId("sluice", "divergence"));
    }

    /** Whether it is there and has every column. */
    public static boolean isComplete(Connection target) throws SQLException {
        try (Statement query = target.createStatement();
                ResultSet row = query.executeQuery(
                        """
                        SELECT count(*) = 2 FROM pg_catalog.pg_attribute
                        WHERE attrelid = to_regclass('sluice.divergence') AND attname IN ('explanation', 'evidence')
                          AND NOT attisdropped""")) {
            row.next();
            return row.getBoolean(1);
        }
    }

    /**
     * Makes the table, and adds what one of an earlier version lacks if the role owns it; the schema is there. One caller after the
     * other: of two that make the same table the server refuses one.
     */
    public static void createTable(Connection target) throws SQLException {
        Catalog.waitToMakeTables(target);
        try (Statement create = target.createStatement()) {
            if (isThere(target)) {
                complete(target);
                return;
            }
            // by a digest: an index takes no text of more than 2,704 bytes
            create.execute(
                    """
                    CREATE TABLE IF NOT EXISTS sluice.divergence (
                      lane text NOT NULL,
                      source_schema text NOT NULL,
                      source_table text NOT NULL,
                      target_schema text NOT NULL,
                      target_table text NOT NULL,
                      key text[] NOT NULL,
                      key_digest bytea NOT NULL,
                      kind text NOT NULL,
                      columns text[] NOT NULL,
                      first_seen timestamptz NOT NULL,
                      last_seen timestamptz NOT NULL,
                      closed_at timestamptz,
                      explanation text,
                      evidence jsonb,
                      PRIMARY KEY (lane, source_schema, source_table, key_digest)
                    )""");
        }
    }

    private static void complete(Connection target) throws SQLException {
        try (Statement statement = target.createStatement()) {
            boolean isOwner;
            try (ResultSet row = statement.executeQuery(
                    "SELECT pg_has_role(relowner, 'USAGE') FROM pg_catalog.pg_class WHERE oid = 'sluice.divergence'::regclass")) {
                row.next();
                isOwner = row.getBoolean(1);
            }
            if (isOwner) {
                statement.execute(COMPLETE);
            }
        }
    }

    /** Forgets what was closed long ago, if the table is there. */
    public static void forgetOld(Connection target) throws SQLException {
        if (isThere(target)) {
            try (Statement forget = target.createStatement()) {
                forget.execute("DELETE FROM sluice.divergence WHERE closed_at < now() - interval '%d days'".formatted(KEPT_DAYS));
            }
        }
    }

    /**
     * Notes what has been found. What is known of a row that has stayed open is kept if nobody has looked into it this time; a table
     * that is not complete gets all the rest.
     *
     * @param seen the target's clock before the snapshot in which they differed
     */
    public void seen(Connection target, TableMapping table, Collection<Divergence> divergences, OffsetDateTime seen)
            throws SQLException {
        try (PreparedStatement insert = target.prepareStatement(
                SEEN.formatted(isComplete(target) ? (Object[]) EXPLAINED : new Object[] {"", "", ""}))) {
            for (Divergence divergence : divergences) {
                insert.setString(1, lane);
                insert.setString(2, table.source().schema());
                insert.setString(3, table.source().table());
                insert.setString(4, table.target().schema());
                insert.setString(5, table.target().table());
                insert.setString(6, divergence.kind().name().toLowerCase(Locale.ROOT));
                insert.setArray(7, target.createArrayOf("text", divergence.columns().toArray()));
                insert.setObject(8, seen);
                insert.setArray(9, target.createArrayOf("text", divergence.key().toArray()));
                insert.setString(10, divergence.explanation());
                insert.setString(11, divergence.evidence());
                insert.addBatch();
            }
            insert.executeBatch();
        }
    }

    /**
     * Closes those of a table that a pass has not found, once it has compared the whole of it.
     *
     * @param most rows at once
     * @return how many; if it is {@code most} there may be more
     */
    public int closeUnseen(Connection target, TableId source, OffsetDateTime pass, int most) throws SQLException {
        String close = "UPDATE sluice.divergence AS known SET closed_at = unseen.pass ";
        return changeUnseen(target, close + "FROM (%s) AS unseen WHERE ".formatted(UNSEEN), source, pass, most);
    }

    /** Forgets those of a table that a pass has not noted because it found more than it notes: nothing is known of them. */
    public int forgetUnseen(Connection target, TableId source, OffsetDateTime pass, int most) throws SQLException {
        String forget = "DELETE FROM sluice.divergence AS known ";
        return changeUnseen(target, forget + "USING (%s) AS unseen WHERE ".formatted(UNSEEN), source, pass, most);
    }

    private int changeUnseen(Connection target, String change, TableId source, OffsetDateTime pass, int most) throws SQLException {
        String same = "(known.lane, known.source_schema, known.source_table, known.key_digest)"
                + " = (unseen.lane, unseen.source_schema, unseen.source_table, unseen.key_digest)"
                + " AND known.closed_at IS NULL AND known.last_seen < unseen.pass";
        try (PreparedStatement statement = target.prepareStatement(change + same)) {
            statement.setObject(1, pass);
            statement.setString(2, lane);
            statement.setString(3, source.schema());
            statement.setString(4, source.table());
            statement.setInt(5, most);
            return statement.executeUpdate();
        }
    }

    /**
     * Closes those of single rows that were equal.
     *
     * @param seen the target's clock before the snapshot in which they were
     * @return how many
     */
    public int close(Connection target, TableId source, Collection<List<String>> keys, OffsetDateTime seen) throws SQLException {
        try (PreparedStatement close = target.prepareStatement(
                """
                UPDATE sluice.divergence AS known SET closed_at = given.seen
                FROM (SELECT ?::timestamptz, ?, ?, ?, ?::text[]) AS given (seen, lane, source_schema, source_table, key)
                WHERE (known.lane, known.source_schema, known.source_table) = (given.lane, given.source_schema, given.source_table)
                  AND known.key_digest = sha256(convert_to(given.key::text, 'UTF8'))
                  AND known.closed_at IS NULL AND known.last_seen <= given.seen""")) {
            for (List<String> key : keys) {
                close.setObject(1, seen);
                close.setString(2, lane);
                close.setString(3, source.schema());
                close.setString(4, source.table());
                close.setArray(5, target.createArrayOf("text", key.toArray()));
                close.addBatch();
            }
            return Arrays.stream(close.executeBatch()).sum();
        }
    }

    /** Keys of a table's open ones, as they stand; some, if there are more than {@code most}. */
    public List<List<String>> openKeys(Connection target, TableId source, int most) throws SQLException {
        List<List<String>> keys = new ArrayList<>();
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT key FROM sluice.divergence
                WHERE lane = ? AND source_schema = ? AND source_table = ? AND closed_at IS NULL ORDER BY last_seen LIMIT ?""")) {
            query.setString(1, lane);
            query.setString(2, source.schema());
            query.setString(3, source.table());
            query.setInt(4, most);
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    keys.add(texts(row, 1));
                }
            }
        }
        return keys;
    }

    /** How many are open, by source table; of tables that are not mapped any more too. */
    public Map<TableId, Long> open(Connection target) throws SQLException {
        Map<TableId, Long> open = new LinkedHashMap<>();
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT source_schema, source_table, count(*) FROM sluice.divergence
                WHERE lane = ? AND closed_at IS NULL GROUP BY 1, 2 ORDER BY 1, 2""")) {
            query.setString(1, lane);
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    open.put(new TableId(row.getString(1), row.getString(2)), row.getLong(3));
                }
            }
        }
        return open;
    }

    /** Those of a table that are open, in the order of their keys. */
    public List<Divergence> open(Connection target, TableId source) throws SQLException {
        List<Divergence> open = new ArrayList<>();
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT kind, key, columns FROM sluice.divergence
                WHERE lane = ? AND source_schema = ? AND source_table = ? AND closed_at IS NULL ORDER BY key""")) {
            query.setString(1, lane);
            query.setString(2, source.schema());
            query.setString(3, source.table());
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    open.add(new Divergence(
                            Kind.valueOf(row.getString(1).toUpperCase(Locale.ROOT)), texts(row, 2), texts(row, 3)));
                }
            }
        }
        return open;
    }

    private static List<String> texts(ResultSet row, int column) throws SQLException {
        return List.of((String[]) row.getArray(column).getArray());
    }
}
