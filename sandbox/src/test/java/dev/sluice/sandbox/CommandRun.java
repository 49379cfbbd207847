package dev.sluice.sandbox;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.sluice.cli.SluiceMain;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** A {@code sluice} command as a person has run it, in this JVM. */
record CommandRun(int exitCode, String out, String err) {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** @param words with the options, {@code -c} aside */
    static CommandRun of(Pipeline pipeline, String... words) {
        return of(pipeline.configFile(), words);
    }

    /** With another configuration. */
    static CommandRun of(Path configFile, String... words) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        List<String> all = new ArrayList<>(Arrays.asList(words));
        all.addAll(List.of("-c", configFile.toString()));
        int exitCode = SluiceMain.command()
                .setOut(new PrintWriter(out, true))
                .setErr(new PrintWriter(err, true))
                .execute(all.toArray(String[]::new));
        return new CommandRun(exitCode, out.toString(), err.toString());
    }

    /** What it printed, as a program reads it. */
    JsonNode json() {
        try {
            return JSON.readTree(out);
        } catch (JsonProcessingException e) {
            throw new AssertionError("no JSON: " + out, e);
        }
    }

    /** For messages of assertions. */
    String all() {
        return "exit code " + exitCode + "\n" + out + err;
    }
}
