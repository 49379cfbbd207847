package dev.sluice.sandbox;

/** What a pipeline runs between: shared by the tests of a class. */
record PipelineServers(PostgresServer source, PostgresServer target, KafkaServer kafka) implements AutoCloseable {

    static PipelineServers start() {
        return new PipelineServers(Servers.postgres(), Servers.postgres(), Servers.kafka());
    }

    @Override
    public void close() {
        kafka.close();
        target.close();
        source.close();
    }
}
