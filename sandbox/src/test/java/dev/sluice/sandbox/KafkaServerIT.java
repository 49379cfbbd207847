package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringSerializer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class KafkaServerIT {

    @Test
    void theBrokerComesBackOnItsPortWithItsRecords() throws Exception {
        try (KafkaServer kafka = Servers.kafka();
                Admin admin = Admin.create(Map.of("bootstrap.servers", kafka.bootstrapServers()))) {
            createTopic(admin);
            produceInTransaction(kafka);

            kafka.stop();
            kafka.start();

            // the record and the end of its transaction
            assertThat(end(admin)).isEqualTo(2);
        }
    }

    @Test
    void aGivenDirectoryIsKeptWhateverTheNextPort(@TempDir Path directory) throws Exception {
        try (EmbeddedKafka kafka = EmbeddedKafka.builder().directory(directory).start();
                Admin admin = Admin.create(Map.of("bootstrap.servers", kafka.bootstrapServers()))) {
            createTopic(admin);
            produceInTransaction(kafka);
        }

        try (EmbeddedKafka kafka = EmbeddedKafka.builder().directory(directory).start();
                Admin admin = Admin.create(Map.of("bootstrap.servers", kafka.bootstrapServers()))) {
            assertThat(end(admin)).isEqualTo(2);
        }
    }

    private static void createTopic(Admin admin) throws Exception {
        admin.createTopics(List.of(new NewTopic("kept", Optional.of(1), Optional.empty()))).all().get();
    }

    private static long end(Admin admin) throws Exception {
        TopicPartition partition = new TopicPartition("kept", 0);
        return admin.listOffsets(Map.of(partition, OffsetSpec.latest())).partitionResult(partition).get().offset();
    }

    private static void produceInTransaction(KafkaServer kafka) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", kafka.bootstrapServers());
        properties.put("transactional.id", "test");
        try (KafkaProducer<String, String> producer =
                new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer())) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>("kept", "a record"));
            producer.commitTransaction();
        }
    }
}
