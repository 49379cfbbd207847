package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

class SluiceMainTest {

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();
    private final CommandLine command =
            SluiceMain.command().setOut(new PrintWriter(out)).setErr(new PrintWriter(err));

    @Test
    void helpNamesEveryCommand() {
        assertThat(command.execute("help")).isZero();
        assertThat(out.toString()).contains("capture", "apply", "check", "status", "backfill", "resync", "recover", "demo", "Exit codes");
    }

    @Test
    void anUnknownOptionIsAUsageError() {
        assertThat(command.execute("check", "--confg", "x")).isEqualTo(2);
        assertThat(err.toString()).contains("--confg");
    }

    @Test
    void aMissingConfigurationIsAConfigurationError() {
        assertThat(command.execute("check", "-c", "/nowhere/pipeline.yml")).isEqualTo(78);
        assertThat(err.toString()).contains("/nowhere/pipeline.yml: 1 problem", "does not exist");
    }
}
