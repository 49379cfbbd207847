package dev.sluice.cli;

import static dev.sluice.cli.Rereads.CUSTOMERS;
import static dev.sluice.cli.Rereads.ORDERS;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.apply.DeadLetters.Breaker;
import dev.sluice.apply.DeadLetters.Standing;
import dev.sluice.apply.DeadLetters.Waiting;
import dev.sluice.apply.LaneStatus;
import dev.sluice.apply.LaneStatus.Applied;
import dev.sluice.apply.LaneStatus.Held;
import dev.sluice.apply.RereadStore.Table;
import dev.sluice.capture.SlotStatus;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.TableId;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class StatusReportTest {
    private static final Instant NOW = Rereads.START.plusSeconds(60);
    private static final TableId PAYMENTS = TableId.parse("payments");
    private static final LaneConfig MAIN = new LaneConfig(
            "main",
            "sluice_shop_main",
            "publication",
            true,
            List.of(CUSTOMERS, ORDERS, PAYMENTS).stream().map(id -> TableMapping.identity(id, "main")).toList());
    private static final Applied APPLIED = new Applied(
            7, 2_313, Lsn.parse("0/1000"), Optional.of(NOW.minusMillis(300)), NOW.minusMillis(200));
    private static final SlotStatus STREAMING = slot(SlotStatus.State.ACTIVE);

    @Test
    void aLaneInStepSaysSoWithItsPositionAndItsLag() {
        StatusReport report = report(
                new LaneStatus(true, Optional.of(APPLIED), List.of(), done(CUSTOMERS, ORDERS, PAYMENTS), NOW), STREAMING);

        assertThat(report.needsPerson()).isFalse();
        assertThat(report.table())
                .isEqualTo(
                        """
                        lane main
                          source      capture streams from slot sluice_shop_main, 2 kB behind; WAL kept for it: 8 kB
                          applied     epoch 7, seq 2313, source position 0/1000, committed at the source 0.3 s ago, \
                        4 kB behind the source
                          backfill    public.customers  done  5 rows in 20 s, 0 rows/s
                          backfill    public.orders  done  5 rows in 20 s, 0 rows/s
                          backfill    public.payments  done  5 rows in 20 s, 0 rows/s
                          state       every table is as the source was at this position
                        shop: nobody is needed""");
    }

    @Test
    void tablesThatAreNotAStateOfTheSourceAreNamedWithTheReason() {
        StatusReport report = report(
                new LaneStatus(
                        false,
                        Optional.of(APPLIED),
                        List.of(new Held(PAYMENTS, "column 'x' is gone", "drop it here too", NOW.minusSeconds(90))),
                        byTable(Rereads.running(ORDERS, 600, 1_200)),
                        NOW),
                STREAMING);

        assertThat(report.needsPerson()).isTrue();
        assertThat(report.table())
                .contains("  applied     epoch 7, seq 2313, source position 0/1000, committed at the source 0.3 s ago,"
                        + " 4 kB behind the source; no apply is at work, start `sluice apply`\n")
                .contains("  held        public.payments  for 1 min 30 s: column 'x' is gone\n"
                        + "              cure: drop it here too\n")
                .contains("  backfill    public.orders  running  600 of about 1,200 rows (50%), 10 rows/s, ETA 1 min 0 s\n")
                .contains("  never read  public.customers, public.payments: rows that were there before the lane began are here"
                        + " only if somebody copied them\n")
                .contains("  state       not yet a state that the source had: public.orders (backfill is under way),"
                        + " public.payments (is held); the other tables are\n")
                .endsWith("shop: a person is needed");
    }

    @Test
    void aFailedTableNeedsAPerson() {
        LaneStatus failed = new LaneStatus(
                true, Optional.of(APPLIED), List.of(), byTable(Rereads.failed(ORDERS, "no room")), NOW);

        assertThat(report(failed, STREAMING).needsPerson()).isTrue();
        assertThat(report(failed, STREAMING).table()).contains("FAILED  12 of about 100 rows (12%); no room");
    }

    @Test
    void rowsThatReferToNothingNeedAPersonAndForeignKeysThatAreStillLookedAtDoNot() {
        Table orphans = Rereads.done(ORDERS, 5, "3 rows refer by fk to rows of public.customers that are not there");
        Table later = Rereads.done(ORDERS, 5, "its foreign keys are looked at when all tables are read");

        assertThat(report(new LaneStatus(true, Optional.of(APPLIED), List.of(), byTable(orphans), NOW), STREAMING).needsPerson())
                .isTrue();
        assertThat(report(new LaneStatus(true, Optional.of(APPLIED), List.of(), byTable(later), NOW), STREAMING).needsPerson())
                .isFalse();
    }

    @Test
    void parkedChangesAreCountedAndAStoppedLaneNeedsAPerson() {
        LaneStatus inStep = new LaneStatus(true, Optional.of(APPLIED), List.of(), done(CUSTOMERS, ORDERS, PAYMENTS), NOW);
        Standing parked = new Standing(2, 1, Optional.of(NOW.minusSeconds(90)), Map.of(ORDERS, 3L), Optional.empty(), Optional.empty());
        Standing stopped = new Standing(
                2,
                1,
                Optional.of(NOW),
                Map.of(ORDERS, 3L),
                Optional.of(new Breaker("shop.main", "too many", NOW.minusSeconds(5))),
                Optional.of(new Waiting("shop.main", NOW.minusSeconds(7), "disk full")));

        assertThat(report(inStep, parked).needsPerson()).isFalse();
        assertThat(report(inStep, parked).table())
                .contains("  parked      2 dead letters, 1 behind them, the oldest 1 min 30 s ago; `sluice dlq list`\n")
                .contains("  state       not yet a state that the source had: public.orders (3 parked changes); the other tables are\n");
        assertThat(report(inStep, stopped).needsPerson()).isTrue();
        assertThat(report(inStep, stopped).table())
                .contains("  stopped     5 s ago: too many\n", "then `sluice resume`\n", "  waits       for 7 s: disk full\n");
        assertThat(report(inStep, stopped).json()).contains("\"open\" : 2", "\"reason\" : \"too many\"", "\"cure\" : \"sluice resume\"");
    }

    @Test
    void tablesThatAreNotMappedAnyMoreAreNobodysConcern() {
        TableId gone = TableId.parse("gone");
        LaneStatus failed =
                new LaneStatus(true, Optional.of(APPLIED), List.of(), byTable(Rereads.failed(gone, "no table")), NOW);

        assertThat(report(failed, STREAMING).needsPerson()).isFalse();
    }

    @Test
    void aMissingSlotNeedsAPersonOnceTheLaneHasBegun() {
        LaneStatus begun = new LaneStatus(true, Optional.of(APPLIED), List.of(), Map.of(), NOW);
        LaneStatus fresh = new LaneStatus(false, Optional.empty(), List.of(), Map.of(), NOW);

        assertThat(report(begun, slot(SlotStatus.State.MISSING)).needsPerson()).isTrue();
        assertThat(report(fresh, slot(SlotStatus.State.LOST)).needsPerson()).isTrue();
        assertThat(report(fresh, slot(SlotStatus.State.MISSING)).needsPerson()).isFalse();
        assertThat(report(fresh, slot(SlotStatus.State.MISSING)).table())
                .contains("slot sluice_shop_main is not made yet: capture has never run")
                .contains("applied     nothing yet; no apply is at work, start `sluice apply`")
                .contains("state       nothing was ever applied");
    }

    @Test
    void aSourceThatDoesNotAnswerIsSaid() {
        LaneStatus begun = new LaneStatus(true, Optional.of(APPLIED), List.of(), Map.of(), NOW);
        StatusReport report =
                new StatusReport("shop", List.of(new LaneReport(MAIN, begun, Standing.NOTHING, Optional.empty(), "db1:5432/shop: refused")));

        assertThat(report.needsPerson()).isFalse();
        assertThat(report.table()).contains("source      does not answer, so its lag is not known: db1:5432/shop: refused");
        assertThat(report.json()).contains("\"answers\" : false").doesNotContain("bytesBehind");
    }

    @Test
    void asJsonEverythingHasAFieldOfItsOwn() {
        String json = report(
                        new LaneStatus(
                                true, Optional.of(APPLIED), List.of(), byTable(Rereads.running(ORDERS, 600, 1_200)), NOW),
                        STREAMING)
                .json();

        assertThat(json)
                .contains("\"needsPerson\" : false", "\"lane\" : \"main\"", "\"applyIsAtWork\" : true", "\"state\" : \"ACTIVE\"")
                .contains("\"slotLagBytes\" : 2048", "\"seq\" : 2313", "\"position\" : \"0/1000\"")
                .contains("\"secondsSinceCommit\" : 0.3")
                .contains("\"bytesBehind\" : 4096", "\"rows\" : 600", "\"rowsPerSecond\" : 10", "\"finishedAt\" : null")
                .contains("\"why\" : \"backfill is under way\"");
    }

    private static StatusReport report(LaneStatus target, Standing letters) {
        return new StatusReport("shop", List.of(new LaneReport(MAIN, target, letters, Optional.of(STREAMING), "")));
    }

    private static StatusReport report(LaneStatus target, SlotStatus slot) {
        return new StatusReport("shop", List.of(new LaneReport(MAIN, target, Standing.NOTHING, Optional.of(slot), "")));
    }

    private static SlotStatus slot(SlotStatus.State state) {
        return new SlotStatus(Lsn.parse("0/2000"), state, Lsn.parse("0/1800"), Lsn.ZERO);
    }

    private static Map<TableId, Table> done(TableId... tables) {
        return byTable(Arrays.stream(tables).map(table -> Rereads.done(table, 5, "")).toArray(Table[]::new));
    }

    private static Map<TableId, Table> byTable(Table... tables) {
        return Arrays.stream(tables).collect(Collectors.toMap(Table::source, Function.identity()));
    }
}
