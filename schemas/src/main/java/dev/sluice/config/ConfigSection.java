package dev.sluice.config;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import java.time.Duration;
import java.util.Arrays;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.LongFunction;
import java.util.function.Predicate;

/**
 * One mapping of the configuration file, read key by key.
 *
 * <p>Errors: whatever is wrong is added to the problems with its key, and reading goes on with a stand-in, so that one
 * run lists everything. The stand-ins never leave the package: problems end in {@link InvalidConfigException}.
 */
final class ConfigSection {

    private final String path;
    private final JsonNode node;
    private final Environment environment;
    private final List<String> problems;
    private final Set<String> known = new LinkedHashSet<>();

    /**
     * @param path of the mapping, {@code kafka} or {@code tables[2]}; empty for the whole file
     * @param node the mapping; missing or null stands for an empty one
     * @param environment overrides the mapping's single values
     */
    ConfigSection(String path, JsonNode node, Environment environment, List<String> problems) {
        this.path = path;
        this.environment = environment;
        this.problems = problems;
        boolean absent = node.isMissingNode() || node.isNull();
        if (!absent && !node.isObject()) {
            problem("must hold keys and values, was " + kind(node));
        }
        this.node = node.isObject() ? node : MissingNode.getInstance();
    }

    /** The text, or empty with a problem if there is none. */
    String text(String key) {
        require(key);
        return value(key, "", true, ConfigSection::notEmpty);
    }

    String text(String key, String absent) {
        return value(key, absent, true, ConfigSection::notEmpty);
    }

    String oneOf(String key, String absent, String... allowed) {
        return value(key, absent, true, text -> {
            if (!Arrays.asList(allowed).contains(text)) {
                throw new IllegalArgumentException("must be one of %s, was '%s'".formatted(String.join(", ", allowed), text));
            }
            return text;
        });
    }

    /** One of an enum's values, in lower case. */
    <E extends Enum<E>> E oneOf(String key, E absent) {
        Map<String, E> byName = new LinkedHashMap<>();
        for (E value : absent.getDeclaringClass().getEnumConstants()) {
            byName.put(value.name().toLowerCase(Locale.ROOT), value);
        }
        String absentName = absent.name().toLowerCase(Locale.ROOT);
        return byName.get(oneOf(key, absentName, byName.keySet().toArray(new String[0])));
    }

    /** A value that no problem repeats; it may be empty. */
    Secret secret(String key) {
        return new Secret(value(key, "", true, text -> text));
    }

    boolean flag(String key, boolean absent) {
        return value(key, absent, false, text -> {
            if (!text.equals("true") && !text.equals("false")) {
                throw new IllegalArgumentException("must be true or false, was '%s'".formatted(text));
            }
            return text.equals("true");
        });
    }

    int integer(String key, int absent, int least, int most) {
        return value(key, absent, false, text -> {
            try {
                return (int) between(Long.parseLong(text), least, most, String::valueOf);
            } catch (NumberFormatException e) {
                throw new IllegalArgumentException("must be a whole number, was '%s'".formatted(text));
            }
        });
    }

    int bytes(String key, int absent, int least, int most) {
        return value(key, absent, false, text -> (int) between(Units.bytes(text), least, most, Units::print));
    }

    Duration duration(String key, Duration absent, Duration least, Duration most) {
        return value(key, absent, false, text -> {
            Duration duration = Units.duration(text);
            if (duration.compareTo(least) < 0 || duration.compareTo(most) > 0) {
                throw new IllegalArgumentException(
                        "must be from %s to %s, was %s".formatted(Units.print(least), Units.print(most), text));
            }
            return duration;
        });
    }

    ConfigSection section(String key) {
        known.add(key);
        return new ConfigSection(path(key), node.path(key), environment, problems);
    }

    /** The list's elements with their paths; none if the key is absent. */
    Map<String, JsonNode> list(String key) {
        known.add(key);
        JsonNode list = node.path(key);
        Map<String, JsonNode> elements = new LinkedHashMap<>();
        if (!list.isArray() && has(key)) {
            problem(key, "must be a list, was " + kind(list));
        }
        for (int i = 0; i < list.size() && list.isArray(); i++) {
            elements.put(path(key) + "[" + i + "]", list.get(i));
        }
        return elements;
    }

