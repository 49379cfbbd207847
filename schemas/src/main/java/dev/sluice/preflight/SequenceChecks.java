package dev.sluice.preflight;

import dev.sluice.config.LaneConfig;
import dev.sluice.process.Finding;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.stream.Stream;

/** What {@link SequenceComparison} finds, as findings of {@code check}. */
final class SequenceChecks {
    private SequenceChecks() {}

    /** Findings of both sides. */
    static List<Finding> findings(Connection source, Connection target, LaneConfig lane) throws SQLException {
        SequenceComparison comparison = SequenceComparison.of(source, target, lane);
        Findings inSource = new Findings("source");
        Findings inTarget = new Findings("target");
        unreadable(source, comparison.unreadableAtSource(), inSource);
        unreadable(target, comparison.unreadableInTarget(), inTarget);
        comparison.behind().forEach(behind -> inTarget.warning(
                "sequence " + behind.sequence(),
                behind.problem(),
                "at the cutover, when nobody writes to the source any more: " + behind.cure()));
        return Stream.concat(inSource.list().stream(), inTarget.list().stream()).toList();
    }

    private static void unreadable(Connection connection, List<TableId> sequences, Findings findings) throws SQLException {
        String role = TableId.quote(connection.getMetaData().getUserName());
        sequences.forEach(sequence -> findings.warning(
                "sequence " + sequence,
                "the role may not read it, so it is not compared",
                "GRANT SELECT ON SEQUENCE %s TO %s;".formatted(sequence.quoted(), role)));
    }
}
