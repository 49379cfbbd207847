package dev.sluice.apply;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.catalog.ForeignKey;
import dev.sluice.schemas.TableId;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class TableOrderTest {
    private static final TableId A = TableId.parse("a");
    private static final TableId B = TableId.parse("b");
    private static final TableId C = TableId.parse("c");

    @Test
    void parentsComeBeforeTheirChildren() {
        TableOrder order = new TableOrder(List.of(A, B, C), List.of(key(A, B), key(B, C)));

        assertThat(sorted(order, A, B, C)).containsExactly(C, B, A);
    }

    @Test
    void aTableThatRefersToItselfIsItsOwnMatter() {
        TableOrder order = new TableOrder(List.of(A, B), List.of(key(A, A), key(A, B)));

        assertThat(sorted(order, A, B)).containsExactly(B, A);
    }

    @Test
    void aCircleHasAnOrderAllTheSameAndKeepsIt() {
        TableOrder order = new TableOrder(List.of(A, B, C), List.of(key(A, B), key(B, A), key(C, A)));

        assertThat(sorted(order, A, B, C)).isEqualTo(sorted(order, C, B, A)).endsWith(C);
    }

    @Test
    void ancestorsAreFoundThroughEveryGeneration() {
        TableOrder order = new TableOrder(List.of(A, B, C), List.of(key(A, B), key(B, C), key(B, B)));

        assertThat(order.withAncestors(List.of(B))).containsExactlyInAnyOrder(B, C);
    }

    private static List<TableId> sorted(TableOrder order, TableId... tables) {
        return Stream.of(tables).sorted(order.parentsFirst()).toList();
    }

    private static ForeignKey key(TableId child, TableId parent) {
        return new ForeignKey(child + "_" + parent, child, parent, false);
    }
}
