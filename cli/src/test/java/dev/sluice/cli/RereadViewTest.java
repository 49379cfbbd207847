package dev.sluice.cli;

import static dev.sluice.cli.Rereads.CUSTOMERS;
import static dev.sluice.cli.Rereads.ORDERS;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.apply.RereadStore.Table;
import dev.sluice.schemas.TableId;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class RereadViewTest {
    private final RereadView view = new RereadView(List.of(CUSTOMERS, ORDERS), 0);

    @Test
    void atFirstEveryTableIsSaidAndThenThoseThatChange() {
        assertThat(look(0, Rereads.requested(CUSTOMERS), Rereads.requested(ORDERS)))
                .containsExactly("public.customers  requested", "public.orders     requested");

        assertThat(look(1_000, Rereads.requested(CUSTOMERS), Rereads.running(ORDERS, 0, 10)))
                .containsExactly("public.orders     running  0 of about 10 rows (0%)");
        assertThat(look(2_000, Rereads.requested(CUSTOMERS), Rereads.running(ORDERS, 0, 10))).isEmpty();
    }

    @Test
    void aTableHasAtMostOneLineASecondAndNoChangeIsForgotten() {
        look(0, Rereads.requested(CUSTOMERS), Rereads.running(ORDERS, 0, 10_000));

        assertThat(look(400, Rereads.requested(CUSTOMERS), Rereads.running(ORDERS, 1_000, 10_000))).isEmpty();
        assertThat(look(800, Rereads.requested(CUSTOMERS), Rereads.running(ORDERS, 2_000, 10_000))).isEmpty();
        assertThat(look(1_200, Rereads.requested(CUSTOMERS), Rereads.running(ORDERS, 2_400, 10_000)))
                .containsExactly("public.orders     running  2,400 of about 10,000 rows (24%), 2,000 rows/s, ETA 4 s");
    }

    @Test
    void anEndIsSaidAtOnceAndWhenAllAreDoneItIsOver() {
        look(0, Rereads.running(CUSTOMERS, 0, 1), Rereads.running(ORDERS, 0, 1));

        assertThat(look(10, Rereads.done(CUSTOMERS, 1, ""), Rereads.running(ORDERS, 0, 1))).hasSize(1);
        assertThat(view.isDone()).isFalse();
        assertThat(look(20, Rereads.done(CUSTOMERS, 1, ""), Rereads.done(ORDERS, 1, ""))).hasSize(1);
        assertThat(view.isDone()).isTrue();
        assertThat(view.hasFailed()).isFalse();
    }

    @Test
    void oneThatFailsIsAFailure() {
        look(0, Rereads.running(CUSTOMERS, 0, 1), Rereads.failed(ORDERS, "no room"));

        assertThat(view.hasFailed()).isTrue();
        assertThat(view.isDone()).isFalse();
    }

    @Test
    void oneThatIsGoneIsAFailure() {
        assertThat(look(0, Rereads.running(ORDERS, 0, 1)))
                .contains("public.customers  is not in sluice.reread any more: somebody has taken the request away");

        assertThat(view.hasFailed()).isTrue();
    }

    @Test
    void aStallIsSaidOnceAndAgainOnlyAfterSomethingHasMoved() {
        look(0, Rereads.requested(CUSTOMERS), Rereads.requested(ORDERS));
        assertThat(view.hasStalled(millis(9_900))).isFalse();
        assertThat(view.hasStalled(millis(10_000))).isTrue();
        assertThat(view.hasStalled(millis(20_000))).isFalse();

        look(21_000, Rereads.running(CUSTOMERS, 0, 1), Rereads.requested(ORDERS));
        assertThat(view.hasStalled(millis(30_900))).isFalse();
        assertThat(view.hasStalled(millis(31_000))).isTrue();
    }

    @Test
    void whatIsPausedOrDoneDoesNotStall() {
        look(0, Rereads.done(CUSTOMERS, 1, ""), Rereads.paused(Rereads.requested(ORDERS)));

        assertThat(view.hasStalled(millis(60_000))).isFalse();
        assertThat(view.toMove()).isEmpty();
    }

    private List<String> look(long millis, Table... tables) {
        Map<TableId, Table> found =
                Arrays.stream(tables).collect(Collectors.toMap(Table::source, Function.identity()));
        return view.look(millis(millis), found);
    }

    private static long millis(long millis) {
        return millis * 1_000_000;
    }
}
