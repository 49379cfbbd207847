package dev.sluice.config;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.sluice.config.TableMapping.Reference;
import dev.sluice.config.TableMapping.Transform;
import dev.sluice.config.TablePolicy.NewColumns;
import dev.sluice.config.TablePolicy.Triggers;
import dev.sluice.config.TablePolicy.Truncate;
import dev.sluice.schemas.TableId;
import dev.sluice.schemas.TopicNames;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Reads {@code lanes} and {@code tables}, the two lists that refer to each other. */
final class LanesReader {

    /** Of the server: {@code ReplicationSlotValidateName}. */
    private static final Pattern SLOT = Pattern.compile("[a-z0-9_]{1,63}");

    /** pgoutput folds unquoted names to lower case, and Debezium hands this one over unquoted. */
    private static final Pattern PUBLICATION = Pattern.compile("[a-z_][a-z0-9_]{0,62}");

    private static final Pattern LANE = Pattern.compile("[a-z0-9_]{1,40}");
    private static final int LONGEST_IDENTIFIER_BYTES = 63;
    private static final int LONGEST_TOPIC = 249;

    /** Stands for a table whose name could not be read, and was reported. */
    private static final TableId UNREADABLE = new TableId("?", "?");

    private final ConfigSection root;
    private final String pipeline;
    private final TopicNames topics;
    private final List<String> problems;
    private final Map<String, String> users = new HashMap<>();

    LanesReader(ConfigSection root, String pipeline, String topicPrefix, List<String> problems) {
        this.root = root;
        this.pipeline = pipeline;
        this.topics = new TopicNames(topicPrefix);
        this.problems = problems;
    }

    List<LaneConfig> lanes() {
        Map<String, LaneConfig> lanes = new LinkedHashMap<>();
        Map<String, String> paths = new HashMap<>();
        Map<String, JsonNode> declared = new LinkedHashMap<>(root.list("lanes"));
        if (declared.isEmpty()) {
            LaneConfig main = lane(new ConfigSection("lanes", MissingNode.getInstance(), nothing(), problems), "main");
            lanes.put("main", main);
        }
        declared.forEach((path, node) -> {
            ConfigSection section = new ConfigSection(path, node, nothing(), problems);
            LaneConfig lane = lane(section, section.text("name"));
            section.reportUnknown();
            lanes.put(lane.name(), lane);
            paths.put(lane.name(), path);
        });
        List<TableMapping> tables = tables(lanes.keySet());
        List<LaneConfig> filled = new ArrayList<>();
        for (LaneConfig lane : lanes.values()) {
            List<TableMapping> own = tables.stream().filter(table -> table.lane().equals(lane.name())).toList();
            if (own.isEmpty() && paths.containsKey(lane.name())) {
                problems.add("%s: no table is in lane '%s'; give it tables or leave it out"
                        .formatted(paths.get(lane.name()), lane.name()));
            }
            filled.add(new LaneConfig(lane.name(), lane.slot(), lane.publication(), lane.createPublication(), own));
        }
        return filled;
    }

    private LaneConfig lane(ConfigSection section, String name) {
        String byDefault = "sluice_" + pipeline + "_" + name;
        LaneConfig lane = new LaneConfig(
                name,
                section.text("slot", byDefault),
                section.text("publication", byDefault),
                section.flag("createPublication", true),
                List.of());
        if (name.isEmpty() || pipeline.isEmpty()) {
            return lane; // said already
        }
        if (!LANE.matcher(name).matches()) {
            section.problem("name", "must be 1 to 40 of a-z, 0-9 and _, it names the slot; was '%s'".formatted(name));
            return lane;
        }
        if (!SLOT.matcher(lane.slot()).matches()) {
            section.problem("slot", "must be 1 to 63 of a-z, 0-9 and _, as PostgreSQL asks; was '%s'".formatted(lane.slot()));
        }
        if (!PUBLICATION.matcher(lane.publication()).matches()) {
            section.problem("publication", "must be 1 to 63 of a-z, 0-9 and _, not starting with a digit; was '%s'"
                    .formatted(lane.publication()));
        }
        claim("lane " + name, section, "name", "choose another name");
        claim("slot " + lane.slot(), section, "slot", "each lane needs its own");
        claim("publication " + lane.publication(), section, "publication", "each lane needs its own");
        return lane;
    }

