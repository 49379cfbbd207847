package dev.sluice.cli;

import dev.sluice.config.LaneConfig;
import dev.sluice.config.Nearest;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** The source tables that a command is about, by lane. */
final class LaneTables {

    private LaneTables() {}

    /**
     * The named tables of each lane that has any, in the order of the configuration; all if none is named.
     *
     * @param names as in the configuration; {@code public.} may be left out
     * @throws Failure.Fatal if a name is no mapped source table; all of them are named
     */
    static Map<LaneConfig, List<TableId>> select(PipelineConfig pipeline, List<String> names) {
        Map<String, TableMapping> mapped = new TreeMap<>();
        pipeline.lanes().forEach(lane -> lane.tables().forEach(table -> mapped.put(table.source().toString(), table)));
        List<TableId> wanted = new ArrayList<>();
        List<String> problems = new ArrayList<>();
        for (String name : names) {
            String plain = plain(name);
            if (mapped.containsKey(plain)) {
                wanted.add(mapped.get(plain).source());
            } else {
                problems.add(unknown(name, plain, mapped));
            }
        }
        if (!problems.isEmpty()) {
            throw new Failure.Fatal(
                    Stop.USAGE,
                    String.join(System.lineSeparator(), problems),
                    "name mapped tables: " + String.join(", ", mapped.keySet()));
        }
        Map<LaneConfig, List<TableId>> selected = new LinkedHashMap<>();
        for (LaneConfig lane : pipeline.lanes()) {
            List<TableId> tables = lane.tables().stream()
                    .map(TableMapping::source)
                    .filter(table -> names.isEmpty() || wanted.contains(table))
                    .toList();
            if (!tables.isEmpty()) {
                selected.put(lane, tables);
            }
        }
        return selected;
    }

    private static String plain(String name) {
        try {
            return TableId.parse(name).toString();
        } catch (IllegalArgumentException e) {
            return name;
        }
    }

    private static String unknown(String name, String plain, Map<String, TableMapping> mapped) {
        String asTarget = mapped.values().stream()
                .filter(table -> table.target().toString().equals(plain))
                .map(table -> ", it is the target of %s".formatted(table.source()))
                .collect(Collectors.joining());
        return "--table %s: no source table of the pipeline%s".formatted(name, asTarget.isEmpty()
                ? Nearest.to(plain, mapped.keySet()).map(near -> ", did you mean " + near + "?").orElse("")
                : asTarget);
    }
}
