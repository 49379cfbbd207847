package dev.sluice.sandbox;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Path;
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
        Command command = new Command();
        int exitCode = command.run(configFile, List.of(words));
        return new CommandRun(exitCode, command.out(), command.err());
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
