package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Capture and apply die again and again, each in its own time, so now and then both at once: at random moments, while
 * they start, and at the worst places.
 */
@ExtendWith(ChildLogs.class)
class KillLoopIT {
    private static final int ROUNDS = Intensity.of("sluice.rounds", 8, 400);
    private static final Duration PATIENCE = Duration.ofSeconds(90);

    /** Places of capture, and how often one may be passed before it kills: per record or per checkpoint. */
    private static final Map<String, Integer> CAPTURE = new TreeMap<>(Map.of(
            "capture.after-produce", 1_500,
            "capture.before-checkpoint", 6,
            "capture.after-checkpoint", 6,
            "capture.before-acknowledge", 6));

    /** The same of apply, per batch. */
    private static final Map<String, Integer> APPLY = new TreeMap<>(Map.of(
            "apply.in-transaction", 60,
            "apply.before-commit", 60,
            "apply.after-commit", 60));

    private static ThreeServers servers;

    private final long seed = Seed.of(KillLoopIT.class);

    @BeforeAll
    static void takeServers() {
        servers = SharedServers.take();
    }

    @AfterAll
    static void emptyServers() {
        SharedServers.empty();
    }

    @Test
    void whoeverDiesWheneverEachEventIsAppliedOnceAndBothSidesEndEqual() {
        String[] tables = Stream.concat(Shop.tables().stream().map(Object::toString), Stream.of(Events.TABLE))
                .toArray(String[]::new);
        try (Pipeline pipeline = Pipeline.on(servers, "killed").partitions(3).carrying(tables)) {
            Shop.create(pipeline.source());
            Shop.create(pipeline.target());
            Events.createTables(pipeline);
            Child first = pipeline.startCapture();
            pipeline.awaitStreaming();
            first.kill();

            Mortal capture = new Mortal(pipeline, pipeline::startCapture, CAPTURE, seed);
            Mortal apply = new Mortal(pipeline, pipeline::startApply, APPLY, seed + 1);
            try (ShopWorkload shop = ShopWorkload.start(pipeline.source(), ShopWorkload.Plan.endless(seed, 250));
                    Events events = Events.write(pipeline, seed, 3, 250)) {
                live(capture, apply);
                System.out.printf("deaths: %s %s; %d rows written meanwhile%n",
                        capture.deaths, apply.deaths, shop.counts().rows() + events.written());
            }
            pipeline.awaitCaughtUp();

            pipeline.assertEqual();
            Events.assertEachWasAppliedOnce(pipeline);
        }
    }

    /** Both at once; the failure of one ends the other's lives too. */
    private static void live(Mortal capture, Mortal apply) {
        CompletableFuture<?>[] lives = Stream.of(capture, apply)
                .map(mortal -> CompletableFuture.runAsync(() -> mortal.live(ROUNDS / 2)).whenComplete((done, failure) -> {
                    if (failure != null) {
                        capture.hasLivedEnough = true;
                        apply.hasLivedEnough = true;
                    }
                }))
                .toArray(CompletableFuture<?>[]::new);
        CompletableFuture.allOf(lives).join();
    }

    /** A process that lives several times. */
    private static final class Mortal {
        private static final String ANY_MOMENT = "any moment";
        private static final String WHILE_STARTING = "while starting";

        private final Pipeline pipeline;
        private final Function<String, Child> start;
        private final Map<String, Integer> places;
        private final Random random;
        private final Map<String, Integer> deaths = new TreeMap<>();
        private volatile boolean hasLivedEnough;

        Mortal(Pipeline pipeline, Function<String, Child> start, Map<String, Integer> places, long seed) {
            this.pipeline = pipeline;
            this.start = start;
            this.places = places;
            this.random = new Random(seed);
        }

        /** Ends with one more start, after which it stays alive. */
        void live(int lives) {
            for (String death : deaths(lives)) {
                if (hasLivedEnough) {
                    return;
                } else if (places.containsKey(death)) {
                    Child child = start.apply(death + ":" + (1 + random.nextInt(places.get(death))));
                    assertThat(child.awaitExit(PATIENCE)).as(child.name()).isEqualTo(Child.KILLED);
                } else {
                    Child child = start.apply("");
                    awaitMoment(death, child);
                    child.kill();
                }
                deaths.merge(death, 1, Integer::sum);
            }
            start.apply("");
        }

        /** Every place and as many deaths from outside, again and again, in random order. */
        private List<String> deaths(int count) {
            List<String> all = new ArrayList<>(places.keySet());
            places.keySet().forEach(place -> all.add(all.size() % 3 == 0 ? WHILE_STARTING : ANY_MOMENT));
            List<String> chosen = new ArrayList<>();
            while (chosen.size() < count) {
                chosen.add(all.get(chosen.size() % all.size()));
            }
            Collections.shuffle(chosen, random);
            return chosen;
        }

        private void awaitMoment(String death, Child child) {
            if (death.equals(WHILE_STARTING)) {
                sleep(random.nextInt(3_000)); // no effect is waited for: any moment will do
                return;
            }
            int events = 1 + random.nextInt(1_000);
            long before = pipeline.appliedSeq();
            Await.until(events + " more records are applied", PATIENCE, () -> {
                assertThat(child.isAlive()).as(child.name() + " is alive").isTrue();
                return pipeline.appliedSeq() >= before + events;
            });
        }

        private static void sleep(int millis) {
            try {
                Thread.sleep(millis);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new AssertionError("interrupted", e);
            }
        }
    }
}
