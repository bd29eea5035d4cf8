package mediate.i40e;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What a function and its driver do seldom, or in an order that the model of {@link DirtyTrackingTest} does not come to. */
class DirtyTrackingCasesTest {
    private static final int LENGTH = 32;

    /** Its head is where it was when it began. */
    @Test
    void interruptsOfAQueueThatWentRoundSinceItWasEnabled() {
        try (ModelFunction function = ModelFunction.scripted(Settings.Tracking.INTERRUPTS)) {
            function.start();
            function.open();
            function.take();
            function.report();
            function.report();
            function.send(8);
            function.take();
            function.receive(LENGTH - 1);
            function.clean();
            function.prepare(LENGTH / 2);
            function.commit();
            function.receive(1);
            function.report();
            function.stop();
        }
    }

    /** The host's counters alone tell: each slot that is noted holds what it held. */
    @Test
    void interruptsOfAQueueThatWentRoundAndHasTheBuffersOfBeforeAgain() {
        try (ModelFunction function = ModelFunction.scripted(Settings.Tracking.INTERRUPTS)) {
            function.bringUp();
            function.start();
            function.report();
            List<Integer> first = function.posted();
            List<Integer> others = function.pool();
            function.receive(LENGTH - 1);
            function.clean();
            function.post(others.subList(0, LENGTH - 1));
            function.receive(LENGTH - 1);
            function.clean();
            function.post(List.of(others.get(LENGTH), others.get(LENGTH + 1)));
            function.receive(2);
            function.clean();
            function.post(first);
            function.report();
        }
    }

    /** After the reset its admin transmit queue is where it was, and its head as if one message had been taken. */
    @Test
    void interruptsOfAQueueThatCameAndWentBetweenTwoLooks() {
        try (ModelFunction function = ModelFunction.scripted(Settings.Tracking.INTERRUPTS)) {
            function.start();
            function.report();
            function.bringUp();
            function.receive(5);
            function.send(2);
            function.take();
            function.drain();
            function.report();
            function.stop();
        }
    }

    /** Its slot holds something else already, and does not say so yet. */
    @Test
    void interruptsOfABufferThatIsWrittenWhileItIsNoted() {
        try (ModelFunction function = ModelFunction.scripted(Settings.Tracking.INTERRUPTS)) {
            function.bringUp();
            function.start();
            function.report();
            function.receive(LENGTH - 2);
            function.clean();
            function.prepare(4);
            function.commit();
            List<Runnable> steps = new ArrayList<>(List.of(
                    () -> {},
                    () -> {},
                    () -> {
                        function.receive(1);
                        function.queues().writeBuffer();
                    },
                    function.queues()::endBuffer));
            function.meanwhile(() -> {
                if (!steps.isEmpty()) {
                    steps.remove(0).run();
                }
            });
            function.report();
            assertThat(steps).isEmpty();
            function.meanwhile(() -> {});
            function.report();
            function.stop();
        }
    }

    /** What was written until then cannot be read any more. */
    @ParameterizedTest
    @EnumSource(Settings.Tracking.class)
    void memoryThatIsUnmappedMeanwhile(Settings.Tracking tracking) {
        try (ModelFunction function = ModelFunction.scripted(tracking)) {
            function.bringUp();
            function.start();
            function.report();
            function.receive(3);
            function.unmap();
            function.report();
            assertThat(function.counter("tracking.doubts")).isPositive();
            function.map();
            function.receive(3);
            function.report();
            function.clean();
            function.prepare(2);
            function.commit();
            function.receive(LENGTH);
            function.report();
            function.stop();
        }
    }

    /** Of a ring that was in use when tracking began, all slots are known. */
    @ParameterizedTest
    @EnumSource(Settings.Tracking.class)
    void buffersThatWerePostedBefore(Settings.Tracking tracking) {
        try (ModelFunction function = ModelFunction.scripted(tracking)) {
            function.bringUp();
            function.receive(LENGTH - 3);
            function.clean();
            function.prepare(5);
            function.commit();
            function.prepare(5);
            function.start();
            function.commit();
            function.receive(4);
            function.report();
            function.stop();
            assertThat(function.counter("tracking.doubts")).isZero();
        }
    }

    /** The tail of the ring to come says nothing about the one that the device still uses. */
    @Test
    void tailsOfADriverThatDoesNotWaitForTheEndOfAQueue() {
        try (ModelFunction function = ModelFunction.scripted(Settings.Tracking.TAILS)) {
            function.bringUp();
            function.start();
            function.receive(20);
            function.clean();
            function.prepare(11);
            function.commit();
            function.prepare(9);
            function.clear(19);
            function.report();
            function.send(9);
            function.announceTail(LENGTH - 1);
            function.report();
            function.receive(12);
            function.report();
            function.take();
            function.stop();
        }
    }
}
