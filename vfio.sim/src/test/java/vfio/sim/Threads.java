package vfio.sim;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.awaitility.Awaitility;

/** Threads of tests. */
final class Threads {
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final Set<Thread.State> AT_REST =
            EnumSet.of(Thread.State.BLOCKED, Thread.State.WAITING, Thread.State.TIMED_WAITING, Thread.State.TERMINATED);

    private Threads() {}

    static Thread start(Runnable work) {
        Thread thread = new Thread(work, "test");
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    /** Waits until a thread waits for something, or has ended. */
    static void awaitRest(Thread thread) {
        Awaitility.await().pollDelay(Duration.ZERO).atMost(PATIENCE).until(() -> AT_REST.contains(thread.getState()));
    }

    static void awaitEnd(Thread thread) {
        Awaitility.await().pollDelay(Duration.ZERO).atMost(PATIENCE).until(() -> !thread.isAlive());
    }

    static void await(CountDownLatch latch) {
        try {
            assertThat(latch.await(PATIENCE.toSeconds(), TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
