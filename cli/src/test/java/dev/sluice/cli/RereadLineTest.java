package dev.sluice.cli;

import static dev.sluice.cli.Rereads.ORDERS;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.apply.RereadStore.Table;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

class RereadLineTest {

    @Test
    void whileATableIsReadRowsPaceAndTimeToTheEndAreSaid() {
        Table table = Rereads.running(ORDERS, 1_234_567, 2_000_000);

        assertThat(RereadLine.text(table, OptionalLong.of(100_000)))
                .isEqualTo("running  1,234,567 of about 2,000,000 rows (61%), 100,000 rows/s, ETA 8 s");
    }

    @Test
    void nothingIsMadeUpWhereNothingIsKnown() {
        assertThat(RereadLine.text(Rereads.requested(ORDERS), OptionalLong.empty())).isEqualTo("requested");
        assertThat(RereadLine.text(Rereads.running(ORDERS, 0, 50), OptionalLong.empty()))
                .isEqualTo("running  0 of about 50 rows (0%)");
        assertThat(RereadLine.text(Rereads.running(ORDERS, 7, 0), OptionalLong.of(7))).isEqualTo("running  7 rows, 7 rows/s");
    }

    @Test
    void withMoreRowsThanEstimatedThereIsNoEndToTell() {
        assertThat(RereadLine.text(Rereads.running(ORDERS, 1_100, 1_000), OptionalLong.of(10)))
                .isEqualTo("running  1,100 of about 1,000 rows, 10 rows/s");
    }

    @Test
    void aPausedTableHasNoPace() {
        Table table = Rereads.paused(Rereads.running(ORDERS, 10, 100));

        assertThat(RereadLine.text(table, OptionalLong.of(5))).isEqualTo("paused  10 of about 100 rows (10%)");
    }

    @Test
    void aTableThatIsDoneSaysHowLongItTookAndWhatWasFound() {
        assertThat(RereadLine.text(Rereads.done(ORDERS, 2_000_000, "foreign keys hold"), OptionalLong.empty()))
                .isEqualTo("done  2,000,000 rows in 20 s, 100,000 rows/s; foreign keys hold");
    }

    @Test
    void aFailureSaysWhy() {
        assertThat(RereadLine.text(Rereads.failed(ORDERS, "the source has no table public.orders"), OptionalLong.empty()))
                .isEqualTo("FAILED  12 of about 100 rows (12%); the source has no table public.orders");
    }

    @Test
    void aConditionIsSaid() {
        assertThat(RereadLine.text(Rereads.only(Rereads.requested(ORDERS), "id > 5"), OptionalLong.empty()))
                .isEqualTo("requested, only where id > 5");
    }
}
