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

        Failure failure = RereadFailures.sorted(TABLE, false, unforeseen);

        assertThat(failure).isInstanceOf(Failure.Poison.class);
        assertThat(failure.getMessage())
                .contains("java.lang.NumberFormatException at dev.sluice.apply.RereadFailuresTest.")
                .doesNotContain("secret");
    }

    @Test
    void anErrorIsPassedOn() {
        assertThatThrownBy(() -> RereadFailures.sorted(TABLE, false, new OutOfMemoryError("heap")))
                .isInstanceOf(OutOfMemoryError.class);
    }

    @Test
    void whatTheServersSayIsSortedByItsState() {
        assertThat(RereadFailures.sorted(TABLE, false, new SQLException("gone", "08006"))).isInstanceOf(Failure.Retryable.class);
        assertThat(RereadFailures.sorted(TABLE, false, new SQLException("no such table", "42P01"))).isInstanceOf(Failure.Fatal.class);
        assertThat(RereadFailures.sorted(TABLE, false, new SQLException("no parent", "23503")).getMessage())
                .contains("GRANT SET ON PARAMETER session_replication_role");
    }

    @Test
    void whatTheSourceSaysIsNotCalledTheTargets() {
        SourceSaid gone = new SourceSaid(new SQLException("column \"v\" does not exist", "42703"));

        assertThat(RereadFailures.sorted(TABLE, false, gone)).isInstanceOf(Failure.Retryable.class);
        assertThat(RereadFailures.sorted(TABLE, true, gone)).isInstanceOf(Failure.Poison.class).hasMessageContainingAll(
                "source: reading public.orders: column \"v\" does not exist", "--where");
        assertThat(RereadFailures.sorted(TABLE, true, new SourceSaid(new SQLException("invalid input: \"secret\"", "22P02"))))
                .isInstanceOf(Failure.Poison.class)
                .hasMessageContaining("SQLSTATE 22P02")
                .hasMessageNotContaining("secret");
        assertThat(RereadFailures.sorted(TABLE, false, new SourceSaid(new SQLException("wrong password", "28P01"))))
                .isInstanceOf(Failure.Poison.class)
                .hasMessageContaining("source.password");
        assertThat(RereadFailures.sorted(TABLE, false, new SourceSaid(new SQLException("no answer", "08006"))))
                .isInstanceOf(Failure.Retryable.class);
    }
}
