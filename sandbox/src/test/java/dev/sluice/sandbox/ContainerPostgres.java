package dev.sluice.sandbox;

import com.github.dockerjava.api.DockerClient;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import org.testcontainers.postgresql.PostgreSQLContainer;

/** PostgreSQL in a container, from the official image. */
final class ContainerPostgres implements PostgresServer {
    private static final Duration START = Duration.ofSeconds(60);
    private static final int STOP_SECONDS = 10;

    private final String version;
    private final int port;
    private final PostgreSQLContainer container;

    private ContainerPostgres(String version, int port) {
        this.version = version;
        this.port = port;
        container = new PostgreSQLContainer("postgres:" + version)
                .withUsername(USER)
                .withPassword(PASSWORD)
                .withDatabaseName("postgres")
                .withCreateContainerCmdModifier(ContainerPorts.fixed(port, PostgreSQLContainer.POSTGRESQL_PORT));
        container.setCommand(
                "postgres", "-c", "wal_level=logical", "-c", "max_wal_senders=20", "-c", "max_replication_slots=20", "-c",
                "track_commit_timestamp=on", "-c", "fsync=off");
    }

    static ContainerPostgres start(String version) {
        ContainerPostgres server = new ContainerPostgres(version, Loopback.freePort());
        server.container.start();
        return server;
    }

    @Override
    public int port() {
        return port;
    }

    @Override
    public String version() {
        return version;
    }

    @Override
    public void start() {
        docker().startContainerCmd(container.getContainerId()).exec();
        Instant deadline = Instant.now().plus(START);
        while (!answers()) {
            if (Instant.now().isAfter(deadline)) {
                throw new IllegalStateException("PostgreSQL does not start\n" + container.getLogs());
            }
        }
    }

    private boolean answers() {
        try (Connection connection = connect("postgres")) {
            return connection.isValid(1);
        } catch (SQLException e) {
            return false;
        }
    }

    /** The image's stop signal is SIGINT, a fast shutdown. */
    @Override
    public void stop() {
        docker().stopContainerCmd(container.getContainerId()).withTimeout(STOP_SECONDS).exec();
    }

    @Override
    public void stopImmediately() {
        docker().killContainerCmd(container.getContainerId()).exec();
    }

    @Override
    public void close() {
        container.close();
    }

    private DockerClient docker() {
        return container.getDockerClient();
    }
}
