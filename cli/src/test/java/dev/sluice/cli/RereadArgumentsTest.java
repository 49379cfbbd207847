package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.apply.RereadStore.Throttle;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;

class RereadArgumentsTest {
    private final StringWriter err = new StringWriter();

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "backfill --rate 0                      | '0' is not a whole number from 1 on",
        "backfill --rate 5k                     | '5k' is not a whole number from 1 on",
        "backfill --bytes-rate 4XB              | not a size: '4XB'",
        "backfill --bytes-rate 0                | '0' is no limit; to stop reading: --pause",
        "backfill --while-active-below 0        | '0' is not a whole number from 1 on",
        "backfill --where id>5                  | name it with --table",
        "backfill --pause --resume              | mutually exclusive",
        "backfill --pause --rate 5              | they take --table only",
        "backfill --resume --again              | they take --table only",
        "backfill --limits --where id>5         | --table and limits only",
        "backfill --limits --no-wait            | --table and limits only",
        "resync                                 | Missing required option: '--table=TABLE'",
        "resync --table t --pause               | Unknown option: '--pause'",
        "status -o xml                          | 'xml'",
    })
    void whatDoesNotGoTogetherIsAUsageError(String arguments, String said) {
        CommandLine command = SluiceMain.command().setErr(new PrintWriter(err));

        int code = command.execute((arguments + " -c src/test/resources/pipeline.yml").split(" "));

        assertThat(err.toString()).contains(said);
        assertThat(code).isEqualTo(2);
    }

    @Test
    void limitsAreTakenAsGivenAndSaidAsGiven() {
        ThrottleOptions given =
                CommandLine.populateCommand(new ThrottleOptions(), "--rate=5000", "--bytes-rate=4MB", "--while-active-below=20");

        assertThat(given.throttle())
                .isEqualTo(new Throttle(OptionalLong.of(5_000), OptionalLong.of(4 << 20), OptionalLong.of(19)));
        assertThat(ThrottleOptions.text(given.throttle()))
                .isEqualTo("at most 5,000 rows/s, at most 4 MB/s, while fewer than 20 sessions of the source are active");
    }

    @Test
    void whatIsNotGivenHasNoLimit() {
        ThrottleOptions given = CommandLine.populateCommand(new ThrottleOptions());

        assertThat(given.throttle()).isEqualTo(Throttle.NONE);
        assertThat(ThrottleOptions.text(given.throttle())).isEqualTo("no limit");
    }
}
