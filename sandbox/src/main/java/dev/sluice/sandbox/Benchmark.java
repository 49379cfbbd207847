package dev.sluice.sandbox;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import dev.sluice.schemas.Stop;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Runs the benchmark: see {@code benchmarks/README.md}. */
@Command(
        name = "benchmarks/run",
        description = "Measures the pipeline on this machine, in separate processes as it is deployed.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        exitCodeListHeading = "Exit codes:%n",
        exitCodeList = {" 0:measured, and the databases are equal", " 1:something failed", " 3:the databases differ"})
public final class Benchmark implements Callable<Integer> {

    /** What is measured. */
    enum Mode {
        /** Capture and apply start together on the whole backlog; then once more, having been suspended meanwhile. */
        CATCHUP,
        /** First capture alone brings the backlog to Kafka, then apply alone brings it to the target. */
        STAGES,
        /** Commit to commit, at steady rates. */
        LAG,
        /** A table of 1,000,000 rows is copied by an apply that has just started, then once more by the same one. */
        BACKFILL
    }

    @Option(names = "--mode", split = ",", paramLabel = "MODE", defaultValue = "catchup,stages,lag,backfill",
            description = "Any of catchup, stages, lag, backfill. Default: all")
    private Set<Mode> modes;

    @Option(names = "--events", paramLabel = "N", defaultValue = "500000",
            description = "Changes to catch up with. Default: ${DEFAULT-VALUE}")
    private int events;

    @Option(names = "--rounds", paramLabel = "N", defaultValue = "2",
            description = "Catch-ups by warm processes, after the cold one. Default: ${DEFAULT-VALUE}")
    private int rounds;

    @Option(names = "--rates", split = ",", paramLabel = "N", defaultValue = "500,2000,5000",
            description = "Rows a second at which lag is measured. Default: ${DEFAULT-VALUE}")
    private List<Integer> rates;

    @Option(names = "--seconds", paramLabel = "N", defaultValue = "30",
            description = "How long each rate is held. Default: ${DEFAULT-VALUE}")
    private int seconds;

    @Option(names = "--seed", paramLabel = "N", defaultValue = "1",
            description = "Of the changes. Default: ${DEFAULT-VALUE}")
    private long seed;

    @Option(names = "--heap", paramLabel = "SIZE", defaultValue = "256m",
            description = "-Xmx of capture and apply. Default: ${DEFAULT-VALUE}")
    private String heap;

    @Option(names = "--java-options", split = " ", paramLabel = "OPTIONS",
            description = "Further options of capture's and apply's JVM")
    private List<String> javaOptions = List.of();

    @Option(names = "--home", paramLabel = "DIR", defaultValue = ".",
            description = "The built working tree. Default: ${DEFAULT-VALUE}")
    private Path home;

    @Option(names = "--results", paramLabel = "DIR", defaultValue = "benchmarks/results",
            description = "Where the raw results go. Default: ${DEFAULT-VALUE}")
    private Path results;

    public static void main(String[] arguments) {
        System.setProperty("logback.configurationFile", "dev/sluice/sandbox/logback-demo.xml");
        System.exit(new CommandLine(new Benchmark()).setCaseInsensitiveEnumValuesAllowed(true).execute(arguments));
    }

    @Override
    public Integer call() throws InterruptedException, IOException {
        Instant start = Instant.now().truncatedTo(ChronoUnit.SECONDS);
        List<Map<String, Object>> measured = new ArrayList<>();
        boolean equal = true;
        for (Mode mode : modes) {
            try (BenchmarkPipeline pipeline = BenchmarkPipeline.prepare(home, heap, javaOptions, mode == Mode.BACKFILL)) {
                measured.addAll(measure(mode, new BenchmarkMeasurements(pipeline, seed)));
                List<String> differences = pipeline.differences();
                equal &= differences.isEmpty();
                differences.forEach(System.out::println);
                System.out.println(mode.name().toLowerCase(Locale.ROOT) + ": both databases are "
                        + (differences.isEmpty() ? "equal" : "NOT equal"));
            }
        }
        write(start, measured, equal);
        return (equal ? Stop.CLEAN : Stop.DIFFERENT).exitCode();
    }

    private List<Map<String, Object>> measure(Mode mode, BenchmarkMeasurements measurements) throws InterruptedException {
        return switch (mode) {
            case CATCHUP -> measurements.catchUp(events, rounds);
            case STAGES -> measurements.stages(events);
            case LAG -> measurements.lag(rates, seconds);
            case BACKFILL -> measurements.backfill();
        };
    }

    private void write(Instant start, List<Map<String, Object>> measured, boolean equal) throws IOException {
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("date", start.toString());
        result.put("machine", Machine.describe());
        result.put("settings", Map.of(
                "events", events, "seed", seed, "heap", heap, "javaOptions", javaOptions, "secondsPerRate", seconds));
        result.put("equal", equal);
        result.put("measured", measured);
        Files.createDirectories(results);
        Path file = results.resolve(start.toString().replace(":", "") + ".json");
        new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT).writeValue(file.toFile(), result);
        System.out.println("raw results in " + file);
    }
}
