package dev.sluice.apply;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import java.sql.SQLException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.postgresql.util.PSQLException;
import org.postgresql.util.ServerErrorMessage;

class TargetFailuresTest {

    @ParameterizedTest
    @ValueSource(strings = {"08000", "08006", "53100", "53300", "57P01", "57P03", "57P05", "40001", "40P01", "55P03", "25006"})
    void whatMayPassByItselfIsTriedAgain(String state) {
        assertThat(translated(state)).isInstanceOf(Failure.Retryable.class);
    }

    @ParameterizedTest
    @ValueSource(strings = {"22P02", "22001", "22003", "23502", "23503", "23505", "23514", "21000"})
    void whatIsWrongWithARowIsPoison(String state) {
        assertThat(translated(state)).isInstanceOf(Failure.Poison.class);
    }

    @ParameterizedTest
    @ValueSource(strings = {"42501", "42P01", "42703", "0A000", "XX000", "99999"})
    void whatIsWrongWithEverythingOrUnknownIsFatal(String state) {
        assertThat(translated(state)).isInstanceOf(Failure.Fatal.class);
    }

    /** 08004 is the driver's own: the server wants a password and there is none, or TLS and it may not. */
    @ParameterizedTest
    @ValueSource(strings = {"28P01", "28000", "08004"})
    void aRefusedPasswordHasAnExitCodeOfItsOwn(String state) {
        assertThat(translated(state))
                .isInstanceOfSatisfying(Failure.Fatal.class, fatal -> assertThat(fatal.stop()).isEqualTo(Stop.ACCESS));
    }

    @Test
    void aFailureWithoutAStateIsFatal() {
        assertThat(TargetFailures.translate("writing", new SQLException("?"))).isInstanceOf(Failure.Fatal.class);
    }

    @Test
    void aValueThatTheServerQuotesStaysOutOfTheMessage() {
        ServerErrorMessage error = new ServerErrorMessage(
                "SERROR\0C22P02\0Minvalid input syntax for type integer: \"4111 1111\"\0Rpg_strtoint32_safe\0");

        Failure failure = TargetFailures.translate("writing", new PSQLException(error));

        assertThat(failure.getMessage()).doesNotContain("4111").contains("22P02", "pg_strtoint32_safe");
    }

    private static Failure translated(String state) {
        return TargetFailures.translate("writing", new SQLException("refused", state));
    }
}
