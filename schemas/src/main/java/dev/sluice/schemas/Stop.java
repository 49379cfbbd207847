package dev.sluice.schemas;

/**
 * Why a process ends, with its exit code. Supervisors may restart on {@link #FAILED}; every other code needs a person
 * first, and a restart alone would end the same way.
 */
public enum Stop {
    /** Asked to stop, and everything in hand was drained. */
    CLEAN(0),
    /** Failed for a reason that a restart may cure. */
    FAILED(1),
    /** The command line is wrong. */
    USAGE(2),
    /** A comparison found differences, or a sequence that is behind. */
    DIFFERENT(3),
    /** A comparison could not tell. */
    UNKNOWN(4),
    /**
     * The lane has a hole: slot missing, lost or moved, topic deleted or truncated; or a change that the server cannot send.
     * Rows must be read again.
     */
    HOLE(10),
    /** A database or Kafka is not set up as it must be: publication, privileges, tables, columns. */
    SETUP(11),
    /** The server behind the address is not the one this lane belongs to. */
    OTHER_SERVER(12),
    /** The server refused the credentials. */
    ACCESS(13),
    /** A row that the target can never take. */
    POISON(14),
    /** The configuration is wrong (EX_CONFIG of sysexits.h). */
    CONFIG(78);

    private final int exitCode;

    Stop(int exitCode) {
        this.exitCode = exitCode;
    }

    public int exitCode() {
        return exitCode;
    }
}
