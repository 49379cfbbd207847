package dev.sluice.process;

/**
 * One result of a check made before the first event.
 *
 * @param subject what was looked at: {@code source public.orders}, {@code kafka shop.checkpoint}
 * @param problem what is wrong there
 * @param cure the SQL or command that cures it
 */
public record Finding(Level level, String subject, String problem, String cure) {
    /** Only {@link #ERROR} keeps a process from starting. */
    public enum Level {
        ERROR,
        WARNING
    }
}
