package dev.sluice.reconciler;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.schemas.TableId;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Test;

class TouchedProgressTest {
    private static final TableId TABLE = TableId.parse("public.item");

    private final TouchedKeys keys = new TouchedKeys(List.of(TABLE));
    private final TouchedProgress progress = new TouchedProgress(keys);

    @Test
    void aPlaceIsVerifiedOnceEverythingUpToItHasBeenReadAndNothingOfItIsPending() {
        TouchLog.Start place = place(100); // one partition was read up to number 100, another one up to 50

        assertThat(progress.verifiedTo(place, 50)).isEmpty();

        touched(51);

        assertThat(progress.verifiedTo(place(120), 120)).isEmpty();

        keys.verified(TABLE, "{\"id\":1}", 51);

        assertThat(progress.verifiedTo(place(121), 121)).contains(place(121));
    }

    @Test
    void placesOfAnotherNumberingAreForgotten() {
        progress.verifiedTo(place(100), 50);

        assertThat(progress.verifiedTo(new TouchLog.Start(2, 10, Map.of()), 9)).isEmpty();
    }

    private void touched(long seq) {
        keys.touched(new Touch(seq, 1, TABLE, "{\"id\":1}", ""));
    }

    private static TouchLog.Start place(long seq) {
        return new TouchLog.Start(1, seq, Map.of(new TopicPartition("item", 0), seq));
    }
}
