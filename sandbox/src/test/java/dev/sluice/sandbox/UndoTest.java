package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class UndoTest {
    private final Undo undo = new Undo();
    private final Undo.Bag<Integer> bag = new Undo.Bag<>(undo);

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5})
    void aBagIsAsItWasAtTheSavepointWhateverWasAddedAndTaken(long seed) {
        Random random = new Random(seed);
        change(random, 20);
        undo.commit();
        List<Integer> committed = contents();
        change(random, 20);
        int savepoint = undo.savepoint();
        List<Integer> saved = contents();
        change(random, 50);

        undo.rollbackTo(savepoint);
        assertThat(contents()).isEqualTo(saved);

        undo.rollbackTo(0);
        assertThat(contents()).isEqualTo(committed);
    }

    private void change(Random random, int times) {
        for (int i = 0; i < times; i++) {
            if (bag.isEmpty() || random.nextInt(5) > 1) {
                bag.add(random.nextInt());
            } else {
                bag.take(random);
            }
        }
    }

    private List<Integer> contents() {
        List<Integer> contents = new ArrayList<>();
        bag.forEach(contents::add);
        return contents;
    }
}
