package dev.sluice.capture;

import io.debezium.config.Configuration;
import io.debezium.connector.postgresql.PostgresConnector;
import io.debezium.connector.postgresql.PostgresConnectorConfig;
import io.debezium.connector.postgresql.PostgresConnectorTask;
import io.debezium.connector.postgresql.PostgresOffsetContext;
import io.debezium.connector.postgresql.PostgresPartition;
import io.debezium.connector.postgresql.PostgresSchema;
import io.debezium.connector.postgresql.PostgresType;
import io.debezium.connector.postgresql.TypeRegistry;
import io.debezium.connector.postgresql.connection.PostgresConnection;
import io.debezium.connector.postgresql.connection.ReplicationConnection;
import io.debezium.pipeline.ChangeEventSourceCoordinator;
import java.sql.Types;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.connect.connector.Task;

/**
 * Debezium's PostgreSQL connector, reading every column as the text that the server printed.
 *
 * <p>The stream's decoder asks a type registry how to read each column. With one that answers "text" for every type
 * the value stays what pgoutput sent: no clamped date, no rounded interval, no unsupported array, and no parsing on
 * the way. The connector's other work (relations, keys, transactions, TOAST, restart) is untouched.
 *
 * <p>Source: Debezium 3.6.3, {@code PostgresConnectorTask.buildReplicationConnection} is the hook, and
 * {@code ReplicationMessageColumnValueResolver.resolveValue} the place where types would otherwise be read.
 */
public final class TextConnector extends PostgresConnector {

    @Override
    public Class<? extends Task> taskClass() {
        return TextTask.class;
    }

    /** The task that reads as text. */
    public static final class TextTask extends PostgresConnectorTask {
        /** Well below the {@code wal_sender_timeout} of {@link DebeziumStream}'s settings, 15 s. */
        private static final Duration STATUS_INTERVAL = Duration.ofSeconds(5);

        private final CompletableFuture<ChangeEventSourceCoordinator<?, ?>> started = new CompletableFuture<>();

        @Override
        public ChangeEventSourceCoordinator<PostgresPartition, PostgresOffsetContext> start(Configuration config) {
            try {
                ChangeEventSourceCoordinator<PostgresPartition, PostgresOffsetContext> coordinator = super.start(config);
                started.complete(coordinator);
                return coordinator;
            } catch (RuntimeException e) {
                started.completeExceptionally(e);
                throw e;
            }
        }

        @Override
        protected ReplicationConnection buildReplicationConnection(
                PostgresConnection metadata, PostgresSchema schema, PostgresConnectorConfig config) {
            ReplicationConnection text = ReplicationConnection.builder(config)
                    .withSlot(config.slotName())
                    .withPublication(config.publicationName())
                    .withTableFilter(config.getTableFilters())
                    .withPublicationAutocreateMode(PostgresConnectorConfig.AutoCreateMode.DISABLED)
                    .withPlugin(config.plugin())
                    .dropSlotOnClose(false)
                    .createFailOverSlot(false)
                    .statusUpdateInterval(STATUS_INTERVAL)
                    .withTypeRegistry(new TextTypes(metadata))
                    .withSchema(schema)
                    .jdbcMetadataConnection(metadata)
                    .build();
            return new QuietConnection(text, () -> EventMetrics.switchOff(started.join()));
        }
    }

    /**
     * Names every type "text", which decides how a value is read, and leaves each its oid, which the columns carry on
     * to {@link TextConverter}.
     */
    private static final class TextTypes extends TypeRegistry {
        private static final int TEXT_OID = 25;
        /** Static: the superclass asks from its constructor. */
        private static final Map<Integer, PostgresType> BY_OID = new ConcurrentHashMap<>();

        TextTypes(PostgresConnection connection) {
            super(connection);
        }

        @Override
        public PostgresType get(int oid) {
            return BY_OID.computeIfAbsent(
                    oid,
                    o -> new PostgresType.Builder(null, "text", o, Types.VARCHAR, NO_TYPE_MODIFIER, null).build());
        }

        @Override
        public PostgresType get(String name) {
            return get(TEXT_OID);
        }

        @Override
        public PostgresType get(String schema, String name) {
            return get(TEXT_OID);
        }
    }
}
