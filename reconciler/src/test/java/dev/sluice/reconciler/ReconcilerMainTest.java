package dev.sluice.reconciler;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

class ReconcilerMainTest {
    private final StringWriter err = new StringWriter();

    @Test
    void aWrongConfigurationEndsWith78AndNamesTheFile(@TempDir Path directory) {
        Path file = directory.resolve("none.yml");

        int exitCode = new CommandLine(new ReconcilerMain.Compare()).setErr(new PrintWriter(err, true)).execute("-c", file.toString());

        assertThat(exitCode).isEqualTo(78);
        assertThat(err.toString()).contains(file.toString());
    }

    @Test
    void aMissingConfigurationIsAMistakeOfTheCommandLine() {
        int exitCode = new CommandLine(new ReconcilerMain.Compare()).setErr(new PrintWriter(err, true)).execute();

        assertThat(exitCode).isEqualTo(2);
    }
}
