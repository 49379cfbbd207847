package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.process.StopSignal;
import dev.sluice.schemas.Stop;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DemoIT {
    private final ByteArrayOutputStream screen = new ByteArrayOutputStream();

    @TempDir
    private Path directory;

    @Test
    void theDemoEndsEqualGoesOnWithItsDataAndFindsADifference() throws SQLException {
        assertThat(demo()).as(screen()).isEqualTo(Stop.CLEAN);
        assertThat(screen()).contains("seed    7", "EQUAL: 6 tables", "shop closed, everything applied");

        try (EmbeddedPostgres target = EmbeddedPostgres.builder().directory(directory.resolve("target")).start();
                Connection connection = target.connect("shop");
                Statement statement = connection.createStatement()) {
            statement.execute("INSERT INTO customers (id, email, name) VALUES (-1, 'stranger@example.org', 'Stranger')");
        }

        assertThat(demo()).as(screen()).isEqualTo(Stop.DIFFERENT);
        assertThat(screen()).contains("extra in the target: id=-1", "DIFFERENT: 1 of 6 tables");
    }

    private Stop demo() {
        screen.reset();
        Demo.Plan plan = new Demo.Plan(500, Duration.ofSeconds(3), 7, Optional.of(directory));
        return Demo.run(plan, new StopSignal(), new DemoView(new PrintStream(screen, true, StandardCharsets.UTF_8), false));
    }

    private String screen() {
        return screen.toString(StandardCharsets.UTF_8);
    }
}
