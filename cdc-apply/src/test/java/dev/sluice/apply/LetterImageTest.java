package dev.sluice.apply;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sluice.schemas.Failure;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;

class LetterImageTest {
    private static final String EVENT =
            """
            {"before":null,"after":{"id":9007199254740993,"ok":true,"note":"a","total":"0.10","gone":null},"unchanged":["doc"],\
            "op":"u","source":{"schema":"public","table":"t"}}""";

    @Test
    void whatIsEditedTakesThePlaceOfTheRowAndNothingElseChanges() {
        byte[] edited = read(EVENT)
                .with("{\"gone\": \"x\", \"total\": \"0.10\", \"note\": null, \"ok\": true, \"id\": 9007199254740993}", List.of("id"))
                .orElseThrow();

        assertThat(new String(edited, StandardCharsets.UTF_8))
                .isEqualTo(EVENT.replace("\"note\":\"a\"", "\"note\":null").replace("\"gone\":null", "\"gone\":\"x\""));
    }

    @Test
    void theTextForTheEditorIsTheSameRow() {
        LetterImage image = read(EVENT);

        assertThat(image.with(image.text(), List.of("id"))).isEmpty();
        assertThat(image.values()).containsEntry("id", "9007199254740993").containsEntry("gone", null);
    }

    @Test
    void aRowThatIsNoneIsNamedWithoutItsValues() {
        refuses("{\"id\": 1, \"id\": 1}", "it is no JSON");
        refuses("canary", "it is no JSON, line 1");
        refuses("{\"canary\": 1} x", "it is no JSON");
        refuses("\"canary\"", "it is no JSON object");
        refuses("{\"id\":9007199254740993,\"ok\":[\"canary\"],\"note\":\"canary\",\"total\":\"0\",\"gone\":null}", "column 'ok' is a list");
        refuses("{\"id\":9007199254740992,\"ok\":true,\"note\":\"canary\",\"total\":\"0\",\"gone\":null}", "key column 'id'");
    }

    private static void refuses(String text, String why) {
        assertThatThrownBy(() -> read(EVENT).with(text, List.of("id")))
                .isInstanceOf(Failure.Fatal.class)
                .hasMessageContaining(why)
                .message()
                .doesNotContain("canary");
    }

    @Test
    void whatHoldsNoRowHasNoImage() {
        assertThat(LetterImage.read(null)).isEmpty();
        assertThat(LetterImage.read("{\"op\":\"d\",\"after\":null}".getBytes(StandardCharsets.UTF_8))).isEmpty();
        assertThat(LetterImage.read("no event".getBytes(StandardCharsets.UTF_8))).isEmpty();
    }

    private static LetterImage read(String event) {
        return LetterImage.read(event.getBytes(StandardCharsets.UTF_8)).orElseThrow();
    }
}
