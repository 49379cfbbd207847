package dev.sluice.sandbox;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import dev.sluice.schemas.Stop;
import java.io.IOException;
import java.lang.management.ManagementFactory;
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
        BACKFILL,
        /** A table of 5,000,000 rows is verified, and in turns with it a digest of it is computed by one statement on each side. */
        VERIFY,
        /** Rows are verified soon after they were changed, at a steady rate. */
        TOUCHED
    }

    private static final int ROWS_TO_BACKFILL = 1_000_000;
    private static final int ROWS_TO_VERIFY = 5_000_000;

    @Option(names = "--mode", split = ",", paramLabel = "MODE", defaultValue = "catchup,stages,lag,backfill,verify,touched",
            description = "Any of catchup, stages, lag, backfill, verify, touched. Default: all")
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

    @Option(names = "--rows", paramLabel = "N", defaultValue = "0",
            description = "Of the table that is copied or verified. Default: 1000000 to copy, 5000000 to verify")
    private int rows;

    @Option(names = "--touched-rate", paramLabel = "N", defaultValue = "2000",
            description = "Rows a second that are changed and verified. Default: ${DEFAULT-VALUE}")
    private int touchedRate;

    @Option(names = "--touched-seconds", paramLabel = "N", defaultValue = "60",
            description = "How long they are. Default: ${DEFAULT-VALUE}")
    private int touchedSeconds;

    @Option(names = "--seed", paramLabel = "N", defaultValue = "1",
            description = "Of the changes. Default: ${DEFAULT-VALUE}")
    private long seed;

    @Option(names = "--heap", paramLabel = "SIZE", defaultValue = "256m",
            description = "-Xmx of capture, apply, verify and reconcile. Default: ${DEFAULT-VALUE}")
    private String heap;

    @Option(names = "--java-options", split = " ", paramLabel = "OPTIONS",
            description = "Further options of their JVMs")
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
        double load = ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage();
        List<Map<String, Object>> measured = new ArrayList<>();
        boolean equal = true;
        for (Mode mode : modes) {
            try (BenchmarkPipeline pipeline = BenchmarkPipeline.prepare(home, heap, javaOptions, rowsToCopy(mode))) {
                measured.addAll(measure(mode, pipeline));
                List<String> differences = pipeline.differences();
                equal &= differences.isEmpty();
                differences.forEach(System.out::println);
                System.out.println(mode.name().toLowerCase(Locale.ROOT) + ": both databases are "
                        + (differences.isEmpty() ? "equal" : "NOT equal"));
            }
        }
        write(start, load, measured, equal);
        return (equal ? Stop.CLEAN : Stop.DIFFERENT).exitCode();
    }

    private int rowsToCopy(Mode mode) {
        return switch (mode) {
            case CATCHUP, STAGES, LAG, TOUCHED -> 0;
            case BACKFILL -> rows == 0 ? ROWS_TO_BACKFILL : rows;
            case VERIFY -> rows == 0 ? ROWS_TO_VERIFY : rows;
        };
    }

    private List<Map<String, Object>> measure(Mode mode, BenchmarkPipeline pipeline) throws InterruptedException {
        BenchmarkMeasurements measurements = new BenchmarkMeasurements(pipeline, seed);
        BenchmarkVerification verification = new BenchmarkVerification(pipeline, seed);
        return switch (mode) {
            case CATCHUP -> measurements.catchUp(events, rounds);
            case STAGES -> measurements.stages(events);
            case LAG -> measurements.lag(rates, seconds);
            case BACKFILL -> measurements.backfill(rowsToCopy(mode));
            case VERIFY -> verification.verify(rowsToCopy(mode));
            case TOUCHED -> verification.touched(touchedRate, touchedSeconds);
        };
    }

    private void write(Instant start, double load, List<Map<String, Object>> measured, boolean equal) throws IOException {
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("date", start.toString());
        result.put("machine", Machine.describe());
        result.put("loadAverageBefore", load);
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
