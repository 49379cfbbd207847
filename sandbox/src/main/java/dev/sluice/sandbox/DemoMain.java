package dev.sluice.sandbox;

import dev.sluice.config.Units;
import dev.sluice.process.Signals;
import dev.sluice.process.StopSignal;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** Runs the demo. Exit codes: those of {@link Stop}. */
@Command(
        name = "demo",
        description = {
            "Runs the whole pipeline in this process: two PostgreSQL, Kafka, capture, apply, and a shop at work.",
            "At the end, or at Ctrl-C, the shop closes, the rest is applied, and both databases are compared row by row."
        },
        mixinStandardHelpOptions = true,
        sortOptions = false,
        exitCodeListHeading = "Exit codes:%n",
        exitCodeList = {
            " 0:both databases are equal",
            " 1:something failed",
            " 2:the command line is wrong",
            " 3:the databases differ; the keys are printed",
            "10 to 14:capture or apply stopped and said what to do"
        })
public final class DemoMain implements Callable<Integer> {
    static {
        // before the first logger
        System.setProperty("logback.configurationFile", "dev/sluice/sandbox/logback-demo.xml");
    }

    private static final Logger log = LoggerFactory.getLogger(DemoMain.class);

    @Option(names = "--rate", paramLabel = "N", defaultValue = "500",
            description = "Rows a second that the shop writes; 0 for as fast as it can. Default: ${DEFAULT-VALUE}")
    private int rate;

    @Option(names = "--duration", paramLabel = "TIME", defaultValue = "60s", converter = DurationConverter.class,
            description = "How long the shop is at work, such as 90s or 5m; 0s for until Ctrl-C. Default: ${DEFAULT-VALUE}")
    private Duration duration;

    @Option(names = "--seed", paramLabel = "N", description = "The same number makes the same shop. Default: a new one, printed")
    private Optional<Long> seed;

    @Option(names = "--data", paramLabel = "DIR",
            description = "Keeps databases and topics here, and goes on with them next time. Default: temporary")
    private Optional<Path> data;

    @Spec
    private CommandSpec spec;

    /** For {@link Units#duration}. */
    static final class DurationConverter implements ITypeConverter<Duration> {
        @Override
        public Duration convert(String text) {
            try {
                return Units.duration(text);
            } catch (IllegalArgumentException e) {
                throw new TypeConversionException(e.getMessage());
            }
        }
    }

    public static void main(String[] arguments) {
        System.exit(new CommandLine(new DemoMain()).execute(arguments));
    }

    @Override
    public Integer call() {
        if (rate < 0) {
            throw new ParameterException(spec.commandLine(), "--rate must be 0 or more, was " + rate);
        }
        data.filter(directory -> Files.exists(directory) && !Files.isDirectory(directory)).ifPresent(file -> {
            throw new ParameterException(spec.commandLine(), "--data must be a directory, '%s' is a file".formatted(file));
        });
        StopSignal interrupted = new StopSignal();
        AtomicInteger signals = new AtomicInteger();
        Signals.onEach(() -> {
            if (signals.incrementAndGet() > 1) {
                System.exit(130); // the servers' own hooks stop them
            }
            interrupted.request();
        });
        Demo.Plan plan = new Demo.Plan(
                rate, duration, seed.orElseGet(() -> ThreadLocalRandom.current().nextLong(1, 1_000_000)), data);
        try {
            return Demo.run(plan, interrupted, DemoView.onThisTerminal()).exitCode();
        } catch (Failure.Fatal e) {
            System.err.printf("stopped: %s%nremedy: %s%n", e.getMessage(), e.remedy());
            return e.stop().exitCode();
        } catch (RuntimeException e) {
            for (Throwable cause = e; cause != null; cause = cause.getCause()) {
                System.err.println((cause == e ? "failed: " : "  because: ") + cause.getMessage());
            }
            log.debug("failed", e);
            return Stop.FAILED.exitCode();
        }
    }
}
