package dev.sluice.capture;

import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Databases;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.config.TextForm;
import dev.sluice.schemas.ControlRecord;
import dev.sluice.schemas.TableId;
import io.debezium.embedded.Connect;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.RecordChangeEvent;
import io.debezium.engine.format.ChangeEventFormat;
import java.io.IOException;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.Collectors;
import org.apache.kafka.connect.source.SourceRecord;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One run of the Debezium engine: from the slot's position until it is closed or fails.
 *
 * <p>It never restarts by itself and has no stored offsets, so Debezium's search for a WAL position, a known source of
 * lost rows, is never entered; the slot alone says where the stream begins.
 *
 * <p>Threads: {@link #run} blocks the thread that calls it; the batches come on the engine's own; {@link #close} may be
 * called from any, also while the engine is still starting.
 */
final class DebeziumStream {
    private static final Logger log = LoggerFactory.getLogger(DebeziumStream.class);

    /** A record is never shorter than its message by more: each column takes more bytes there, but for nulls of the old row. */
    private static final int MESSAGE_OVERHEAD_BYTES = 4096;

    private final DebeziumEngine<RecordChangeEvent<SourceRecord>> engine;
    private final CountDownLatch started = new CountDownLatch(1);
    private final CountDownLatch ended = new CountDownLatch(1);
    private final ReentrantLock taking = new ReentrantLock();
    private volatile Throwable failure;
    private volatile boolean closing;
    private Thread runner;

    /** Takes the stream's records in order. */
    interface Batches {
        /** @param acknowledge lets the slot move to the position of the record given to it */
        void take(List<RecordChangeEvent<SourceRecord>> records, Acknowledge acknowledge) throws InterruptedException;
    }

    /** Lets the slot's confirmed position move. */
    interface Acknowledge {
        void upTo(RecordChangeEvent<SourceRecord> record) throws InterruptedException;
    }

    DebeziumStream(PipelineConfig config, LaneConfig lane, Batches batches) {
        engine = DebeziumEngine.create(ChangeEventFormat.of(Connect.class))
                .using(settings(config, lane))
                .using(new DebeziumEngine.ConnectorCallback() {
                    @Override
                    public void pollingStarted() { // at taskStarted the engine still refuses to be closed
                        started.countDown();
                    }
                })
                .using((success, message, error) -> {
                    if (!success) {
                        failure = error != null ? error : new IllegalStateException(message);
                    }
                })
                .notifying((records, committer) -> {
                    taking.lock();
                    try {
                        if (!closing) {
                            batches.take(records, committer::markProcessed);
                        }
                    } finally {
                        taking.unlock();
                    }
                    committer.markBatchFinished();
                })
                .build();
    }

    /** The prefix of the names that Debezium gives to its own topics and schemas. */
    static String prefix(LaneConfig lane) {
        return "sluice_" + lane.name();
    }

    /**
     * Streams until {@link #close}, or until the engine fails.
     *
     * @return null after a close, else why it ended
     */
    Throwable run() {
        setRunner(Thread.currentThread());
        try {
            engine.run();
        } catch (IllegalStateException e) {
            // an engine that fails while it is being closed throws that it is already stopping
            failure = failure != null ? failure : e;
        } finally {
            started.countDown();
            ended.countDown();
            setRunner(null);
        }
        return closing ? null : failure != null ? failure : new IllegalStateException("the engine ended by itself");
    }

    /** Ends the stream; batches that have not been taken yet are dropped, the slot still has them. */
    void close() {
        closing = true;
        taking.lock(); // closing interrupts the engine's thread, which must not be in the middle of a batch
        taking.unlock();
        try {
            // closing an engine that is starting throws and leaks its connections (AsyncEmbeddedEngine.close)
            if (!started.await(30, TimeUnit.SECONDS)) {
                log.warn("the engine has not started within 30 s, closing it all the same");
            }
            engine.close();
            wakeRunner();
        } catch (IllegalStateException e) {
            log.debug("the engine was already stopping", e);
        } catch (IOException e) {
            log.warn("closing the engine: {}", e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private synchronized void setRunner(Thread thread) {
        runner = thread;
        Thread.interrupted(); // the one of wakeRunner, if it came too late to be needed
    }

    /**
     * Of an engine that is closed before its poll task has begun, the task is dropped and waited for without end
     * ({@code AsyncEmbeddedEngine.runTasksPolling}); an interrupt ends the wait, and then the engine.
     */
    private void wakeRunner() throws InterruptedException {
        if (!ended.await(500, TimeUnit.MILLISECONDS)) {
            synchronized (this) {
                if (runner != null) {
                    runner.interrupt();
                }
            }
        }
    }

    private static Properties settings(PipelineConfig config, LaneConfig lane) {
        DatabaseConfig source = config.source();
        Properties settings = new Properties();
        settings.setProperty("name", prefix(lane));
        settings.setProperty("connector.class", TextConnector.class.getName());
        settings.setProperty("topic.prefix", prefix(lane));
        settings.setProperty("offset.storage", "org.apache.kafka.connect.storage.MemoryOffsetBackingStore");
        settings.setProperty("offset.flush.interval.ms", "0");
        settings.setProperty("record.processing.threads", "1");
        settings.setProperty("task.management.timeout.ms", "8000");
        settings.setProperty("debezium.embedded.shutdown.pause.before.interrupt.ms", "4000");
        settings.setProperty("errors.max.retries", "0");

        Databases.properties(source, "sluice-capture").forEach((name, value) -> settings.put("database." + name, value));
        settings.setProperty("database.hostname", source.host());
        settings.setProperty("database.port", Integer.toString(source.port()));
        settings.setProperty("database.dbname", source.database());
        settings.setProperty("database.password", source.password().value());
        settings.setProperty("database.connection.factory.class", MendedConnections.class.getName());
        settings.setProperty(
                "database." + MendedConnections.LARGEST_MESSAGE,
                Integer.toString(config.kafka().maxRecordBytes() + MESSAGE_OVERHEAD_BYTES));
        // the text of every value depends on these, so they do not come from the server's or the role's settings; and the
        // server lets go of the slot of a capture that is silent, which otherwise takes a minute
        settings.setProperty(
                "database.options",
                TextForm.options()
                        // names in regclass and its kin: with their schema, unless that is pg_catalog
                        + " -c search_path=pg_catalog -c quote_all_identifiers=off"
                        + " -c wal_sender_timeout=15s");

        settings.setProperty("plugin.name", "pgoutput");
        settings.setProperty("slot.name", lane.slot());
        settings.setProperty("slot.max.retries", "0");
        settings.setProperty("publication.name", lane.publication());
        settings.setProperty("publication.autocreate.mode", "disabled");
        settings.setProperty("snapshot.mode", "no_data");
        settings.setProperty(
                "table.include.list",
                lane.tables().stream().map(TableMapping::source).map(DebeziumStream::pattern).collect(Collectors.joining(",")));
        settings.setProperty("message.prefix.include.list", ControlRecord.MARKER_PREFIX);
        settings.setProperty("converters", "text");
        settings.setProperty("text.type", TextConverter.class.getName());
        settings.setProperty("include.unknown.datatypes", "true");
        settings.setProperty("provide.transaction.metadata", "true");
        settings.setProperty("tombstones.on.delete", "false");
        settings.setProperty("skipped.operations", "none");
        settings.setProperty("event.processing.failure.handling.mode", "fail");

        settings.setProperty("poll.interval.ms", Long.toString(config.capture().pollInterval().toMillis()));
        settings.setProperty("max.batch.size", "1024");
        settings.setProperty("max.queue.size", "2048");
        settings.setProperty("max.queue.size.in.bytes", Long.toString(Runtime.getRuntime().maxMemory() / 16));
        return settings;
    }

    /** Debezium matches a list of regular expressions, without regard to case, against schema.table. */
    private static String pattern(TableId table) {
        StringBuilder pattern = new StringBuilder();
        (table.schema() + "." + table.table()).codePoints().forEach(c -> {
            if (!Character.isLetterOrDigit(c) && c != '_') {
                pattern.append('\\');
            }
            pattern.appendCodePoint(c);
        });
        return pattern.toString();
    }
}
