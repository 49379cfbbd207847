package dev.sluice.process;

import java.time.Duration;
import org.slf4j.Logger;

/**
 * What keeps a lane from its work and passes by itself: logged when it begins, when it changes and when it is over, not at
 * each attempt.
 *
 * <p>Threads: one at a time.
 */
public final class Outage {
    private final Logger log;
    private final String lane;
    private final String work;
    private final Pauses pauses = new Pauses();
    private String last = "";

    /** @param work what goes on when it is over: {@code streaming} */
    public Outage(Logger log, String lane, String work) {
        this.log = log;
        this.lane = lane;
        this.work = work;
    }

    /** An attempt has failed; gives the pause before the next one. */
    public Duration met(String message) {
        if (!message.equals(last)) {
            log.warn("lane {}: {}; trying again", lane, message);
            last = message;
        }
        return pauses.next();
    }

    /** The lane works. */
    public void over() {
        pauses.reset();
        if (!last.isEmpty()) {
            log.info("lane {}: {} again", lane, work);
            last = "";
        }
    }
}
