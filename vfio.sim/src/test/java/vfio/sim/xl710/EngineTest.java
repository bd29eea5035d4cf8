package vfio.sim.xl710;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class EngineTest {
    private final AtomicInteger polls = new AtomicInteger();
    private final AtomicInteger work = new AtomicInteger();
    private volatile boolean needsPolling;
    private volatile boolean held;
    private final Engine engine = new Engine("test engine", this::poll, () -> needsPolling);

    @AfterEach
    void close() {
        engine.close();
    }

    private boolean poll() {
        polls.incrementAndGet();
        if (work.get() < 0) {
            throw new IllegalStateException("a defect");
        }
        return work.getAndUpdate(left -> Math.max(0, left - 1)) > 0;
    }

    @Test
    void sleepsForEverIfEverythingIsRungFor() {
        awaitRest();
        work.set(3);
        engine.ring();
        TestDriver.await("work").until(() -> work.get() == 0);
    }

    @Test
    void looksByItselfIfThatIsNeeded() {
        needsPolling = true;
        engine.ring();
        awaitRestOrNaps();
        work.set(3);
        TestDriver.await("work").until(() -> work.get() == 0);
    }

    @Test
    void looksSeldomAfterAWhile() {
        needsPolling = true;
        engine.ring();
        long start = System.nanoTime();
        TestDriver.await("idle").until(() -> System.nanoTime() - start > 200_000_000L);
        int before = polls.get();
        long from = System.nanoTime();
        TestDriver.await("idle").until(() -> System.nanoTime() - from > 200_000_000L);

        // Two looks a sleep, a sleep of 1 ms or more.
        assertThat(polls.get() - before).isBetween(2, 600);
    }

    @Test
    void doesWhatItIsAskedForOnItsOwnThread() {
        AtomicReference<Thread> thread = new AtomicReference<>();
        engine.call(() -> engine.call(() -> thread.set(Thread.currentThread())));
        assertThat(thread.get().getName()).isEqualTo("test engine");
        assertThatThrownBy(() -> engine.call(() -> {
                    throw new IllegalArgumentException("no");
                }))
                .hasRootCauseMessage("no");
    }

    @Test
    void aQuestionThatIsNotAnsweredInTimeFailsAndIsForgotten() {
        assertThat(engine.ask(() -> Thread.currentThread().getName())).isEqualTo("test engine");
        assertThat(engine.<Boolean>ask(() -> engine.ask(() -> true))).isTrue();
        CountDownLatch go = new CountDownLatch(1);
        AtomicInteger asked = new AtomicInteger();
        Thread holdingUp = new Thread(() -> engine.call(() -> await(go)));
        holdingUp.start();
        TestDriver.await("hold-up").until(() -> held);
        assertThatThrownBy(() -> engine.ask(asked::incrementAndGet))
                .isInstanceOfSatisfying(
                        VfioException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EIO));
        go.countDown();
        assertThat(engine.<Boolean>ask(() -> true)).isTrue();
        assertThat(asked).hasValue(0);
    }

    @Test
    void aRefusalIsToldAsItIs() {
        VfioException refusal = new VfioException(Errno.EBUSY, "no");
        assertThatThrownBy(() -> engine.ask(() -> {
                    throw refusal;
                }))
                .isSameAs(refusal);
    }

    private void await(CountDownLatch latch) {
        held = true;
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void survivesADefect() {
        awaitRest();
        work.set(-1);
        int before = polls.get();
        engine.ring();
        TestDriver.await("polls").until(() -> polls.get() > before);
        work.set(1);
        engine.ring();
        TestDriver.await("work").until(() -> work.get() == 0);
    }

    @Test
    void whatItIsAskedForAfterCloseIsDoneByTheCaller() {
        engine.close();
        engine.close();
        AtomicInteger ran = new AtomicInteger();
        engine.call(ran::incrementAndGet);
        assertThat(ran).hasValue(1);
    }

    private void awaitRest() {
        awaitRestOrNaps();
        TestDriver.await("rest").until(() -> {
            int before = polls.get();
            long from = System.nanoTime();
            while (System.nanoTime() - from < 20_000_000) {
                Thread.onSpinWait();
            }
            return polls.get() == before;
        });
    }

    private void awaitRestOrNaps() {
        TestDriver.await("polls").until(() -> polls.get() > 200);
    }
}
