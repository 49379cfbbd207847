package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.preflight.SourcePreflight;
import dev.sluice.preflight.TargetPreflight;
import dev.sluice.process.Finding;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Types and columns that do not arrive exactly are named before the first event. */
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
                    CREATE DOMAIN checked_doc AS xml CHECK (VALUE IS DOCUMENT);
                    CREATE TYPE pair AS (n int, docs checked_doc[]);
                    CREATE TABLE t (id int PRIMARY KEY, doc xml, docs xml[], checked checked_doc, pairs pair[], type regtype, types regtype[], m mood, n nothing,
                                    d "Checked mood", left_out xml)""");
            LaneConfig lane = new LaneConfig("main", "s", "p", true, List.of(new TableMapping(
                    new TableId("public", "t"), new TableId("public", "t"), "main", Map.of(), Set.of("left_out"), Map.of())));

            List<Finding> findings = findings(source, lane);

            assertThat(findings).filteredOn(finding -> finding.level() == Finding.Level.WARNING)
                    .extracting(Finding::problem)
                    .anyMatch(text -> text.contains("column 'doc' is xml"))
                    .anyMatch(text -> text.contains("column 'docs' is xml[]"))
                    .anyMatch(text -> text.contains("column 'checked' is checked_doc, which holds xml"))
                    .anyMatch(text -> text.contains("column 'pairs' is pair[], which holds xml"))
                    .anyMatch(text -> text.contains("column 'type' is regtype,"))
                    .anyMatch(text -> text.contains("column 'types' is regtype[]"))
                    .noneMatch(text -> Stream.of("'m'", "'n'", "'d'", "left_out").anyMatch(text::contains));
        }
    }

    @Test
    void namesThatDebeziumWouldMisreadAreRefused() throws SQLException {
        try (PostgresServer server = Servers.postgres()) {
            TestDatabase source = TestDatabase.create(server, "names");
            source.execute("CREATE SCHEMA a; CREATE SCHEMA \"a.b\"; CREATE TABLE a.\"b.c\" (id int PRIMARY KEY);"
                    + " CREATE TABLE \"a.b\".c (id int PRIMARY KEY); CREATE TABLE nothing (); CREATE TABLE t (id int PRIMARY KEY, a int, \"\"\"a\"\"\" int, \"'b'\" int, \"it's\" int, \"x\"\"\" int)");

            List<TableMapping> tables = Stream.of("public.t", "public.nothing", "a.\"b.c\"", "\"a.b\".c")
                    .map(name -> TableMapping.identity(TableId.parse(name), "main"))
                    .toList();
            assertThat(findings(source, new LaneConfig("main", "s", "p", true, tables)))
                    .filteredOn(finding -> finding.problem().contains("Debezium"))
                    .extracting(finding -> finding.level() + " " + finding.cure())
                    .containsExactly(
                            "ERROR ALTER TABLE \"public\".\"t\" RENAME COLUMN \"\"\"a\"\"\" TO …;",
                            "ERROR ALTER TABLE \"public\".\"t\" RENAME COLUMN \"'b'\" TO …;",
                            "ERROR ALTER TABLE \"public\".\"nothing\" ADD COLUMN …; or take it out of tables",
                            "ERROR ALTER TABLE \"a\".\"b.c\" RENAME TO …;");
        }
    }

    @Test
    void labelsThatTheTargetLacksAreNamedAlsoBehindArraysAndDomains() throws SQLException {
        try (PostgresServer server = Servers.postgres()) {
            TestDatabase source = TestDatabase.create(server, "labels_source");
            TestDatabase target = TestDatabase.create(server, "labels_target");
            String tables = "CREATE DOMAIN \"Checked mood\" AS mood; CREATE TABLE t (id int PRIMARY KEY, m mood);"
                    + " CREATE TABLE u (id int PRIMARY KEY, d \"Checked mood\"[], n nothing);";
            source.execute("CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE nothing AS ENUM ('something'); " + tables);
            target.execute("CREATE TYPE mood AS ENUM ('ok'); CREATE TYPE nothing AS ENUM (); " + tables);
            LaneConfig lane = new LaneConfig("main", "s", "p", true, List.of(
                    TableMapping.identity(new TableId("public", "t"), "main"), TableMapping.identity(new TableId("public", "u"), "main")));
            PipelineConfig config = new PipelineConfig(
                    "findings", source.config("source"), target.config("target"), null, List.of(lane), null, null);
            try (Connection from = server.connect(source.name()); Connection to = server.connect(target.name())) {
                assertThat(TargetPreflight.findings(Optional.of(from), to, config, lane))
                        .extracting(finding -> finding.subject() + " " + finding.cure())
                        .contains("target public.t ALTER TYPE public.mood ADD VALUE 'sad';",
                                "target public.u ALTER TYPE public.mood ADD VALUE 'sad';",
                                "target public.u ALTER TYPE public.nothing ADD VALUE 'something';");
            }
        }
    }

    @Test
    void rulesAndKeysThatMayNotOverlapAreRefusedInTheTarget() throws SQLException {
        try (PostgresServer server = Servers.postgres()) {
            TestDatabase both = TestDatabase.create(server, "rules");
            both.execute("CREATE TABLE t (id int PRIMARY KEY); CREATE RULE twice AS ON DELETE TO t DO ALSO NOTHING;"
                    + " CREATE TABLE stay (room int4range, during daterange, PRIMARY KEY (room, during WITHOUT OVERLAPS))");
            LaneConfig lane = new LaneConfig("main", "s", "p", true, List.of(
                    TableMapping.identity(TableId.parse("t"), "main"), TableMapping.identity(TableId.parse("stay"), "main")));
            PipelineConfig config = new PipelineConfig(
                    "findings", both.config("source"), both.config("target"), null, List.of(lane), null, null);
            try (Connection connection = server.connect(both.name())) {
                assertThat(TargetPreflight.findings(Optional.of(connection), connection, config, lane))
                        .extracting(Finding::cure)
                        .contains("DROP RULE \"twice\" ON \"public\".\"t\"; until the cutover, in the target",
                                "CREATE UNIQUE INDEX ON \"public\".\"stay\" (\"room\", \"during\");");
            }
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
