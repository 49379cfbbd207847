package dev.sluice.capture;

import io.debezium.connector.postgresql.UnchangedToastedReplicationMessageColumn;
import io.debezium.spi.converter.CustomConverter;
import io.debezium.spi.converter.RelationalColumn;
import java.util.Properties;
import org.apache.kafka.connect.data.SchemaBuilder;

/**
 * Hands every column on as an optional string, or as {@link #UNCHANGED}.
 *
 * <p>Optional, because Debezium asks the database today whether a column is NOT NULL, while the event may be older and
 * hold a null: its own converters would then write an empty string.
 *
 * <p>Source: Debezium 3.6.3, {@code TableSchemaBuilder.addField} and {@code JdbcValueConverters.convertValue}.
 */
public final class TextConverter implements CustomConverter<SchemaBuilder, RelationalColumn> {

    /**
     * Stands for a TOASTed value that the change did not touch and the server did not send. Compared by identity, so a
     * row may hold the same characters.
     */
    @SuppressWarnings("StringOperationCanBeSimplified")
    static final String UNCHANGED = new String("unchanged");

    /** Parameter of each column's schema: the oid of its type in {@code pg_type}. */
    static final String TYPE_OID = "sluice.oid";

    @Override
    public void configure(Properties properties) {
        // has no settings
    }

    @Override
    public void converterFor(RelationalColumn column, ConverterRegistration<SchemaBuilder> registration) {
        Object declaredDefault = column.defaultValue();
        registration.register(
                SchemaBuilder.string().optional().parameter(TYPE_OID, Integer.toString(column.nativeType())),
                value -> text(value, declaredDefault));
    }

    /** Before the stream starts Debezium reads the tables once with their real types, and offers their defaults. */
    private static Object text(Object value, Object declaredDefault) {
        if (value == null || value instanceof String) {
            return value;
        }
        if (UnchangedToastedReplicationMessageColumn.isUnchangedToastedValue(value)) {
            return UNCHANGED;
        }
        if (value == declaredDefault) {
            return String.valueOf(value);
        }
        throw new IllegalStateException("a column arrived as " + value.getClass().getName() + " and not as text");
    }
}
