package dev.sluice.apply;

import dev.sluice.schemas.Failure;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.FutureTask;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A question to somebody who may take longer to answer than the target bears with a silent lane. It is asked in another thread
 * while the lane goes on, again and again until nobody wants to know.
 *
 * <p>Threads: the lane's; only the question itself runs in another.
 */
final class SlowQuestion<T> {
    private static final Logger log = LoggerFactory.getLogger(SlowQuestion.class);
    private static final long BETWEEN_NANOS = Duration.ofSeconds(1).toNanos();

    private final String what;
    private final Executor thread;
    private final Callable<T> question;
    private Optional<FutureTask<T>> asked = Optional.empty();
    private long askedAt = System.nanoTime() - BETWEEN_NANOS;
    private boolean isSaid;

    /** @param what as it reads before ": no answer yet" */
    SlowQuestion(String what, Executor thread, Callable<T> question) {
        this.what = what;
        this.thread = thread;
        this.question = question;
    }

    /** What was answered since the last look, once; else sees to it that it is being asked. Never waits. */
    Optional<T> look() {
        if (asked.isPresent()) {
            FutureTask<T> task = asked.get();
            if (!task.isDone()) {
                return Optional.empty();
            }
            asked = Optional.empty();
            return answer(task);
        }
        if (System.nanoTime() - askedAt >= BETWEEN_NANOS) {
            askedAt = System.nanoTime();
            asked = Optional.of(new FutureTask<>(question));
            thread.execute(asked.get());
        }
        return Optional.empty();
    }

    private Optional<T> answer(FutureTask<T> task) {
        try {
            T answer = task.get();
            isSaid = false;
            return Optional.of(answer);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Error error) {
                throw error;
            }
            if (!isSaid) {
                isSaid = true;
                log.info("{}: no answer yet ({}); asking again", what, e.getCause().getMessage());
            }
            return Optional.empty();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new Failure.Retryable("interrupted", e);
        }
    }
}
