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

/** A change of what is under way: paused, going on, or with other limits. If one table is refused, none is changed. */
enum RereadChange {
    PAUSE("is paused: the ranges that are being read are finished, no other begins"),
    RESUME("goes on"),
    LIMITS("is read with");

    private final String effect;

    RereadChange(String effect) {
        this.effect = effect;
    }

    /**
     * @param throttle for {@link #LIMITS}: in place of the present one
     * @param isNamed the tables were named one by one; then each must be under way
     * @return what was done, a line for each table
     */
    List<String> write(
            Connection target,
            PipelineConfig pipeline,
            Map<LaneConfig, List<TableId>> tables,
            Throttle throttle,
            boolean isNamed)
            throws SQLException {
        List<String> said = new ArrayList<>();
        List<String> refused = new ArrayList<>();
        for (Map.Entry<LaneConfig, List<TableId>> lane : tables.entrySet()) {
            RereadStore store = new RereadStore(pipeline.nameInTarget(lane.getKey()));
            Map<TableId, Table> known = store.read(target);
            for (TableId table : new TreeSet<>(lane.getValue())) {
                Table now = known.get(table);
                if (now != null && (now.state() == State.REQUESTED || now.state() == State.RUNNING)) {
                    write(target, store, table, throttle);
                    said.add("%s: %s%s".formatted(table, effect, this == LIMITS ? " " + ThrottleOptions.text(throttle) : ""));
                } else if (isNamed) {
                    refused.add(now == null
                            ? "%s is not being read: nobody has asked for it".formatted(table)
                            : "%s is not being read: it is %s".formatted(table, RereadLine.state(now)));
                }
            }
        }
        if (!refused.isEmpty()) {
            throw new Failure.Fatal(
                    Stop.USAGE,
                    String.join(System.lineSeparator(), refused),
                    "name tables that are being read, `sluice status` lists them; `sluice backfill --table …` begins one");
        }
        return said.isEmpty() ? List.of("nothing is being read") : said;
    }

    private void write(Connection target, RereadStore store, TableId table, Throttle throttle) throws SQLException {
        switch (this) {
            case PAUSE -> store.pause(target, table, true);
            case RESUME -> store.pause(target, table, false);
            case LIMITS -> store.throttle(target, table, throttle);
        }
    }
}
