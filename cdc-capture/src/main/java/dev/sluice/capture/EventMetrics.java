package dev.sluice.capture;

import io.debezium.pipeline.ChangeEventSourceCoordinator;
import io.debezium.pipeline.EventDispatcher;
import io.debezium.pipeline.source.spi.DataChangeEventListener;
import java.lang.reflect.Field;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Debezium's metrics per event. They write a summary of every event, with a JSON mapper made for each, and take a
 * quarter of the reading thread; no setting turns that off.
 *
 * <p>Source: Debezium 3.6.3, {@code CommonEventMeter.onEvent}; measured with Java Flight Recorder.
 */
final class EventMetrics {
    private static final Logger log = LoggerFactory.getLogger(EventMetrics.class);

    private EventMetrics() {}

    /** Only speed depends on it: where the field is another one, the metrics stay. */
    static void switchOff(ChangeEventSourceCoordinator<?, ?> coordinator) {
        try {
            Field dispatcher = ChangeEventSourceCoordinator.class.getDeclaredField("eventDispatcher");
            dispatcher.setAccessible(true);
            ((EventDispatcher<?, ?>) dispatcher.get(coordinator)).setEventListener(DataChangeEventListener.NO_OP());
        } catch (ReflectiveOperationException | RuntimeException e) {
            log.info("Debezium's metrics per event stay on, which costs speed: {}", e.toString());
        }
    }
}
