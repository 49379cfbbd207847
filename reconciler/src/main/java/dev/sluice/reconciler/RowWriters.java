package dev.sluice.reconciler;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.sluice.catalog.OriginRights;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.List;
import java.util.Optional;

/**
 * Who wrote rows of a target table, as far as the target has kept it: with each commit its time and the replication origin of its
 * session. The lane's session has one of its own, and {@code sluice.lane_origin} says since when. A reread of the table is written by
 * sessions without; so nothing is said about what was written before the last one had ended.
 *
 * @param origin of the lane's session
 * @param floor text of a time: what was committed later and bears another origin was not written by apply; empty if nothing can be told
 * @param doubt why nothing can be told; else empty
 */
record RowWriters(String origin, String floor, String doubt) {
    /** Questions to a row, in the order of {@link #of}: when it was committed, whether that was late enough, by which origin. */
    List<String> asked(TableId target) {
        // with the table's name: the catalog has a column xmin too
        String commit = "(pg_catalog.pg_xact_commit_timestamp_origin(%s.xmin))".formatted(target.quoted());
        return List.of(
                commit + ".timestamp::text",
                "(%s.timestamp > %s::timestamptz)::text".formatted(commit, RowCondition.literal(floor)),
                "(SELECT roname FROM pg_catalog.pg_replication_origin WHERE roident = %s.roident)".formatted(commit));
    }

    static RowWriters read(Connection target, String lane, TableId source) throws SQLException {
        if (!OriginRights.isTracking(target)) {
            return new RowWriters("", "", "who wrote it is not known, track_commit_timestamp is off in the target");
        }
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT o.origin, greatest(o.marked_since, r.finished_at)::text FROM sluice.lane_origin o
                LEFT JOIN sluice.reread r ON r.lane = o.lane AND r.source_schema = ? AND r.source_table = ?
                WHERE o.lane = ?""")) {
            query.setString(1, source.schema());
            query.setString(2, source.table());
            query.setString(3, lane);
            try (ResultSet row = query.executeQuery()) {
                return row.next()
                        ? new RowWriters(row.getString(1), row.getString(2), "")
                        : new RowWriters("", "", "who wrote it is not known, apply writes without a replication origin");
            }
        }
    }

    /** For whom the target gives no answer. */
    static RowWriters unknown() {
        return new RowWriters("", "", "who wrote it is not known, sluice.lane_origin of the target cannot be read");
    }

    boolean canTell() {
        return doubt.isEmpty();
    }

    /**
     * What is known of one row.
     *
     * @param cause somebody else wrote it; empty if that is not so, or not known
     * @param doubt why it is not known; else empty
     * @param evidence JSON; empty if there is none
     */
    record Writer(Optional<String> cause, String doubt, Optional<ObjectNode> evidence) {}

    /** @param answers to {@link #asked} */
    Writer of(String[] answers) {
        String at = answers[0];
        if (at == null) {
            return new Writer(Optional.empty(), "the target does not know any more who wrote it", Optional.empty());
        }
        Optional<String> by = Optional.ofNullable(answers[2]);
        ObjectNode evidence = JsonNodeFactory.instance.objectNode();
        evidence.put("committedAt", at).put("origin", by.orElse(null)).put("isApply", by.filter(origin::equals).isPresent());
        if (by.filter(origin::equals).isPresent()) {
            return new Writer(Optional.empty(), "apply wrote it last, at " + at, Optional.of(evidence));
        }
        if (!answers[1].equals("true")) {
            String unmarked = "written in the target at %s, when apply did not mark all that it wrote".formatted(at);
            return new Writer(Optional.empty(), unmarked, Optional.of(evidence));
        }
        String cause = "written in the target by another session at %s (origin %s)".formatted(at, by.orElse("none"));
        return new Writer(Optional.of(cause), "", Optional.of(evidence));
    }
}
