package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** What this JVM logs during a test; a value of rows must not be in it. */
final class LogWithout implements BeforeEachCallback, AfterEachCallback {
    private final String value;
    private LogLines log;

    /** @param value that the tests write into rows */
    LogWithout(String value) {
        this.value = value;
    }

    @Override
    public void beforeEach(ExtensionContext context) {
        log = LogLines.open();
    }

    /** The lines that hold each of the words, in order. */
    List<String> with(String... words) {
        return log.with(words);
    }

    @Override
    public void afterEach(ExtensionContext context) {
        log.close();
        assertThat(log.with(value)).isEmpty();
    }
}
