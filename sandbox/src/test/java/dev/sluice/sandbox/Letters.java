package dev.sluice.sandbox;

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
}
