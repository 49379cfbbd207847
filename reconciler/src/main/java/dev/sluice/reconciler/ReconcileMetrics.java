package dev.sluice.reconciler;

import com.sun.net.httpserver.HttpServer;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.Tags;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReference;

/**
 * What the reconciler knows, as Prometheus reads it from {@code /metrics}. No keys and no values of rows.
 *
 * <p>Threads: any.
 */
final class ReconcileMetrics implements AutoCloseable {
    /** What a gauge is called, and what it is. */
    private enum Figure {
        COLUMNS_NOT_COMPARED("cdc.columns.not.compared", "columns that are not compared"),
        DIVERGENCE_ROWS("cdc.divergence.rows", "rows that the last pass has confirmed to differ"),
        OPEN_DIVERGENCES("cdc.divergence.open.rows", "rows that differed when they were last compared, by a pass or since"),
        IN_FLIGHT_ROWS("cdc.reconcile.in.flight.rows", "rows that the last pass could not compare"),
        IS_UNKNOWN("cdc.reconcile.unknown", "1 if the last pass could not tell anything, else 0"),
        VERIFIED_THROUGH("cdc.reconcile.verified.through.timestamp.seconds", "as of when the table was last in sync as a whole"),
        LAST_PASS("cdc.reconcile.last.success.timestamp.seconds", "when the last pass has ended that could tell something"),
        BROKEN_REFERENCES("cdc.references.broken.rows", "rows of the target without the row that they refer to"),
        TOUCHED_PENDING("cdc.reconcile.touched.pending.rows", "rows that have changed and have not been compared since");

        private final String id;
        private final String description;

        Figure(String id, String description) {
            this.id = id;
            this.description = description;
        }
    }

    private static final String TEXT = "text/plain; version=0.0.4; charset=utf-8";

    private final PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    private final Map<String, AtomicReference<Double>> figures = new ConcurrentHashMap<>();
    private final HttpServer server;

    /**
     * Serves at once.
     *
     * @param port 0 for none
     * @throws Failure.Fatal if the port is taken
     */
    ReconcileMetrics(int port) {
        try {
            server = HttpServer.create(new InetSocketAddress(port), 0);
        } catch (IOException e) {
            throw new Failure.Fatal(
                    Stop.SETUP, "verify.metricsPort %d cannot be listened to: %s".formatted(port, e.getMessage()), "choose a free one", e);
        }
        server.createContext("/metrics", exchange -> {
            byte[] page = registry.scrape().getBytes(StandardCharsets.UTF_8);
            exchange.getResponseHeaders().add("Content-Type", TEXT);
            exchange.sendResponseHeaders(200, page.length);
            exchange.getResponseBody().write(page);
            exchange.close();
        });
        if (port > 0) {
            server.start();
        }
    }

    void verified(String lane, TableVerification found) {
        TableId table = found.source();
        set(Figure.IS_UNKNOWN, lane, table, found.isUnknown() || found.isBlind() ? 1 : 0);
        if (found.isUnknown()) {
            return;
        }
        set(Figure.COLUMNS_NOT_COMPARED, lane, table, found.notCompared().size());
        set(Figure.DIVERGENCE_ROWS, lane, table, found.confirmed());
        set(Figure.IN_FLIGHT_ROWS, lane, table, found.inFlight());
        set(Figure.LAST_PASS, lane, table, System.currentTimeMillis() / 1_000.0);
        if (found.isInSync()) {
            set(Figure.VERIFIED_THROUGH, lane, table, found.at().toEpochMilli() / 1_000.0);
        }
    }

    void open(String lane, TableId table, long rows) {
        set(Figure.OPEN_DIVERGENCES, lane, table, rows);
    }

    void broken(String lane, TableId table, long rows) {
        set(Figure.BROKEN_REFERENCES, lane, table, rows);
    }

    void pending(String lane, TableId table, long rows) {
        set(Figure.TOUCHED_PENDING, lane, table, rows);
    }

    private void set(Figure figure, String lane, TableId table, double value) {
        figures.computeIfAbsent(figure.id + " " + lane + " " + table, name -> {
                    AtomicReference<Double> now = new AtomicReference<>(value);
                    Gauge.builder(figure.id, now, AtomicReference::get)
                            .description(figure.description)
                            .tags(Tags.of("lane", lane, "table", table.toString()))
                            .register(registry);
                    return now;
                })
                .set(value);
    }

    @Override
    public void close() {
        server.stop(0);
        registry.close();
    }
}
