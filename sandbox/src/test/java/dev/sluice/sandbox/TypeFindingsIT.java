package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.preflight.SourcePreflight;
import dev.sluice.process.Finding;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Types that do not arrive exactly are named before the first event. */
class TypeFindingsIT {
    @Test
    void typesAreNamedByColumn() throws SQLException {
        try (PostgresServer server = Servers.postgres()) {
            TestDatabase source = TestDatabase.create(server, "findings");
            source.execute(
                    """
                    CREATE TYPE mood AS ENUM ('sad', 'ok');
                    CREATE DOMAIN "Checked mood" AS mood;
                    CREATE TYPE nothing AS ENUM ();
                    CREATE TABLE t (id int PRIMARY KEY, doc xml, type regtype, types regtype[], m mood, n nothing,
                                    d "Checked mood", left_out xml)""");
            LaneConfig lane = new LaneConfig("main", "s", "p", true, List.of(new TableMapping(
                    new TableId("public", "t"), new TableId("public", "t"), "main", Map.of(), Set.of("left_out"), Map.of())));

            List<Finding> findings = findings(source, lane);

            assertThat(findings).filteredOn(finding -> finding.level() == Finding.Level.WARNING)
                    .extracting(Finding::problem)
                    .anyMatch(text -> text.contains("column 'doc' is xml"))
                    .anyMatch(text -> text.contains("column 'type' is regtype,"))
                    .anyMatch(text -> text.contains("column 'types' is regtype[]"))
                    .noneMatch(text -> Stream.of("'m'", "'n'", "'d'", "left_out").anyMatch(text::contains));
        }
    }

    private static List<Finding> findings(TestDatabase source, LaneConfig lane) throws SQLException {
        PipelineConfig config = new PipelineConfig(
                "findings", source.config("source"), source.config("target"), null, List.of(lane), null, null);
        try (Connection connection = source.server().connect(source.name())) {
            return SourcePreflight.findings(connection, config, lane);
        }
    }
}
