package dev.sluice.sandbox;

/**
 * The servers that integration tests meet: of this machine, or with {@code -Dsluice.it=containers} in containers. Both
 * can be stopped, crashed and started again on the same port.
 */
public final class Servers {
    private static final boolean CONTAINERS = "containers".equals(System.getProperty("sluice.it"));

    private Servers() {}

    public static PostgresServer postgres() {
        return postgres(PostgresBinaries.DEFAULT_VERSION);
    }

    /** @param version major version, {@code "15"} to {@code "18"} */
    public static PostgresServer postgres(String version) {
        return CONTAINERS
                ? ContainerPostgres.start(version)
                : EmbeddedPostgres.builder().version(version).unsafeFast().start();
    }

    public static KafkaServer kafka() {
        return CONTAINERS ? ContainerKafka.fresh() : EmbeddedKafka.builder().start();
    }
}
