package dev.sluice.cli;

import dev.sluice.apply.RereadStore;
import dev.sluice.apply.RereadStore.State;
import dev.sluice.apply.RereadStore.Table;
import dev.sluice.apply.RereadStore.Throttle;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/**
 * What somebody wants of tables: decides for each, by what is known of it, whether it is requested, followed or left alone,
 * and writes the requests. If one is refused, none is written.
 *
 * @param kind {@code backfill} or {@code resync}
 * @param condition SQL over the source's columns; empty for all rows
 * @param isAgain what is being read or was read begins anew
 * @param isNamed the tables were named one by one
 */
record RereadRequest(String kind, String condition, Throttle throttle, boolean isAgain, boolean isNamed) {

    /** @return what was done about each table, a line each */
    List<String> write(Connection target, PipelineConfig pipeline, Map<LaneConfig, List<TableId>> tables)
            throws SQLException {
        List<String> said = new ArrayList<>();
        List<String> refused = new ArrayList<>();
        for (Map.Entry<LaneConfig, List<TableId>> lane : tables.entrySet()) {
            RereadStore store = new RereadStore(pipeline.nameInTarget(lane.getKey()));
            Map<TableId, Table> known = store.read(target);
            // in one order, so that two commands at once do not wait for each other
            for (TableId table : new TreeSet<>(lane.getValue())) {
                Table now = known.get(table);
                if (now == null || isAgain || now.state() == State.FAILED) {
                    store.request(target, table, kind, condition, throttle);
                    said.add(table + ": " + requested(now));
                } else if (now.state() == State.DONE && isNamed) {
                    refused.add("%s was read already (%s, finished %s)"
                            .formatted(table, now.kind(), now.finished().map(Object::toString).orElse("at an unknown time")));
                } else if (now.state() == State.DONE) {
                    said.add(table + ": was read already, left alone");
                } else if (!condition.isEmpty() && !condition.equals(now.condition()) || isOtherThrottle(now)) {
                    refused.add("%s is being read already (%s%s), %s"
                            .formatted(table, now.kind(), where(now.condition()), ThrottleOptions.text(now.throttle())));
                } else {
                    said.add("%s: is being read already (%s%s)".formatted(table, now.kind(), where(now.condition())));
                }
            }
        }
        if (!refused.isEmpty()) {
            throw new Failure.Fatal(
                    Stop.USAGE,
                    String.join(System.lineSeparator(), refused),
                    "to make a table equal again: `sluice resync --table …`; to begin its %s anew: --again; to change only the"
                            .formatted(kind)
                            + " limits of what is being read: `sluice backfill --limits …`");
        }
        return said;
    }

    private boolean isOtherThrottle(Table now) {
        return !throttle.equals(Throttle.NONE) && !throttle.equals(now.throttle());
    }

    private String requested(Table now) {
        String requested = "%s requested%s, %s".formatted(kind, where(condition), ThrottleOptions.text(throttle));
        if (now == null) {
            return requested;
        }
        return requested + switch (now.state()) {
            case REQUESTED, RUNNING -> "; it was being read (%s), and begins anew".formatted(now.kind());
            case FAILED -> "; it had failed (%s), and begins anew".formatted(now.message());
            case DONE -> "; it was read before (%s)".formatted(now.kind());
        };
    }

    private static String where(String condition) {
        return condition.isEmpty() ? "" : " where " + condition;
    }
}
