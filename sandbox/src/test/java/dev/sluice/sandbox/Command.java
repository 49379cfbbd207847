package dev.sluice.sandbox;

import dev.sluice.cli.SluiceMain;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine;

/** A person at the {@code sluice} command, who sees what the last one has printed. */
final class Command {
    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    /** Gives the exit code. */
    int run(Pipeline pipeline, String command, String... arguments) {
        List<String> words = new ArrayList<>(List.of(command));
        words.addAll(List.of(arguments));
        return run(pipeline.configFile(), words);
    }

    /** With this configuration. */
    int run(Path configFile, List<String> words) {
        out.getBuffer().setLength(0);
        err.getBuffer().setLength(0);
        List<String> all = new ArrayList<>(words);
        all.addAll(List.of("-c", configFile.toString()));
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
