package dev.sluice.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.sluice.apply.DeadLetters;
import dev.sluice.apply.DeadLetters.Choice;
import dev.sluice.apply.DeadLetters.Group;
import dev.sluice.apply.DeadLetters.Letter;
import dev.sluice.schemas.Stop;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** Lists dead letters, or counts them by what they have in common. */
@Command(
        name = "list",
        mixinStandardHelpOptions = true,
        description = {
            "Lists dead letters, or with --by counts them.",
            "In the order of their lane; those that are not closed, unless --state says otherwise.",
            "open: the target has refused it. behind: it waits, untried, behind a letter that is about the same row.",
            "Kinds: upsert, the whole row; patch, a row without long values that did not change; delete; move, the key changes."
                    + " docs/topics.md has the others."
        },
        exitCodeListHeading = "Exit codes:%n",
        exitCodeList = {
            " 0:listed, none too",
            " 1:the target could not be reached",
            " 2:wrong command line, no such table",
            "11:`sluice apply` of this version has never run on the target",
            "13:the target refused the credentials",
            "78:wrong configuration"
        })
final class DlqListCommand implements Callable<Integer> {

    enum By {
        table,
        clazz,
        constraint,
        hour;

        @Override
        public String toString() {
            return this == clazz ? "class" : name();
        }
    }

    @Spec
    private CommandSpec spec;

    @Mixin
    private PipelineOption pipeline;

    @Mixin
    private LetterFilter filter;

    @Option(
            names = "--by",
            paramLabel = "WHAT",
            converter = ByConverter.class,
            description = "Count them by table, class, constraint, or hour of the first failure (UTC).")
    private By by;

    @Option(
            names = "--limit",
            paramLabel = "N",
            defaultValue = "100",
            description = "Most letters to list (default: ${DEFAULT-VALUE}).")
    private int limit;

    @Mixin
    private OutputOption output;

    static final class ByConverter implements ITypeConverter<By> {
        @Override
        public By convert(String text) {
            for (By one : By.values()) {
                if (one.toString().equals(text)) {
                    return one;
                }
            }
            throw new TypeConversionException(
                    "expected one of table, class, constraint, hour, but was '%s'".formatted(text));
        }
    }

    @Override
    public Integer call() {
        return pipeline.run(config -> {
            if (limit < 1) {
                throw new ParameterException(
                        spec.commandLine(), "--limit must be 1 or more, was " + limit);
            }
            try (LetterSession session = LetterSession.open(config)) {
                Choice choice = filter.choice(session);
                DeadLetters letters = session.letters();
                Optional<DeadLetters.By> grouping = Optional.ofNullable(by).map(one ->
                        DeadLetters.By.valueOf(one.toString().toUpperCase(Locale.ROOT)));
                List<Group> groups =
                        session.inTransaction("counting dead letters", target -> letters.groups(target, choice, grouping));
                if (grouping.isPresent()) {
                    print(groups, choice.states().equals(Choice.HOLDING));
                } else {
                    print(
                            session.inTransaction("listing dead letters", target -> letters.letters(target, choice, limit)),
                            groups.stream().findFirst());
                }
            }
            return Stop.CLEAN.exitCode();
        });
    }

    /** @param isOpenOnly closed letters are not counted, so 0 of them would be wrong */
    private void print(List<Group> groups, boolean isOpenOnly) {
        PrintWriter out = spec.commandLine().getOut();
        if (output.isJson()) {
            ArrayNode json = JsonNodeFactory.instance.arrayNode();
            groups.forEach(group -> json.addObject()
                    .put(by.toString(), group.name())
                    .put("open", group.open())
                    .put("behind", group.behind())
                    .put("closed", group.closed())
                    .put("oldest", group.oldest().toString())
                    .put("newest", group.newest().toString()));
            out.println(json.toPrettyString());
            return;
        }
        if (groups.isEmpty()) {
            out.println("no dead letters");
        } else {
            List<List<String>> rows = groups.stream().map(group -> cells(group, isOpenOnly)).toList();
            LetterLines.table(cells(List.of(by.toString(), "open", "behind", "closed", "oldest", "newest"), isOpenOnly), rows)
                    .forEach(out::println);
        }
        out.flush();
    }

    private static List<String> cells(Group group, boolean isOpenOnly) {
        return cells(
                List.of(
                        group.name().isEmpty() ? "-" : group.name(),
                        Amounts.count(group.open()),
                        Amounts.count(group.behind()),
                        Amounts.count(group.closed()),
                        LetterLines.time(group.oldest()),
                        LetterLines.time(group.newest())),
                isOpenOnly);
    }

    private static List<String> cells(List<String> all, boolean isOpenOnly) {
        List<String> cells = new ArrayList<>(all);
        if (isOpenOnly) {
            cells.remove(3);
        }
        return cells;
    }

    private void print(List<Letter> letters, Optional<Group> all) {
        PrintWriter out = spec.commandLine().getOut();
        long count = all.map(group -> group.open() + group.behind() + group.closed()).orElse(0L);
        if (output.isJson()) {
            ObjectNode json = JsonNodeFactory.instance.objectNode().put("count", count);
            ArrayNode list = json.putArray("letters");
            letters.forEach(letter -> list.add(LetterLines.json(letter)));
            out.println(json.toPrettyString());
            return;
        }
        List<String> lines = new ArrayList<>();
        if (letters.isEmpty()) {
            lines.add("no dead letters");
        } else {
            lines.addAll(LetterLines.table(letters));
        }
        if (count > letters.size()) {
            lines.add("%s more; --limit shows more, --by counts them".formatted(Amounts.count(count - letters.size())));
        }
        lines.forEach(out::println);
        out.flush();
    }
}
