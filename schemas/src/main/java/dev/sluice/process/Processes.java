package dev.sluice.process;

import dev.sluice.config.ConfigReader;
import dev.sluice.config.InvalidConfigException;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiFunction;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The outside of a long-running process: configuration, signals, last words, exit code. */
public final class Processes {

    /** Supervisors commonly kill 10 s after SIGTERM (docker stop); what is said in the last second is still heard. */
    private static final Duration DRAIN = Duration.ofSeconds(9);

    private static final int KILLED_BY_TERM = 143;

    private Processes() {}

    /**
     * Reads the configuration, runs {@code work}, and gives the exit code; {@code main} ends with {@code System.exit}
     * of it.
     *
     * <p>SIGTERM and SIGINT request the stop. Work that has not drained 9 s later, or a second signal, halts the JVM
     * with 143: everything is restartable, waiting longer would only make the supervisor kill.
     *
     * @param name of the process in its log lines: {@code capture}, {@code apply}
     * @param work the process itself, called once in this thread; returns why it ended
     * @return {@link Stop#exitCode()}: of the work's answer, of its {@link Failure.Fatal}, {@link Stop#CONFIG} if the
     *     configuration is wrong, {@link Stop#FAILED} after any other exception
     */
    public static int run(String name, Path configFile, BiFunction<PipelineConfig, StopSignal, Stop> work) {
        StopSignal stop = new StopSignal();
        Logger log = LoggerFactory.getLogger("dev.sluice." + name);
        if (!Signals.onEach(stopper(stop, log))) {
            log.warn("signals stay with the JVM: SIGTERM ends this process without draining");
        }
        return run(log, configFile, System.getenv(), stop, work);
    }

    static int run(
            Logger log,
            Path configFile,
            Map<String, String> environment,
            StopSignal stop,
            BiFunction<PipelineConfig, StopSignal, Stop> work) {
        try {
            PipelineConfig config = ConfigReader.read(configFile, environment);
            log.info(
                    "starting pipeline={} lanes={} source={} target={} kafka={}",
                    config.name(),
                    config.lanes().stream().map(LaneConfig::name).toList(),
                    config.source().address(),
                    config.target().address(),
                    config.kafka().bootstrapServers());
            Stop ended = work.apply(config, stop);
            log.info("stopped: {}", ended);
            return ended.exitCode();
        } catch (InvalidConfigException e) {
            System.err.println(e.report(configFile));
            return Stop.CONFIG.exitCode();
        } catch (Failure.Fatal e) {
            log.error("stopped: {}: {}; remedy: {}", e.stop(), e.getMessage(), e.remedy());
            log.debug("stopped", e);
            return e.stop().exitCode();
        } catch (RuntimeException | Error e) {
            log.error("failed", e);
            return Stop.FAILED.exitCode();
        }
    }

    private static Runnable stopper(StopSignal stop, Logger log) {
        AtomicInteger signals = new AtomicInteger();
        return () -> {
            if (signals.incrementAndGet() > 1) {
                halt(log, "second signal: stopping without draining");
            }
            log.info("stop requested, draining for at most {} s", DRAIN.toSeconds());
            CompletableFuture.delayedExecutor(DRAIN.toSeconds(), TimeUnit.SECONDS)
                    .execute(() -> halt(log, "not drained in time: stopping as if killed"));
            stop.request();
        };
    }

    private static void halt(Logger log, String why) {
        log.warn(why);
        Runtime.getRuntime().halt(KILLED_BY_TERM);
    }
}
