package dev.sluice.apply;

import dev.sluice.apply.Progress.Position;
import dev.sluice.apply.RereadStore.Throttle;
import dev.sluice.config.KafkaClients;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.Stop;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/**
 * The target's part of starting a lane anew: a progress that stands where the new slot begins, in an epoch that no record has, so
 * that every older record is dropped and the next epoch is entered at once; nothing held; and every table to be read again.
 *
 * <p>Done after the source's part and in one transaction: until then an applier finds its old progress, and a hole.
 *
 * <p>Threads: one.
 */
public final class ProgressRestart {
    private final PipelineConfig config;
    private final LaneConfig lane;
    private final String name;
    private final Progress progress;

    public ProgressRestart(PipelineConfig config, LaneConfig lane) {
        this.config = config;
        this.lane = lane;
        this.name = config.nameInTarget(lane);
        this.progress = new Progress(name);
    }

    /**
     * Takes the lane for as long as the session of {@code target} lasts.
     *
     * @throws Failure.Fatal if an applier has it
     */
    public void take(Connection target) throws SQLException {
        if (!LaneLock.tryLock(target, name)) {
            throw new Failure.Fatal(
                    Stop.SETUP,
                    "lane %s: an apply holds the lane in the target".formatted(lane.name()),
                    "stop every apply of the lane first, standbys too");
        }
    }

    /** The epoch of the last record applied; 0 if there is none. */
    public long epoch(Connection target) throws SQLException {
        return progress.read(target).epoch();
    }

    /**
     * @param before the epoch to stand in
     * @param start where the new slot begins
     */
    public void begin(Connection target, long before, Lsn start, Throttle throttle) throws SQLException {
        HeldTables held = new HeldTables(name);
        for (TableId table : held.read(target).keySet()) {
            held.release(target, table);
        }
        progress.delete(target);
        progress.advance(target, Position.NONE, new Position(before, 0, start, true), 0);
        forgetCommitTime(target);
        saveEnds(target);
        RereadStore store = new RereadStore(name);
        store.keepPassed(target, Set.of());
        for (TableId table : new TreeSet<>(lane.tables().stream().map(mapping -> mapping.source()).toList())) {
            store.request(target, table, "recover", "", throttle);
        }
    }

    /** No transaction of the source stands for the position. */
    private void forgetCommitTime(Connection target) throws SQLException {
        try (PreparedStatement forget =
                target.prepareStatement("UPDATE sluice.progress SET committed_at = NULL WHERE lane = ?")) {
            forget.setString(1, name);
            forget.executeUpdate();
        }
    }

    /** Old records need not even be read. */
    private void saveEnds(Connection target) throws SQLException {
        Set<String> names = new TreeSet<>();
        names.add(config.topics().control());
        lane.tables().forEach(table -> names.add(config.topics().change(table.source())));
        Properties settings = KafkaClients.base(config.kafka(), "sluice-recover-" + lane.name());
        settings.put(AdminClientConfig.DEFAULT_API_TIMEOUT_MS_CONFIG, "10000");
        settings.put(AdminClientConfig.REQUEST_TIMEOUT_MS_CONFIG, "5000");
        Map<String, String> ids = new TreeMap<>();
        Map<TopicPartition, OffsetSpec> wanted = new HashMap<>();
        Map<TopicPartition, Long> ends = new HashMap<>();
        try (Admin admin = Admin.create(settings)) {
            for (Map.Entry<String, KafkaFuture<TopicDescription>> answer :
                    admin.describeTopics(names).topicNameValues().entrySet()) {
                describe(answer.getKey(), answer.getValue(), ids, wanted);
            }
            if (!wanted.isEmpty()) {
                admin.listOffsets(wanted).all().get().forEach((partition, end) -> ends.put(partition, end.offset()));
            }
        } catch (ExecutionException | KafkaException e) {
            throw new Failure.Retryable("kafka: looking for the ends of the topics: " + e.getMessage(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Failure.Retryable("interrupted", e);
        }
        progress.saveOffsets(target, ends, ids);
    }

    /** One that is missing is made by capture, and read from its beginning. */
    private static void describe(
            String name,
            KafkaFuture<TopicDescription> answer,
            Map<String, String> ids,
            Map<TopicPartition, OffsetSpec> wanted)
            throws ExecutionException, InterruptedException {
        try {
            TopicDescription topic = answer.get();
            ids.put(name, topic.topicId().toString());
            topic.partitions().forEach(info -> wanted.put(new TopicPartition(name, info.partition()), OffsetSpec.latest()));
        } catch (ExecutionException e) {
            if (!(e.getCause() instanceof UnknownTopicOrPartitionException)) {
                throw e;
            }
        }
    }
}
