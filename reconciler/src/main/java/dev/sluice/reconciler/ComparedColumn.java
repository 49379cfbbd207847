package dev.sluice.reconciler;

/**
 * What becomes of a column when its table is compared.
 *
 * @param name of the source's column, or of the target's if the source has none
 * @param reason for its state; empty if it is compared
 */
public record ComparedColumn(String name, State state, String reason) {
    /** The words are those of the output for programs. */
    public enum State {
        COMPARED("compared"),
        /** Compared, but the comparison does not see a change of it. */
        BLIND("blind"),
        /** Compared, but no value was there to find out whether the comparison sees a change of it. */
        NO_SAMPLE("no sample"),
        /** Compared, but it could not be found out whether the comparison sees a change of it. */
        UNTESTED("untested"),
        LEFT_OUT("left out by the mapping"),
        GENERATED("generated"),
        TARGET_ONLY("in the target only"),
        NOT_COMPUTED("not computed");

        private final String word;

        State(String word) {
            this.word = word;
        }

        public String word() {
            return word;
        }
    }

    static ComparedColumn compared(String name) {
        return new ComparedColumn(name, State.COMPARED, "");
    }

    public boolean isCompared() {
        return state.compareTo(State.LEFT_OUT) < 0;
    }

    @Override
    public String toString() {
        return reason.isEmpty() ? name : "%s (%s)".formatted(name, reason);
    }
}
