package dev.sluice.schemas;

import java.util.Optional;

/**
 * A failure named by what the caller does next. Foreign exceptions become one of these at the class that met them.
 */
public abstract sealed class Failure extends RuntimeException {

    private static final long serialVersionUID = 1L;

    private Failure(String message, Throwable cause) {
        super(message, cause);
    }

    /** It may pass by itself: connection lost, deadlock, server starting. Do the same work again. */
    public static final class Retryable extends Failure {
        private static final long serialVersionUID = 1L;

        public Retryable(String message, Throwable cause) {
            super(message, cause);
        }
    }

    /** This event can never succeed as it is: value too long, constraint broken. */
    public static final class Poison extends Failure {
        private static final long serialVersionUID = 1L;

        private final transient TableId table;

        public Poison(String message, Throwable cause) {
            this(message, null, cause);
        }

        /** @param table the source table of the event */
        public Poison(String message, TableId table, Throwable cause) {
            super(message, cause);
            this.table = table;
        }

        /** The source table of the event, where it is known. */
        public Optional<TableId> table() {
            return Optional.ofNullable(table);
        }
    }

    /**
     * No event can succeed until a person has done something: slot lost, table missing, access denied, or a failure
     * that nobody has classified yet. Stop and say so.
     */
    public static final class Fatal extends Failure {
        private static final long serialVersionUID = 1L;

        private final Stop stop;
        private final String remedy;

        /**
         * @param stop why the process ends; gives its exit code
         * @param message what is wrong, with the names and values that matter
         * @param remedy what to do about it: SQL or a command where there is one
         */
        public Fatal(Stop stop, String message, String remedy) {
            this(stop, message, remedy, null);
        }

        public Fatal(Stop stop, String message, String remedy, Throwable cause) {
            super(message, cause);
            this.stop = stop;
            this.remedy = remedy;
        }

        public Stop stop() {
            return stop;
        }

        public String remedy() {
            return remedy;
        }
    }
}
