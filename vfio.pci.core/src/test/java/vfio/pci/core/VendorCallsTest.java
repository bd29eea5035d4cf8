package vfio.pci.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import vfio.pci.core.VendorCalls.StuckException;

@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class VendorCallsTest {
    private static final Duration LONG = Duration.ofSeconds(50);

    private final VendorCalls calls = new VendorCalls();
    private final CountDownLatch end = new CountDownLatch(1);
    private final List<String> late = new CopyOnWriteArrayList<>();

    @AfterEach
    void close() {
        end.countDown();
        calls.close();
    }

    @Test
    void answersWhatTheCallReturns() throws Exception {
        assertThat(calls.call("call", LONG, () -> "answer", late::add)).isEqualTo("answer");
        assertThat(late).isEmpty();
    }

    @Test
    void whatComesTooLateIsTakenByTheOther() {
        assertThatExceptionOfType(StuckException.class)
                .isThrownBy(() -> calls.call("slow call", Duration.ofMillis(20), this::stubborn, late::add))
                .withMessage("slow call did not return within 20 ms")
                .satisfies(stuck -> assertThat(stuck.report()).contains("VendorCallsTest.stubborn"));
        assertThat(late).isEmpty();
        end.countDown();
        Awaitility.await().until(() -> late.equals(List.of("slow")));
    }

    /** Some of these mean something to futures, but are just what a vendor throws. */
    @Test
    void whateverIsThrownIsTheCause() {
        for (Exception thrown : List.of(
                new CancellationException("given up"),
                new CompletionException("failed", new IOException()),
                new ExecutionException("failed", new IOException()),
                new TimeoutException("too slow"),
                new InterruptedException())) {
            assertThatExceptionOfType(ExecutionException.class)
                    .isThrownBy(() -> calls.call("call", LONG, () -> failing(thrown), late::add))
                    .satisfies(e -> assertThat(e.getCause()).isSameAs(thrown));
        }
    }

    @Test
    void whatIsThrownAtTheLastMomentIsTheCauseOrTooLate() throws Exception {
        Random random = new Random(1);
        int inTime = 0;
        for (int turn = 0; turn < 5_000; turn++) {
            CancellationException thrown = new CancellationException("given up");
            try {
                calls.call("call", Duration.ofNanos(random.nextInt(100_000)), () -> failing(thrown), late::add);
            } catch (ExecutionException e) {
                assertThat(e.getCause()).isSameAs(thrown);
                inTime++;
            } catch (StuckException e) {
                assertThat(e.report()).contains("call did not return within 0 ms");
            }
        }
        assertThat(inTime).isBetween(1, 4_999);
    }

    @Test
    void aCallIsNotLeftBehindBySomebodyWhoIsInterrupted() {
        try (Threads threads = new Threads()) {
            AtomicReference<String> answer = new AtomicReference<>();
            AtomicBoolean interrupted = new AtomicBoolean();
            Threads.Task waiting = threads.start("waiting", () -> {
                try {
                    answer.set(calls.call("slow call", LONG, this::stubborn, late::add));
                } catch (StuckException | ExecutionException e) {
                    throw new AssertionError(e);
                }
                interrupted.set(Thread.currentThread().isInterrupted());
            });
            waiting.awaitBlocked();
            waiting.interrupt();
            waiting.awaitBlocked();
            end.countDown();
            waiting.join();

            assertThat(answer).hasValue("slow");
            assertThat(interrupted).as("for whoever asks next").isTrue();
        }
    }

    /** A device that outlives the core for a moment must still be closed. */
    @Test
    void callsAreMadeAfterTheEndAndWhatIsDueLaterIsDropped() throws Exception {
        CountDownLatch ran = new CountDownLatch(1);
        calls.close();

        assertThat(calls.call("call", LONG, () -> "answer", late::add)).isEqualTo("answer");
        calls.soon(ran::countDown);
        ran.await();
        calls.after(Duration.ZERO, () -> late.add("due")).run();
        assertThat(late).isEmpty();
    }

    private static String failing(Exception thrown) throws Exception {
        throw thrown;
    }

    private String stubborn() {
        for (boolean ended = false; !ended; ) {
            try {
                end.await();
                ended = true;
            } catch (InterruptedException e) {
                // As stubborn as vendor code can be.
            }
        }
        return "slow";
    }
}
