package dev.sluice.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class LaneTablesTest {
    private static final TableId CUSTOMERS = TableId.parse("customers");
    private static final TableId ORDERS = TableId.parse("orders");
    private static final TableId ODD = TableId.parse("\"odd.one\".t");

    private final LaneConfig main = lane("main", TableMapping.identity(CUSTOMERS, "main"), mapped(ORDERS, "sales.orders"));
    private final LaneConfig other = lane("other", TableMapping.identity(ODD, "other"));
    private final PipelineConfig pipeline =
            new PipelineConfig("shop", null, null, null, List.of(main, other), null, null);

    @Test
    void withoutNamesAllTablesAreMeantEachInItsLane() {
        assertThat(LaneTables.select(pipeline, List.of()))
                .containsExactly(Map.entry(main, List.of(CUSTOMERS, ORDERS)), Map.entry(other, List.of(ODD)));
    }

    @Test
    void namesAreThoseOfTheSourceAndPublicMayBeLeftOut() {
        assertThat(LaneTables.select(pipeline, List.of("orders", "public.orders")))
                .containsExactly(Map.entry(main, List.of(ORDERS)));
        assertThat(LaneTables.select(pipeline, List.of("\"odd.one\".t", "customers")))
                .containsExactly(Map.entry(main, List.of(CUSTOMERS)), Map.entry(other, List.of(ODD)));
    }

    @Test
    void everyUnknownNameIsSaidWithTheNearestAndAllThatAreMapped() {
        Failure.Fatal refused = catchThrowableOfType(
                Failure.Fatal.class,
                () -> LaneTables.select(pipeline, List.of("ordrs", "customers", "sales.orders", "a.b.c")));

        assertThat(refused.stop()).isEqualTo(Stop.USAGE);
        assertThat(refused.getMessage().lines())
                .containsExactly(
                        "--table ordrs: no source table of the pipeline, did you mean public.orders?",
                        "--table sales.orders: no source table of the pipeline, it is the target of public.orders",
                        "--table a.b.c: no source table of the pipeline");
        assertThat(refused.remedy())
                .isEqualTo("name mapped tables: \"odd.one\".t, public.customers, public.orders");
    }

    private static LaneConfig lane(String name, TableMapping... tables) {
        return new LaneConfig(name, "slot_" + name, "publication", true, List.of(tables));
    }

    private static TableMapping mapped(TableId source, String target) {
        return new TableMapping(source, TableId.parse(target), "main", Map.of(), Set.of(), Map.of());
    }
}
