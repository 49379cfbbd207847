package dev.sluice.sandbox;

/** How much a test does: little in every build, much under {@code mvn verify -Plong}. */
final class Intensity {
    private Intensity() {}

    /** @param property of the system, which counts if it is set */
    static int of(String property, int usual, int often) {
        return Integer.getInteger(property, Boolean.getBoolean("sluice.long") ? often : usual);
    }
}
