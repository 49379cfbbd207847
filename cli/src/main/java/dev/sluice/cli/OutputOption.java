package dev.sluice.cli;

import picocli.CommandLine.Option;

/** How a command that lists something prints it. */
final class OutputOption {

    enum Output {
        table,
        json
    }

    @Option(
            names = {"-o", "--output"},
            defaultValue = "table",
            description = "One of: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    private Output output;

    boolean isJson() {
        return output == Output.json;
    }
}
