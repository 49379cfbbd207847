package dev.sluice.sandbox;

import dev.sluice.schemas.TableId;
import java.io.Console;
import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Shows the demo to a person: one view, drawn again in place, on a terminal; a line every five seconds elsewhere.
 *
 * <p>Threads: one.
 */
final class DemoView {
    private static final Duration LINE_EVERY = Duration.ofSeconds(5);
    private static final String UP = "\033[%dA";
    private static final String CLEAR_TO_END_OF_LINE = "\033[K";

    private final PrintStream out;
    private final boolean terminal;
    private int drawnLines;
    private Duration lastLine = Duration.ZERO;

    DemoView(PrintStream out, boolean terminal) {
        this.out = out;
        this.terminal = terminal;
    }

    static DemoView onThisTerminal() {
        return new DemoView(System.out, isTerminal());
    }

    /**
     * The launcher knows and says it in {@code SLUICE_TTY}. Without it: a console exists on Java 17 only if it is a
     * terminal, and on 22 and later it says itself whether it is one.
     */
    private static boolean isTerminal() {
        String said = System.getenv("SLUICE_TTY");
        Console console = System.console();
        if (said != null || console == null) {
            return "1".equals(said);
        }
        try {
            return (boolean) Console.class.getMethod("isTerminal").invoke(console);
        } catch (ReflectiveOperationException e) {
            return true;
        }
    }

    void say(String line) {
        out.println(line);
        drawnLines = 0;
    }

    void show(DemoNumbers numbers, String shop) {
        if (terminal) {
            draw(numbers, shop);
        } else if (numbers.elapsed().minus(lastLine).compareTo(LINE_EVERY) >= 0 || !shop.equals("open")) {
            lastLine = numbers.elapsed();
            out.println(clock(numbers) + "  " + numbers.line() + (shop.equals("open") ? "" : "  shop " + shop));
        }
    }

    void end(String summary) {
        out.println();
        out.println(summary);
        drawnLines = 0;
    }

    private void draw(DemoNumbers numbers, String shop) {
        List<String> lines = new ArrayList<>();
        lines.add(clock(numbers) + "     shop " + shop);
        lines.add("written  " + numbers.writtenLine());
        lines.add("applied  " + numbers.appliedLine());
        lines.add("lag      " + numbers.lagLine());
        lines.add("behind   " + numbers.behindLine());
        lines.add("");
        lines.add("%-22s %15s %15s".formatted("table", "rows written", "events applied"));
        Map<TableId, Long> applied = numbers.appliedByTable();
        numbers.writtenByTable().forEach((table, rows) ->
                lines.add("%-22s %,15d %,15d".formatted(table.table(), rows, applied.getOrDefault(table, 0L))));
        StringBuilder screen = new StringBuilder(drawnLines == 0 ? "" : UP.formatted(drawnLines));
        lines.forEach(line -> screen.append(line).append(CLEAR_TO_END_OF_LINE).append('\n'));
        out.print(screen);
        out.flush();
        drawnLines = lines.size();
    }

    private static String clock(DemoNumbers numbers) {
        long seconds = numbers.elapsed().toSeconds();
        return "%02d:%02d".formatted(seconds / 60, seconds % 60);
    }
}
