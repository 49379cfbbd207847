package dev.sluice.sandbox;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.TestExecutionExceptionHandler;

/**
 * Prints what the processes of a test said last if the test fails, and ends those that a test has left behind.
 *
 * <p>Threads: any.
 */
final class ChildLogs implements TestExecutionExceptionHandler, AfterAllCallback {
    private static final int SHOWN = 8;
    private static final int LINES = 25;
    private static final List<Child> STARTED = new CopyOnWriteArrayList<>();

    static {
        Runtime.getRuntime().addShutdownHook(new Thread(ChildLogs::endAll, "children-last-resort"));
    }

    static void started(Child child) {
        STARTED.add(child);
    }

    @Override
    public void handleTestExecutionException(ExtensionContext context, Throwable failure) throws Throwable {
        List<Child> last = STARTED.subList(Math.max(0, STARTED.size() - SHOWN), STARTED.size());
        last.forEach(child -> child.lastWords(LINES).forEach(System.out::println));
        throw failure;
    }

    @Override
    public void afterAll(ExtensionContext context) {
        endAll();
        STARTED.clear();
    }

    private static void endAll() {
        STARTED.stream().filter(Child::isAlive).forEach(Child::kill);
    }
}
