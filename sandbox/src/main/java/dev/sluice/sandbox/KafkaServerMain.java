package dev.sluice.sandbox;

import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Runs the sandbox's broker in a process of its own, until SIGTERM. */
@Command(
        name = "kafka",
        description = "Runs one Kafka broker on this machine, until it is stopped.",
        mixinStandardHelpOptions = true)
public final class KafkaServerMain implements Callable<Integer> {
    @Option(names = "--port", required = true, paramLabel = "N", description = "Port on loopback")
    private int port;

    @Option(names = "--data", required = true, paramLabel = "DIR", description = "Where topics are kept")
    private Path directory;

    public static void main(String[] arguments) {
        System.setProperty("logback.configurationFile", "dev/sluice/sandbox/logback-demo.xml");
        System.exit(new CommandLine(new KafkaServerMain()).execute(arguments));
    }

    @Override
    public Integer call() throws InterruptedException {
        EmbeddedKafka.builder().port(port).directory(directory).start();
        System.out.println("kafka at " + Loopback.HOST + ":" + port);
        new CountDownLatch(1).await(); // the broker's own shutdown hook stops it
        return 0;
    }
}