    private List<TableMapping> tables(Set<String> lanes) {
        List<TableMapping> tables = new ArrayList<>();
        Map<String, JsonNode> elements = root.list("tables");
        if (elements.isEmpty()) {
            root.problem("tables", "is required, with at least one table");
        }
        String firstLane = lanes.iterator().next();
        elements.forEach((path, node) -> {
            if (node.isTextual()) {
                ConfigSection section = new ConfigSection(path, MissingNode.getInstance(), nothing(), problems);
                TableId table = table(path, node.asText());
                tables.add(checked(section, TableMapping.identity(table, firstLane), lanes));
            } else {
                ConfigSection section = new ConfigSection(path, node, nothing(), problems);
                tables.add(checked(section, mapping(section, firstLane), lanes));
                section.reportUnknown();
            }
        });
        checkReferences(tables);
        return tables;
    }

    private TableMapping mapping(ConfigSection section, String firstLane) {
        TableId source = table(section.path("source"), section.text("source"));
        String targetText = section.text("target", "");
        TableId target = targetText.isEmpty() ? source : table(section.path("target"), targetText);
        return new TableMapping(
                source,
                target,
                section.text("lane", firstLane),
                section.exactTexts("rename"),
                section.texts("exclude"),
                section.exactTexts("constants"),
                transform(section),
                policy(section),
                references(section));
    }

    private List<Reference> references(ConfigSection table) {
        List<Reference> references = new ArrayList<>();
        table.list("references").forEach((path, node) -> {
            ConfigSection section = new ConfigSection(path, node, nothing(), problems);
            List<String> columns = List.copyOf(section.texts("columns"));
            List<String> key = List.copyOf(section.texts("key"));
            TableId parent = table(section.path("table"), section.text("table"));
            section.reportUnknown();
            columns.forEach(column -> checkIdentifier(section, "columns", column));
            key.forEach(column -> checkIdentifier(section, "key", column));
            if (columns.isEmpty()) {
                section.problem("columns", "is required, with at least one column of this table");
            }
            if (columns.size() != key.size()) {
                section.problem("key", "must have as many columns as columns has, %d, was [%s]"
                        .formatted(columns.size(), String.join(", ", key)));
            }
            references.add(new Reference(path, columns, parent, key));
        });
        return references;
    }

    private void checkReferences(List<TableMapping> tables) {
        Map<String, TableMapping> bySource =
                tables.stream().collect(Collectors.toMap(table -> table.source().toString(), table -> table, (one, other) -> one));
        for (TableMapping child : tables) {
            for (Reference reference : child.references()) {
                TableMapping parent = bySource.get(reference.table().toString());
                if (parent != null) {
                    checkReference(child, reference, parent);
                } else if (reference.table() != UNREADABLE) {
                    problems.add("%s.table: no table %s is mapped; %s".formatted(
                            reference.path(),
                            reference.table(),
                            Nearest.to(reference.table().toString(), bySource.keySet())
                                    .map(meant -> "did you mean '" + meant + "'?")
                                    .orElse("map it, or leave the reference out")));
                }
            }
        }
    }

    private void checkReference(TableMapping child, Reference reference, TableMapping parent) {
        if (!parent.lane().equals(child.lane())) {
            problems.add("%s.table: %s is in lane '%s' and %s in '%s', no order holds between lanes; put both into one"
                    .formatted(reference.path(), parent.source(), parent.lane(), child.source(), child.lane()));
        }
        reference.columns().stream().filter(child.exclude()::contains).forEach(column -> problems.add(
                "%s.columns: the target does not get column '%s' of %s; take it out of exclude".formatted(
                        reference.path(), column, child.source())));
        reference.key().stream().filter(parent.exclude()::contains).forEach(column -> problems.add(
                "%s.key: the target does not get column '%s' of %s; take it out of exclude".formatted(
                        reference.path(), column, parent.source())));
    }

    private static Map<String, Transform> transform(ConfigSection section) {
        Map<String, Transform> transform = new LinkedHashMap<>();
        section.exactTexts("transform").forEach((column, expression) -> {
            String key = "transform." + column;
            if (expression.isBlank()) {
                section.problem(key, "must not be empty; write an SQL expression over the source's columns");
            }
            transform.put(column, new Transform(section.path(key), expression));
        });
        return transform;
    }

    private static TablePolicy policy(ConfigSection section) {
        return new TablePolicy(
                section.oneOf("newColumns", NewColumns.IGNORE),
                section.oneOf("truncate", Truncate.APPLY),
                section.oneOf("triggers", Triggers.SUPPRESS));
    }