    /** A list of texts, in order; twice the same is a problem. */
    Set<String> texts(String key) {
        Set<String> texts = new LinkedHashSet<>();
        list(key).forEach((place, element) -> {
            if (!element.isTextual()) {
                problems.add(place + ": " + needsText(element));
            } else if (!texts.add(element.asText())) {
                problems.add("%s: '%s' is there twice; leave one out".formatted(place, element.asText()));
            }
        });
        return texts;
    }

    /** A mapping whose keys are free and whose values are texts. Numbers are refused: {@code 007} would become 7. */
    Map<String, String> exactTexts(String key) {
        return entries(key, JsonNode::isTextual);
    }

    /** A mapping whose keys are free, for another program's settings: numbers and booleans stand for their text. */
    Map<String, String> properties(String key) {
        return entries(key, value -> value.isTextual() || value.isIntegralNumber() || value.isBoolean());
    }

    /** Notes every key that nobody has asked for; to be called after all keys have been read. */
    void reportUnknown() {
        for (Iterator<String> names = node.fieldNames(); names.hasNext(); ) {
            String name = names.next();
            if (!known.contains(name)) {
                problem(name, "unknown key; "
                        + Nearest.to(name, known)
                                .map(meant -> "did you mean '" + meant + "'?")
                                .orElse("known here: " + String.join(", ", known)));
            }
        }
    }

    boolean has(String key) {
        JsonNode value = node.path(key);
        return !value.isMissingNode() && !value.isNull() || environment.has(path(key));
    }

    void problem(String key, String text) {
        problems.add(place(key) + ": " + text);
    }

    void problem(String text) {
        problems.add((path.isEmpty() ? "the file" : path) + ": " + text);
    }

    String path(String key) {
        return path.isEmpty() ? key : path + "." + key;
    }

    /** Where a person finds the key: a list's element in short form has none, there it is the element. */
    String place(String key) {
        return path.endsWith("]") && node.isMissingNode() ? path : path(key);
    }

    static String kind(JsonNode node) {
        switch (node.getNodeType()) {
            case ARRAY:
                return "a list";
            case OBJECT:
                return "a mapping";
            case NULL:
            case MISSING:
                return "nothing";
            default:
                return "a single value";
        }
    }

    private void require(String key) {
        if (!has(key)) {
            problem(key, "is required"
                    + (path.contains("[") ? "" : "; or set " + Environment.variable(path(key))));
        }
    }

    private Map<String, String> entries(String key, Predicate<JsonNode> allowed) {
        known.add(key);
        JsonNode entries = node.path(key);
        Map<String, String> texts = new LinkedHashMap<>();
        if (!entries.isObject()) {
            if (has(key)) {
                problem(key, "must hold keys and values, was " + kind(entries));
            }
            return texts;
        }
        entries.properties().forEach(entry -> {
            if (allowed.test(entry.getValue())) {
                texts.put(entry.getKey(), entry.getValue().asText());
            } else {
                problem(key + "." + entry.getKey(), needsText(entry.getValue()));
            }
        });
        return texts;
    }

    private <T> T value(String key, T absent, boolean textOnly, Function<String, T> parser) {
        known.add(key);
        boolean overridden = environment.has(path(key));
        Optional<Environment.Given> given = environment.of(path(key));
        JsonNode value = node.path(key);
        if (overridden) {
            return given.map(it -> parse(it.variable() + " (" + path(key) + ")", it.value(), absent, parser)).orElse(absent);
        }
        if (!has(key)) {
            return absent;
        }
        if (!value.isValueNode() || textOnly && !value.isTextual()) {
            problem(key, value.isValueNode() ? needsText(value) : "must be a single value, was " + kind(value));
            return absent;
        }
        return parse(path(key), value.asText(), absent, parser);
    }

    private <T> T parse(String name, String text, T absent, Function<String, T> parser) {
        try {
            return parser.apply(text);
        } catch (IllegalArgumentException e) {
            problems.add(name + ": " + e.getMessage());
            return absent;
        }
    }

    private static String needsText(JsonNode value) {
        return value.isValueNode() && !value.isNull()
                ? "must be text; put the value in quotes"
                : "must be text, was " + kind(value);
    }

    private static String notEmpty(String text) {
        if (text.isBlank()) {
            throw new IllegalArgumentException("must not be empty");
        }
        return text;
    }

    private static long between(long value, long least, long most, LongFunction<String> print) {
        if (value < least || value > most) {
            throw new IllegalArgumentException("must be from %s to %s, was %s"
                    .formatted(print.apply(least), print.apply(most), print.apply(value)));
        }
        return value;
    }
}
