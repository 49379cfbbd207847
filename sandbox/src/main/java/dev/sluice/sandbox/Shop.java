package dev.sluice.sandbox;

import dev.sluice.config.ApplyConfig;
import dev.sluice.config.CaptureConfig;
import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.KafkaConfig;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.TableId;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * The sample monolith: a shop of six tables, described in {@code shop.sql}, between them an enum, jsonb, an array, a
 * generated column, a composite key, a partitioned table and texts in TOAST, all tied by foreign keys.
 */
public final class Shop {
    static final String LANE = "main";

    static final TableId CUSTOMERS = TableId.parse("customers");
    static final TableId ADDRESSES = TableId.parse("addresses");
    static final TableId PRODUCTS = TableId.parse("products");
    static final TableId ORDERS = TableId.parse("orders");
    static final TableId ORDER_ITEMS = TableId.parse("order_items");
    static final TableId PAYMENTS = TableId.parse("payments");

    private Shop() {}

    /** Parents before children. */
    public static List<TableId> tables() {
        return List.of(CUSTOMERS, ADDRESSES, PRODUCTS, ORDERS, ORDER_ITEMS, PAYMENTS);
    }

    /** Makes the tables, empty, unless they are there. The same at the source and in the target. */
    public static void create(DatabaseConfig database) {
        SqlScript.runUnlessThere(database, "shop.sql", "public.payments");
    }

    /** The pipeline {@code shop}: one lane with all tables as they are. */
    public static PipelineConfig config(DatabaseConfig source, DatabaseConfig target, String bootstrapServers) {
        return config(source, target, bootstrapServers, tables().stream());
    }

    static PipelineConfig config(
            DatabaseConfig source, DatabaseConfig target, String bootstrapServers, Stream<TableId> tables) {
        String name = "shop";
        String slot = "sluice_" + name + "_" + LANE;
        List<TableMapping> mappings = tables.map(table -> TableMapping.identity(table, LANE)).toList();
        return new PipelineConfig(
                name,
                source,
                target,
                new KafkaConfig(bootstrapServers, name, 1, -1, Duration.ofDays(7), 16 << 20, Map.of()),
                List.of(new LaneConfig(LANE, slot, slot, true, mappings)),
                new CaptureConfig(Duration.ofMillis(250), Duration.ofSeconds(1), Duration.ofMillis(10)),
                new ApplyConfig(2_000, 8 << 20, Duration.ofMillis(2), Duration.ofMinutes(5), 100));
    }
}
