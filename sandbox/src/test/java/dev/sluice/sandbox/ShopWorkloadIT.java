package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.reconciler.ComparisonReport;
import dev.sluice.reconciler.RowComparison;
import dev.sluice.schemas.TableId;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class ShopWorkloadIT {
    private static final long SEED = 7;

    private PostgresServer server;

    @BeforeEach
    void startServer() {
        server = Servers.postgres();
    }

    @AfterEach
    void stopServer() {
        server.close();
    }

    @Test
    void theSameSeedMakesTheSameShop() throws InterruptedException {
        Map<TableId, Long> once = work(shop("one"), 1, 400);
        Map<TableId, Long> again = work(shop("two"), 1, 400);

        assertThat(again).isEqualTo(once).containsOnlyKeys(Shop.tables());
        // what the server makes itself, moments, differs; orders with all their lines and payments do not
        PipelineConfig config = Shop.config(
                server.config("source", "one"),
                server.config("target", "two"),
                "127.0.0.1:1",
                Stream.of(Shop.PRODUCTS, Shop.ORDER_ITEMS, Shop.PAYMENTS));
        ComparisonReport report = new RowComparison(config).run();
        assertThat(report.isEqual()).as(report.lines().toString()).isTrue();
    }

    @Test
    void theShopGoesOnWithWhatIsThereAndSurvivesACrashOfItsServer() throws InterruptedException {
        DatabaseConfig shop = shop("one");
        work(shop, 4, 200);
        ShopWorkload workload = ShopWorkload.start(shop, new ShopWorkload.Plan(SEED + 1, 4, 0, 0));
        awaitTransactions(workload, 500);

        server.stopImmediately();
        server.start();

        long before = workload.counts().transactions();
        awaitTransactions(workload, before + 500);
        workload.stop();
        assertThat(workload.counts().retries()).isPositive();
    }

    private static void awaitTransactions(ShopWorkload workload, long count) throws InterruptedException {
        while (workload.isRunning() && workload.counts().transactions() < count) {
            Thread.sleep(20);
        }
    }

    private DatabaseConfig shop(String database) {
        server.createDatabase(database);
        DatabaseConfig shop = server.config("source", database);
        Shop.create(shop);
        return shop;
    }

    private static Map<TableId, Long> work(DatabaseConfig shop, int connections, int transactions) throws InterruptedException {
        ShopWorkload workload = ShopWorkload.start(shop, new ShopWorkload.Plan(SEED, connections, 0, transactions));
        workload.await();
        return workload.counts().rowsByTable();
    }
}
