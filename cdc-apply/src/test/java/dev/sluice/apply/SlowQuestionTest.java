package dev.sluice.apply;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayDeque;
import java.util.Queue;
import org.junit.jupiter.api.Test;

class SlowQuestionTest {
    private final Queue<Runnable> thread = new ArrayDeque<>();

    @Test
    void whoLooksDoesNotWaitAndGetsTheAnswerOnce() {
        SlowQuestion<String> question = new SlowQuestion<>("who", thread::add, () -> "me");

        assertThat(question.look()).isEmpty();
        assertThat(question.look()).isEmpty();
        assertThat(thread).hasSize(1);
        thread.remove().run();

        assertThat(question.look()).contains("me");
        assertThat(question.look()).isEmpty();
    }

    @Test
    void aFailureIsNoAnswerAndAnErrorIsPassedOn() {
        SlowQuestion<String> question = new SlowQuestion<>("who", thread::add, () -> {
            throw new IllegalStateException("nobody");
        });
        SlowQuestion<String> ill = new SlowQuestion<>("who", thread::add, () -> {
            throw new OutOfMemoryError("heap");
        });

        question.look();
        thread.remove().run();
        ill.look();
        thread.remove().run();

        assertThat(question.look()).isEmpty();
        assertThatThrownBy(ill::look).isInstanceOf(OutOfMemoryError.class);
    }
}
