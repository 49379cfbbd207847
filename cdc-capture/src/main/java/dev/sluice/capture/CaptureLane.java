package dev.sluice.capture;

import dev.sluice.capture.LaneSequencer.Boundary;
import dev.sluice.capture.ReplicationSlot.Cluster;
import dev.sluice.catalog.Catalog;
import dev.sluice.catalog.TableShape;
import dev.sluice.config.Databases;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.preflight.KafkaPreflight;
import dev.sluice.preflight.Preflight;
import dev.sluice.preflight.SourcePreflight;
import dev.sluice.process.Failpoints;
import dev.sluice.process.Finding;
import dev.sluice.process.Outage;
import dev.sluice.process.StopSignal;
import dev.sluice.schemas.Checkpoint;
import dev.sluice.schemas.ControlRecord;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import io.debezium.engine.RecordChangeEvent;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.kafka.connect.source.SourceRecord;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Moves one lane from the source's WAL to the change topics: stream, stamp, publish, checkpoint.
 *
 * <p>Every run enters through the same door: take the lane, fence older captures, read the
 * checkpoint, advance the slot to it, stream. Any failure ends the run; a passing one is followed by the next run.
 *
 * <p>Delivery: a record may be published again after a crash, always with the same number. The slot moves only behind a
 * checkpoint, and a checkpoint is written only behind the brokers' acknowledgements.
 *
 * <p>Threads: {@link #run} owns the lane; records are taken on the engine's thread, which is the only other one to
 * touch the run's state.
 */
final class CaptureLane {
    private static final Logger log = LoggerFactory.getLogger(CaptureLane.class);

    private final PipelineConfig config;
    private final LaneConfig lane;
    private final StopSignal stop;
    private final ReplicationSlot slot;
    private final Publication publication;
    private final List<TableId> tables;
    /** As the source had it when the run began. */
    private Set<TableId> keyless = Set.of();
    private final Partitions partitions;
    private final Outage outage;
    private final Set<Finding> warned = new HashSet<>();
    /** What streams now; null between two runs. */
    private volatile DebeziumStream current;

    CaptureLane(PipelineConfig config, LaneConfig lane, StopSignal stop) {
        this.config = config;
        this.lane = lane;
        this.stop = stop;
        this.outage = new Outage(log, lane.name(), "streaming");
        this.slot = new ReplicationSlot(config.source(), lane);
        this.publication = new Publication(lane);
        this.tables = lane.tables().stream().map(TableMapping::source).sorted().toList();
        this.partitions = new Partitions(tables);
    }

    /** Returns when a stop was requested. */
    void run() throws InterruptedException {
        stop.then(() -> closeInBackground(current));
        while (!stop.isRequested()) {
            try {
                Optional<SourceLock> taken = SourceLock.take(config, lane, slot, stop);
                if (taken.isPresent()) {
                    try (SourceLock lock = taken.get()) {
                        runOnce(lock);
                    }
                }
            } catch (Checkpoints.Fenced e) {
                log.warn("lane {}: {}; standing by", lane.name(), e.getMessage());
            } catch (Failure.Retryable e) {
                stop.await(outage.met(e.getMessage()).toMillis());
            }
        }
        log.info("lane {}: stopped", lane.name());
    }

    /** Closing waits for the batch in hand, and the caller may be the one who takes it. */
    private static void closeInBackground(DebeziumStream stream) {
        if (stream != null) {
            Thread closer = new Thread(stream::close, "capture-close");
            closer.setDaemon(true);
            closer.start();
        }
    }

    private void runOnce(SourceLock lock) throws InterruptedException {
        try (Topics topics = new Topics(config)) {
            topics.createCheckpointTopic();
            topics.createDeadLetterTopics(tables.stream().map(config.topics()::deadLetter).toList());
            try (Checkpoints checkpoints = Checkpoints.open(config, lane.name());
                    ChangePublisher publisher = new ChangePublisher(config.kafka(), lane.name())) {
                Checkpoint checkpoint = open(topics, checkpoints, publisher);
                Run run = new Run(checkpoint, checkpoints, publisher);
                run.stream(topics, lock);
            }
        }
    }

    /** Everything before the first event; gives the checkpoint that the stream goes on from. */
    private Checkpoint open(Topics topics, Checkpoints checkpoints, ChangePublisher publisher)
            throws InterruptedException {
        try (Connection source = Databases.connect(config.source(), "sluice-capture start")) {
            Cluster cluster = ReplicationSlot.cluster(source);
            Optional<Checkpoint> known = checkpoints.load();
            if (known.isPresent()) {
                slot.requireSameCluster(known.get(), cluster);
                if (!isFirstStart(known.get())) {
                    publication.requireSame(source, known.get());
                    slot.require(source);
                    topics.requireSame(known.get().topicIds());
                }
            }
            Preflight.require(SourcePreflight.tableFindings(source, lane), warned);
            publication.createOrExtend(source, known.map(Checkpoint::tables).orElse(List.of()));
            Preflight.require(SourcePreflight.findings(source, config, lane), warned);
            keyless = Catalog.read(source, tables).values().stream()
                    .filter(table -> table.keyColumns().isEmpty())
                    .map(TableShape::id)
                    .collect(Collectors.toSet());
            Checkpoint checkpoint = known.isEmpty() || isFirstStart(known.get())
                    ? firstStart(source, cluster, known, checkpoints)
                    : known.get();
            partitions.look(source);
            slot.advance(source, checkpoint.position());
            if (checkpoint.state() == Checkpoint.State.STARTING || !checkpoint.tables().equals(tables)) {
                checkpoint = startEpoch(checkpoint, publication.ids(source), topics, checkpoints, publisher);
            }
            return checkpoint;
        } catch (SQLException e) {
            throw SourceFailures.translate(config.source(), "preparing the stream", e);
        }
    }

    static boolean isFirstStart(Checkpoint checkpoint) {
        return checkpoint.position().equals(Lsn.ZERO);
    }

    /**
     * Makes the slot. The note that we are about to is saved first: a slot found later without it is not ours, or has a
     * past that we have lost.
     */
    private Checkpoint firstStart(
            Connection source, Cluster cluster, Optional<Checkpoint> begun, Checkpoints checkpoints) throws SQLException {
        if (begun.isEmpty()) {
            slot.requireUnused(slot.read(source), config.topics().checkpoint());
            checkpoints.save(new Checkpoint(
                    Checkpoint.State.STARTING,
                    Instant.now().getEpochSecond(),
                    0,
                    Lsn.ZERO,
                    cluster.systemIdentifier(),
                    cluster.timeline(),
                    List.of(),
                    Map.of(),
                    Map.of()));
        }
        Optional<ReplicationSlot.State> existing = slot.read(source);
        Lsn start = existing.isPresent() ? slot.require(source).confirmed() : slot.create(source);
        log.info("lane {}: replication slot '{}' made, the lane begins at {}", lane.name(), lane.slot(), start);
        return new Checkpoint(
                Checkpoint.State.STARTING,
                begun.map(Checkpoint::epoch).orElseGet(() -> Instant.now().getEpochSecond()),
                0,
                start,
                cluster.systemIdentifier(),
                cluster.timeline(),
                List.of(),
                Map.of(),
                Map.of());
    }

    /**
     * Another set of tables is another numbering. The new epoch is noted before its first record goes out, so no two
     * epochs, whatever is killed when, carry the same number.
     */
    private Checkpoint startEpoch(
            Checkpoint last,
            Map<String, String> publicationIds,
            Topics topics,
            Checkpoints checkpoints,
            ChangePublisher publisher)
            throws InterruptedException {
        topics.createControlTopic();
        Set<String> names = new TreeSet<>();
        names.add(config.topics().control());
        List<String> missing = new ArrayList<>();
        for (TableId table : tables) {
            String topic = config.topics().change(table);
            if (!last.topicIds().containsKey(topic)) {
                missing.add(topic);
            }
            names.add(topic);
        }
        topics.createChangeTopics(missing);
        Map<String, String> topicIds = topics.awaitIds(names);
        Preflight.require(KafkaPreflight.findings(topics.admin(), config), warned);
        Checkpoint starting = new Checkpoint(
                Checkpoint.State.STARTING,
                last.epoch() + 1,
                last.seq(),
                last.position(),
                last.systemIdentifier(),
                last.timeline(),
                last.tables(),
                topicIds,
                publicationIds);
        checkpoints.save(starting);
        publisher.publish(LaneSequencer.epochStart(
                config.topics(),
                lane.name(),
                starting.seq() + 1,
                new ControlRecord.EpochStart(starting.epoch(), starting.position(), tables)));
        publisher.awaitAcknowledged();
        Checkpoint running = new Checkpoint(
                Checkpoint.State.RUNNING,
                starting.epoch(),
                starting.seq() + 1,
                starting.position(),
                starting.systemIdentifier(),
                starting.timeline(),
                tables,
                starting.topicIds(),
                starting.publicationIds());
        checkpoints.save(running);
        log.info(
                "lane {}: epoch {} begins with {} tables at {}",
                lane.name(), running.epoch(), tables.size(), running.position());
        return running;
    }

    /** One run of the engine. */
    private final class Run {
        private final Checkpoints checkpoints;
        private final ChangePublisher publisher;
        private final LaneSequencer sequencer;
        private final DebeziumStream stream;
        private final long checkpointNanos = config.capture().checkpointInterval().toNanos();

        private Checkpoint checkpoint;
        private Boundary complete;
        private RecordChangeEvent<SourceRecord> completeEvent;
        private long checkpointedAt = System.nanoTime();
        private boolean beganChecked;
        private volatile RuntimeException failure;

        Run(Checkpoint checkpoint, Checkpoints checkpoints, ChangePublisher publisher) {
            this.checkpoint = checkpoint;
            this.checkpoints = checkpoints;
            this.publisher = publisher;
            this.sequencer = new LaneSequencer(
                    config.topics(),
                    DebeziumStream.prefix(lane),
                    lane.name(),
                    checkpoint.epoch(),
                    checkpoint.seq(),
                    Set.copyOf(tables),
                    keyless,
                    publisher::publish);
            this.stream = new DebeziumStream(config, lane, this::take);
        }

        void stream(Topics topics, SourceLock lock) throws InterruptedException {
            log.info("lane {}: streaming from {}, after seq {}", lane.name(), checkpoint.position(), checkpoint.seq());
            Throwable ended;
            current = stream;
            if (stop.isRequested()) {
                return;
            }
            lock.requireHeld();
            lock.watch(new SourceWatch(config, slot, publication, topics, checkpoint, partitions, this::fail));
            try {
                ended = stream.run();
            } finally {
                current = null;
                lock.unwatch();
            }
            if (failure != null) {
                throw failure;
            }
            if (ended != null) {
                throw streamFailure(ended);
            }
            publisher.awaitAcknowledged();
            saveCheckpoint();
        }

        private Failure streamFailure(Throwable ended) {
            for (Throwable cause = ended; cause != null; cause = cause.getCause()) {
                if (cause instanceof Failure known) {
                    return known;
                }
                if (cause instanceof LargeMessage message) {
                    return large(message);
                }
            }
            for (Throwable cause = ended; cause != null; cause = cause.getCause()) {
                if (cause instanceof SQLException e) {
                    Optional<Failure.Fatal> unprintable = SourceFailures.unprintable(config.source(), e);
                    if (unprintable.isPresent()) {
                        return unprintable.get();
                    }
                    Failure sorted = SourceFailures.translate(config.source(), "streaming", e);
                    // a stream breaks in many ways; the next start tells a passing one from one that needs a person
                    return sorted instanceof Failure.Retryable
                            ? sorted
                            : new Failure.Retryable(sorted.getMessage(), ended);
                }
            }
            return new Failure.Retryable("the stream ended: " + place(ended), ended);
        }

        private Failure large(LargeMessage message) {
            try (Connection source = Databases.connect(config.source(), "sluice-capture start")) {
                return LargeChange.refused(message, source, config, lane);
            } catch (SQLException e) {
                return SourceFailures.translate(config.source(), "looking at a change that is too large", e);
            }
        }

        /** What went wrong where, without the message: Debezium's may quote a row. */
        private static String place(Throwable ended) {
            Throwable root = ended;
            while (root.getCause() != null) {
                root = root.getCause();
            }
            StackTraceElement[] trace = root.getStackTrace();
            return root.getClass().getName() + (trace.length == 0 ? "" : " in " + trace[0]);
        }

        private void fail(RuntimeException reason) {
            if (failure == null) {
                failure = reason;
                closeInBackground(stream);
            }
        }

        private void take(List<RecordChangeEvent<SourceRecord>> records, DebeziumStream.Acknowledge acknowledge)
                throws InterruptedException {
            if (failure != null) {
                return;
            }
            try {
                if (!beganChecked) {
                    requireStreamBeganAtCheckpoint();
                }
                for (RecordChangeEvent<SourceRecord> event : records) {
                    Boundary boundary = sequencer.stamp(event.record());
                    if (boundary != null) {
                        complete = boundary;
                        completeEvent = event;
                    }
                }
                publisher.send();
                if (complete != null && System.nanoTime() - checkpointedAt >= checkpointNanos) {
                    publisher.awaitAcknowledged();
                    saveCheckpoint();
                    acknowledge.upTo(completeEvent);
                    completeEvent = null;
                }
            } catch (RuntimeException e) {
                fail(e);
            }
        }

        private void saveCheckpoint() {
            if (complete == null || complete.seq() == checkpoint.seq()) {
                return;
            }
            checkpoint = checkpoint.at(complete.seq(), complete.end());
            checkpoints.save(checkpoint);
            checkpointedAt = System.nanoTime();
            complete = null;
            Failpoints.reach("capture.before-acknowledge");
        }

        private void requireStreamBeganAtCheckpoint() {
            try (Connection source = Databases.connect(config.source(), "sluice-capture start")) {
                slot.requireStreamBeganAt(source, checkpoint.position());
            } catch (SQLException e) {
                throw SourceFailures.translate(config.source(), "checking the replication slot", e);
            }
            beganChecked = true;
            outage.over();
        }
    }
}
