package dev.sluice.sandbox;

import dev.sluice.cli.SluiceMain;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine;

/** A person at the {@code sluice} command, who sees what the last one has printed. */
final class Command {
    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    /** Gives the exit code. */
    int run(Pipeline pipeline, String command, String... arguments) {
        out.getBuffer().setLength(0);
        err.getBuffer().setLength(0);
        List<String> all = new ArrayList<>(List.of(command, "-c", pipeline.configFile().toString()));
        all.addAll(List.of(arguments));
        CommandLine sluice = SluiceMain.command();
        sluice.setOut(new PrintWriter(out, true)).setErr(new PrintWriter(err, true));
        return sluice.execute(all.toArray(new String[0]));
    }

    String out() {
        return out.toString();
    }

    String err() {
        return err.toString();
    }

    /** Both, to explain a failure. */
    String printed() {
        return err + "" + out;
    }
}
