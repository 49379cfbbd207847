package dev.sluice.schemas;

/**
 * What a dead letter's record carries beside the headers of the record it was, which it keeps. Values are UTF-8 text, numbers as
 * digits, times in ISO 8601 UTC; no values of rows but the key.
 *
 * <p>The names of Kafka Connect come first, so that tools for its dead letters read these too (Kafka 4.3,
 * {@code org.apache.kafka.connect.runtime.errors.DeadLetterQueueReporter}).
 */
public final class DeadLetterHeaders {
    public static final String TOPIC = "__connect.errors.topic";
    public static final String PARTITION = "__connect.errors.partition";
    public static final String OFFSET = "__connect.errors.offset";
    /** Pipeline and lane. */
    public static final String CONNECTOR_NAME = "__connect.errors.connector.name";
    public static final String TASK_ID = "__connect.errors.task.id";
    /** {@code TASK_PUT}, or {@code VALUE_CONVERTER} for what is no event. */
    public static final String STAGE = "__connect.errors.stage";
    public static final String CLASS_NAME = "__connect.errors.class.name";
    public static final String EXCEPTION_CLASS_NAME = "__connect.errors.exception.class.name";
    public static final String EXCEPTION_MESSAGE = "__connect.errors.exception.message";

    /** PostgreSQL's name of the condition, {@code unreadable}, or {@code behind}. */
    public static final String ERROR_CLASS = "sluice.error.class";
    public static final String SQLSTATE = "sluice.error.sqlstate";
    public static final String CONSTRAINT = "sluice.error.constraint";
    /** The source table. */
    public static final String TABLE = "sluice.table";
    /** The kind of change: {@code upsert}, {@code patch}, {@code delete}, {@code move}, {@code truncate}, {@code row}. */
    public static final String KIND = "sluice.kind";
    public static final String ATTEMPTS = "sluice.attempts";
    public static final String FIRST_FAILED = "sluice.first.failed";
    public static final String LAST_FAILED = "sluice.last.failed";

    private DeadLetterHeaders() {}
}