    private TableMapping checked(ConfigSection section, TableMapping mapping, Set<String> lanes) {
        if (!lanes.contains(mapping.lane())) {
            section.problem("lane", "there is no lane '%s'; %s".formatted(
                    mapping.lane(),
                    Nearest.to(mapping.lane(), lanes)
                            .map(meant -> "did you mean '" + meant + "'?")
                            .orElse("lanes are: " + String.join(", ", lanes))));
        }
        if (mapping.source() != UNREADABLE) {
            if (!claim("source table " + mapping.source(), section, "source", "name each table once")) {
                return mapping; // the rest would say it again
            }
            checkTopic(section, mapping.source());
        }
        if (mapping.target() != UNREADABLE) {
            claim("target table " + mapping.target(), section, "target", "two sources cannot share a target");
            if (mapping.target().schema().equals("sluice")) {
                section.problem("target", "schema 'sluice' of the target belongs to Sluice; choose another, was " + mapping.target());
            }
        }
        checkColumns(section, mapping);
        return mapping;
    }

    private void checkTopic(ConfigSection section, TableId table) {
        String topic = topics.change(table);
        claim("topic " + topic, section, "source", "rename one of the tables' schemas or put it into another pipeline");
        String longest = topics.deadLetter(table);
        if (longest.length() > LONGEST_TOPIC) {
            section.problem("source", "its topic would be named with %d characters, Kafka takes %d; shorten kafka.topicPrefix: %s"
                    .formatted(longest.length(), LONGEST_TOPIC, longest));
        }
    }

    private void checkColumns(ConfigSection section, TableMapping mapping) {
        Map<String, String> filledBy = new HashMap<>();
        mapping.rename().forEach((column, renamed) -> {
            String key = "rename." + column;
            if (mapping.exclude().contains(column)) {
                section.problem(key, "column '%s' is also in exclude; take it out of one of them".formatted(column));
            }
            String other = filledBy.putIfAbsent(renamed, column);
            if (other != null) {
                section.problem(key, "column '%s' is already given the name '%s'; choose another".formatted(other, renamed));
            }
            checkIdentifier(section, key, column);
            checkIdentifier(section, key, renamed);
        });
        mapping.constants().keySet().forEach(column -> {
            String key = "constants." + column;
            if (filledBy.containsKey(column)) {
                section.problem(key, "target column '%s' is filled by source column '%s' through rename; drop one of them"
                        .formatted(column, filledBy.get(column)));
            }
            checkIdentifier(section, key, column);
        });
        mapping.exclude().forEach(column -> checkIdentifier(section, "exclude", column));
        mapping.transform().keySet().forEach(column -> checkTransformed(section, mapping, column, filledBy.get(column)));
    }

    /** @param renamed source column that has this target column's name, or null */
    private static void checkTransformed(ConfigSection section, TableMapping mapping, String column, String renamed) {
        String key = "transform." + column;
        if (renamed != null) {
            section.problem(key, "target column '%s' is filled by source column '%s' through rename; exclude that column, or drop one"
                    .formatted(column, renamed));
        }
        if (mapping.constants().containsKey(column)) {
            section.problem(key, "target column '%s' is filled by constants; drop one of them".formatted(column));
        }
        checkIdentifier(section, key, column);
    }

    private static void checkIdentifier(ConfigSection section, String key, String name) {
        int bytes = name.getBytes(StandardCharsets.UTF_8).length;
        if (bytes == 0 || bytes > LONGEST_IDENTIFIER_BYTES) {
            section.problem(key, "a column's name has 1 to 63 bytes, was '%s'".formatted(name));
        }
    }

    private TableId table(String path, String text) {
        if (text.isEmpty()) {
            return UNREADABLE; // said already
        }
        try {
            TableId table = TableId.parse(text);
            for (String name : List.of(table.schema(), table.table())) {
                if (name.getBytes(StandardCharsets.UTF_8).length > LONGEST_IDENTIFIER_BYTES) {
                    problems.add("%s: PostgreSQL's names have at most 63 bytes, was '%s'".formatted(path, name));
                    return UNREADABLE;
                }
            }
            return table;
        } catch (IllegalArgumentException e) {
            problems.add(path + ": " + e.getMessage());
            return UNREADABLE;
        }
    }

    /** Two claims of one thing are a problem, reported at the second; false if this is it. */
    private boolean claim(String what, ConfigSection section, String key, String cure) {
        String path = section.place(key);
        String first = users.putIfAbsent(what, path);
        if (first != null) {
            problems.add("%s: %s is already at %s; %s".formatted(path, what, first, cure));
        }
        return first == null;
    }

    private Environment nothing() {
        return new Environment(Map.of(), problems);
    }
}
