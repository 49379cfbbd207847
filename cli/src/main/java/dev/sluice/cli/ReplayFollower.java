package dev.sluice.cli;

import dev.sluice.apply.DeadLetters.Breaker;
import dev.sluice.apply.LaneStatus;
import dev.sluice.apply.LetterReplay;
import dev.sluice.apply.LetterReplay.Progress;
import dev.sluice.schemas.Failure;
import java.io.PrintWriter;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/**
 * Follows replays to their end. What was refused for a foreign key is asked for once more while that gets anything written: letters
 * are written in the order of the lane, some hundred at a time, and a row that is referred to may come later.
 *
 * <p>Threads: one.
 */
final class ReplayFollower {
    private static final int MOST_ROUNDS = 10;
    private static final long SAY_NANOS = TimeUnit.SECONDS.toNanos(5);

    private final LetterSession session;
    private final Map<Long, String> runs;
    private final long patienceNanos;
    private final PrintWriter err;
    private String said = "";

    /**
     * @param runs their lanes, by number
     * @param patienceNanos how long nothing may move
     * @param err where it is said what they wait for
     */
    ReplayFollower(LetterSession session, Map<Long, String> runs, long patienceNanos, PrintWriter err) {
        this.session = session;
        this.runs = runs;
        this.patienceNanos = patienceNanos;
        this.err = err;
    }

    /** @throws Failure.Retryable if nothing moves for too long; what was asked for stays asked for */
    Progress follow() throws InterruptedException {
        LetterReplay replay = session.replay();
        Collection<Long> numbers = runs.keySet();
        long writtenBefore = 0;
        long requestedBefore = -1;
        long moved = System.nanoTime();
        for (int round = 1; ; ) {
            Progress now = session.inTransaction("looking at a replay", target -> replay.progress(target, numbers));
            if (now.requested() == 0) {
                long written = now.replayed() + now.superseded();
                if (now.refused() == 0 || written == writtenBefore || round == MOST_ROUNDS) {
                    return now;
                }
                if (session.inTransaction("asking once more", target -> replay.requestAgain(target, numbers)) == 0) {
                    return now;
                }
                round++;
                writtenBefore = written;
            }
            if (now.requested() != requestedBefore) {
                requestedBefore = now.requested();
                moved = System.nanoTime();
            }
            long still = System.nanoTime() - moved;
            List<String> waits = new ArrayList<>(now.waitsFor());
            if (still > SAY_NANOS) {
                waits.addAll(session.inTransaction("looking for the applier", this::troubles));
            }
            say(String.join("; ", waits));
            if (still > patienceNanos) {
                throw new Failure.Retryable(
                        ("nothing has moved for %s, %s not replayed yet; what was asked for stays, `sluice apply` does it"
                                        + " when it can, `sluice dlq replay %s` follows it again")
                                .formatted(Amounts.time(Duration.ofNanos(patienceNanos)), Amounts.count(now.requested(), "letter"), options()),
                        null);
            }
            TimeUnit.MILLISECONDS.sleep(100);
        }
    }

    /** {@code --run 3 --run 4}. */
    String options() {
        return runs.keySet().stream().map(run -> "--run " + run).collect(Collectors.joining(" "));
    }

    private void say(String what) {
        if (!what.equals(said)) {
            said = what;
            err.println(what.isEmpty() ? "it goes on" : "waits: " + what);
            err.flush();
        }
    }

    private List<String> troubles(Connection target) throws SQLException {
        List<String> troubles = new ArrayList<>();
        for (Breaker breaker : session.letters().breakers(target)) {
            if (runs.containsValue(breaker.lane())) {
                troubles.add("lane %s is stopped: %s; mend the cause, then `sluice resume`"
                        .formatted(session.laneName(breaker.lane()), breaker.reason()));
            }
        }
        session.letters().waiting(target).stream()
                .filter(waiting -> runs.containsValue(waiting.lane()))
                .forEach(waiting -> troubles.add("lane %s waits: %s".formatted(session.laneName(waiting.lane()), waiting.reason())));
        for (String lane : new TreeSet<>(runs.values())) {
            if (!LaneStatus.isAtWork(target, lane)) {
                troubles.add("no apply is at work on lane %s; start `sluice apply`, it does the replaying"
                        .formatted(session.laneName(lane)));
            }
        }
        return troubles;
    }
}
