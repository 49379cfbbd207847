package dev.sluice.schemas;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ValuesTest {

    @ParameterizedTest
    @ValueSource(strings = {"0/0", "16/B374D848", "FFFFFFFF/FFFFFFFF", "1/A"})
    void anLsnIsReadAndWrittenAsTheServerDoes(String text) {
        assertThat(Lsn.parse(text)).hasToString(text);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "0", "16/", "/1", "16/B374D8480", "1/G", "1/2/3"})
    void whatIsNoLsnIsRefused(String text) {
        assertThatIllegalArgumentException().isThrownBy(() -> Lsn.parse(text)).withMessageContaining("'" + text + "'");
    }

    @Test
    void lsnsAreOrderedAsUnsignedNumbers() {
        assertThat(Lsn.parse("FFFFFFFF/0")).isGreaterThan(Lsn.parse("0/1"));
    }

    @Test
    void aTableIsReadWithAndWithoutQuotes() {
        assertThat(TableId.parse("orders")).isEqualTo(new TableId("public", "orders"));
        assertThat(TableId.parse("sales.orders")).isEqualTo(new TableId("sales", "orders"));
        assertThat(TableId.parse("\"odd.schema\".\"a \"\"b\"\"\"")).isEqualTo(new TableId("odd.schema", "a \"b\""));
    }

    @Test
    void aTablesTextIsReadBackAsTheSameTable() {
        for (TableId table : List.of(
                new TableId("public", "orders"), new TableId("a.b", "c\"d"), new TableId("Übersicht", "é 🙂"))) {
            assertThat(TableId.parse(table.toString())).isEqualTo(table);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", ".", "a.", ".b", "a.b.c", "\"a", "a.\"b"})
    void whatIsNoTableIsRefused(String text) {
        assertThatIllegalArgumentException().isThrownBy(() -> TableId.parse(text));
    }

    @Test
    void namesInSqlCannotEndTheirQuotes() {
        assertThat(new TableId("a", "b\"; drop table c; --").quoted()).isEqualTo("\"a\".\"b\"\"; drop table c; --\"");
    }

    @Test
    void topicNamesHoldOnlyWhatKafkaAllows() {
        assertThat(new TopicNames("shop").change(new TableId("a.b", "Ö x"))).isEqualTo("shop.a_u002eb._u00d6_u0020x");
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 9, 10, 1_795_368_778L, Long.MAX_VALUE, -1})
    void numbersInHeadersAreReadBack(long number) {
        byte[] text = Headers.number(number);

        assertThat(new String(text, StandardCharsets.US_ASCII)).isEqualTo(Long.toUnsignedString(number));
        assertThat(Headers.number(text)).isEqualTo(number);
    }

    @Test
    void aHeaderThatIsNoNumberIsRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> Headers.number(Headers.text("12a")));
        assertThatIllegalArgumentException().isThrownBy(() -> Headers.number((byte[]) null));
    }

    @Test
    void aCheckpointIsReadBack() {
        Checkpoint checkpoint = new Checkpoint(
                Checkpoint.State.RUNNING,
                7,
                42,
                Lsn.parse("16/B374D848"),
                "7711050162213198532",
                3,
                List.of(new TableId("public", "orders"), new TableId("odd.schema", "x")),
                Map.of("shop.control", "JeItCbIMT72NjlnciFWxQg"),
                Map.of("sluice_shop_main", "16433/742", "public.orders", "16390/16434"));

        assertThat(Checkpoint.fromJson(checkpoint.toJson())).isEqualTo(checkpoint);
    }

    @Test
    void aBrokenCheckpointIsRefusedRatherThanGuessed() {
        assertThatIllegalArgumentException().isThrownBy(() -> Checkpoint.fromJson(Headers.text("{\"epoch\":1}")));
        assertThatIllegalArgumentException().isThrownBy(() -> Checkpoint.fromJson(Headers.text("nonsense")));
    }

    @Test
    void controlRecordsAreReadBack() {
        ControlRecord marker = new ControlRecord.Marker("{\"kind\":\"heartbeat\"}");
        ControlRecord start =
                new ControlRecord.EpochStart(5, Lsn.parse("0/1753AD8"), List.of(new TableId("public", "t")));

        assertThat(ControlRecord.fromJson(marker.toJson())).isEqualTo(marker);
        assertThat(ControlRecord.fromJson(start.toJson())).isEqualTo(start);
    }
}
