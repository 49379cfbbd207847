package dev.sluice.sandbox;

import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.testcontainers.kafka.KafkaContainer;

/** Kafka in a container, from the project's own image. */
final class ContainerKafka implements KafkaServer {
    private static final int LISTENER = 9092;
    private static final Duration START = Duration.ofSeconds(60);

    private final int port = Loopback.freePort();
    private final KafkaContainer container = new KafkaContainer("apache/kafka:4.3.1")
            .withEnv("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
            .withCreateContainerCmdModifier(ContainerPorts.fixed(port, LISTENER));

    private ContainerKafka() {}

    static ContainerKafka fresh() {
        ContainerKafka kafka = new ContainerKafka();
        kafka.container.start();
        return kafka;
    }

    @Override
    public String bootstrapServers() {
        return Loopback.HOST + ":" + port;
    }

    @Override
    public void start() {
        container.getDockerClient().startContainerCmd(container.getContainerId()).exec();
        Instant deadline = Instant.now().plus(START);
        while (!answers()) {
            if (Instant.now().isAfter(deadline)) {
                throw new IllegalStateException("Kafka does not start\n" + container.getLogs());
            }
        }
    }

    private boolean answers() {
        Map<String, Object> settings = Map.of(
                "bootstrap.servers", bootstrapServers(), "default.api.timeout.ms", "2000", "request.timeout.ms", "1000");
        try (Admin admin = Admin.create(settings)) {
            admin.describeCluster().nodes().get();
            return true;
        } catch (ExecutionException e) {
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
    }

    @Override
    public void stop() {
        container.getDockerClient().stopContainerCmd(container.getContainerId()).exec();
    }

    @Override
    public void close() {
        container.close();
    }
}
