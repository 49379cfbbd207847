package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.config.TableMapping;
import dev.sluice.schemas.TableId;
import java.util.List;

/** The dead letters of a pipeline. */
final class Letters {
    private Letters() {}

    /** One line per letter, in their order: table, key, kind, state, error class, constraint. */
    static List<String> of(InProcessPipeline pipeline) {
        return pipeline.target()
                .ask(
                        """
                        SELECT string_agg(format('%s %s %s %s %s %s', source_table, coalesce('[' || array_to_string(key, ', ') || ']', '-'),
                          kind, state, error_class, coalesce(constraint_name, 'null')), E'\n' ORDER BY id)
                        FROM sluice.dead_letter""")
                .lines()
                .toList();
    }

    /** Gives the number of the run, which is over. */
    static long replayAll(InProcessPipeline pipeline) {
        TestDatabase target = pipeline.target();
        String run = target.ask("INSERT INTO sluice.audit (who, lane, action) SELECT 'test', lane, 'replay' FROM sluice.progress RETURNING id");
        target.execute("UPDATE sluice.dead_letter SET is_requested = true, replay_run = %s WHERE state IN ('open', 'behind')".formatted(run));
        pipeline.await("the replay is over", () -> target.ask("SELECT count(*) FROM sluice.dead_letter WHERE is_requested").equals("0"));
        return Long.parseLong(run);
    }

    /** Replays what is left once the target takes it; nothing stays open then, and both sides are equal. */
    static void requireEqualAfterReplay(InProcessPipeline pipeline, String noRules) {
        pipeline.target().execute(noRules);
        replayAll(pipeline);
        assertThat(pipeline.target().ask("SELECT count(*) FROM sluice.dead_letter WHERE state IN ('open', 'behind')")).isEqualTo("0");
        pipeline.requireEqual();
    }

    /** A pipeline that has begun; {@code rules} are what the target forbids and the source does not. */
    static InProcessPipeline running(ThreeServers servers, String name, List<String> tables, String schema, String rules) {
        InProcessPipeline pipeline = servers.pipeline(
                name,
                tables.stream()
                        .map(table -> TableMapping.identity(TableId.parse(table), ThreeServers.LANE))
                        .toList());
        pipeline.source().execute(schema);
        pipeline.target().execute(schema);
        pipeline.target().execute(rules);
        pipeline.start();
        pipeline.awaitApplied();
        return pipeline;
    }
}
