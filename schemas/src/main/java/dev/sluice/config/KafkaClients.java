package dev.sluice.config;

import java.util.Properties;

/** What every Kafka client of a pipeline is given. */
public final class KafkaClients {

    private KafkaClients() {}

    /**
     * Addresses, client id and the configuration's {@code kafka.properties}. A new object each time; what the caller
     * sets on it wins, so nobody's {@code acks=1} weakens what delivery stands on.
     */
    public static Properties base(KafkaConfig kafka, String clientId) {
        Properties properties = new Properties();
        kafka.properties().forEach(properties::setProperty);
        properties.setProperty("bootstrap.servers", kafka.bootstrapServers());
        properties.setProperty("client.id", clientId);
        return properties;
    }

    /** Of a consumer that reads where it is told to, commits nothing, and makes no topic by looking for it. */
    public static Properties reader(KafkaConfig kafka, String clientId) {
        Properties properties = base(kafka, clientId);
        properties.setProperty("auto.offset.reset", "none");
        properties.setProperty("enable.auto.commit", "false");
        properties.setProperty("allow.auto.create.topics", "false");
        return properties;
    }
}
