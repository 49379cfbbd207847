package dev.sluice.apply;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.schemas.Failure;
import dev.sluice.schemas.TableId;
import java.sql.SQLException;
import org.junit.jupiter.api.Test;

class RereadFailuresTest {
    private static final TableId TABLE = new TableId("public", "orders");

    @Test
    void whatNobodyHasForeseenFailsTheTableAndIsNamedByItsClassAndPlaceWithoutValues() {
        NumberFormatException unforeseen = new NumberFormatException("For input string: \"secret\"");

        Failure failure = RereadFailures.sorted(TABLE, unforeseen);

        assertThat(failure).isInstanceOf(Failure.Poison.class);
        assertThat(failure.getMessage())
                .contains("java.lang.NumberFormatException at dev.sluice.apply.RereadFailuresTest.")
                .doesNotContain("secret");
    }

    @Test
    void anErrorIsPassedOn() {
        assertThatThrownBy(() -> RereadFailures.sorted(TABLE, new OutOfMemoryError("heap")))
                .isInstanceOf(OutOfMemoryError.class);
    }

    @Test
    void whatTheServersSayIsSortedByItsState() {
        assertThat(RereadFailures.sorted(TABLE, new SQLException("gone", "08006"))).isInstanceOf(Failure.Retryable.class);
        assertThat(RereadFailures.sorted(TABLE, new SQLException("no such table", "42P01"))).isInstanceOf(Failure.Fatal.class);
        assertThat(RereadFailures.sorted(TABLE, new SQLException("no parent", "23503")).getMessage())
                .contains("GRANT SET ON PARAMETER session_replication_role");
    }
}
