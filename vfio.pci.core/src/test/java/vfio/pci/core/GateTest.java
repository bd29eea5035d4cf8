package vfio.pci.core;

import static java.time.Duration.ZERO;
import static org.assertj.core.api.Assertions.assertThat;
import static vfio.pci.core.Errors.assertRefused;

import java.time.Duration;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class GateTest {
    private static final int CALLERS = 4;

    /** Longer than any test may take: who waits that long was forgotten. */
    private static final Duration FOREVER = Duration.ofHours(1);

    private final Gate gate = new Gate();

    @Test
    void letsManyInAtOnce() {
        gate.enter();
        gate.enter();
        gate.exit();
        gate.exit();

        assertThat(gate.hold(ZERO)).isTrue();
    }

    @Test
    void holdGivesUpOnTimeAndHoldsAllTheSame() {
        gate.enter();

        assertThat(gate.hold(ZERO)).isFalse();
        try (Threads threads = new Threads()) {
            Threads.Task newcomer = threads.start("newcomer", this::pass).awaitBlocked();
            gate.exit();
            newcomer.awaitBlocked();
            gate.release();
        }
    }

    @Test
    void holdWaitsForThoseInside() {
        gate.enter();
        try (Threads threads = new Threads()) {
            AtomicBoolean drained = new AtomicBoolean();
            Threads.Task holder = threads.start("holder", () -> drained.set(gate.hold(FOREVER)));
            holder.awaitBlocked();
            gate.exit();
            holder.join();

            assertThat(drained).isTrue();
        }
    }

    @Test
    void heldNewcomersPassAfterRelease() {
        gate.hold(ZERO);
        try (Threads threads = new Threads()) {
            for (int caller = 0; caller < CALLERS; caller++) {
                threads.start("newcomer " + caller, this::pass).awaitBlocked();
            }
            gate.release();
        }
        assertThat(gate.hold(ZERO)).as("all have left").isTrue();
    }

    /** They need not have run for that, so it does not depend on who runs when. */
    @Test
    void allInLineAreInsideWhenReleaseReturns() {
        gate.hold(ZERO);
        CountDownLatch stay = new CountDownLatch(1);
        try (Threads threads = new Threads()) {
            for (int caller = 0; caller < CALLERS; caller++) {
                threads.start("in line " + caller, () -> {
                            gate.enter();
                            awaitDown(stay);
                            gate.exit();
                        })
                        .awaitBlocked();
            }
            gate.release();
            assertThat(gate.hold(ZERO)).as("nobody is inside").isFalse();
            Threads.Task newcomer = threads.start("newcomer", this::pass).awaitBlocked();
            stay.countDown();
            assertThat(gate.hold(FOREVER)).as("they have left").isTrue();
            newcomer.awaitBlocked();
            gate.release();
        }
    }

    @Test
    void shutRefusesNewcomersForGood() {
        assertThat(gate.shut("closed", ZERO)).isTrue();

        assertThat(gate.isShut()).isTrue();
        assertRefused(Errno.ENODEV, gate::enter);
        gate.release();
        assertRefused(Errno.ENODEV, gate::enter);
        assertThat(gate.hold(ZERO)).as("the refused are not counted").isTrue();
    }

    @Test
    void shutRefusesThoseWhoWaitAtTheGate() {
        gate.hold(ZERO);
        try (Threads threads = new Threads()) {
            threads.start("newcomer", () -> assertRefused(Errno.ENODEV, gate::enter))
                    .awaitBlocked();
            gate.shut("closed", ZERO);
        }
    }

    @Test
    void shutWaitsForThoseInside() {
        gate.enter();
        assertThat(gate.shut("closed", ZERO)).isFalse();
        try (Threads threads = new Threads()) {
            Threads.Task closer = threads.start(
                    "closer", () -> assertThat(gate.shut("closed", FOREVER)).isTrue());
            closer.awaitBlocked();
            gate.exit();
        }
    }

    @Test
    void interruptionIsKeptForLaterAndDoesNotEndTheWait() {
        gate.enter();
        try (Threads threads = new Threads()) {
            Threads.Task holder = threads.start("holder", () -> {
                assertThat(gate.hold(FOREVER)).isTrue();
                assertThat(Thread.currentThread().isInterrupted()).isTrue();
            });
            holder.awaitBlocked();
            holder.interrupt();
            gate.exit();
        }
    }

    @Test
    void costsNoAllocation() {
        assertThat(Allocation.bytes(this::pass)).isZero();
    }

    /** Whoever is inside between the end of hold and release is a violation; a lost wake-up leaves a caller behind. */
    @Test
    void nobodyIsInsideWhileItIsHeldAndNobodyIsLost() {
        AtomicInteger inside = new AtomicInteger();
        AtomicInteger passed = new AtomicInteger();
        AtomicBoolean drained = new AtomicBoolean();
        AtomicBoolean enough = new AtomicBoolean();
        try (Threads threads = new Threads()) {
            for (int caller = 0; caller < CALLERS; caller++) {
                threads.start("caller " + caller, () -> {
                    while (!enough.get()) {
                        passObserved(inside, drained);
                        passed.incrementAndGet();
                    }
                });
            }
            try {
                for (int round = 0; round < 200; round++) {
                    boolean patient = round % 4 != 0;
                    if (gate.hold(patient ? FOREVER : ZERO)) {
                        drained.set(true);
                        for (int look = 0; look < 50; look++) {
                            assertThat(inside).hasValue(0);
                        }
                        drained.set(false);
                    } else {
                        assertThat(patient).as("gave up on callers that leave").isFalse();
                    }
                    int seen = passed.get();
                    gate.release();
                    awaitProgress(passed, seen);
                }
            } finally {
                enough.set(true);
                gate.release();
            }
        }
        assertThat(gate.hold(ZERO)).as("everybody has left").isTrue();
    }

    /**
     * Holds and releases as fast as it goes, so that a caller who looked at an open gate and goes through a held one can be
     * caught in the act. On two busy processors a gate that looks first and counts later is caught in about every second run.
     */
    @Test
    void nobodySlipsThroughWhileTheGateIsBeingHeld() {
        AtomicBoolean drained = new AtomicBoolean();
        AtomicBoolean enough = new AtomicBoolean();
        AtomicInteger slipped = new AtomicInteger();
        Random pause = new Random(1);
        int holds = 0;
        try (Threads threads = new Threads()) {
            for (int caller = 0; caller < 2; caller++) {
                threads.start("caller " + caller, () -> {
                    while (!enough.get()) {
                        gate.enter();
                        slipped.addAndGet(drained.get() ? 1 : 0);
                        gate.exit();
                    }
                });
            }
            for (long end = System.nanoTime() + 1_500_000_000L; System.nanoTime() < end; ) {
                if (gate.hold(ZERO)) {
                    holds++;
                    drained.set(true);
                    spin(20);
                    drained.set(false);
                }
                gate.release();
                spin(pause.nextInt(300));
            }
            enough.set(true);
        }
        assertThat(slipped).hasValue(0);
        assertThat(holds).isPositive();
    }

    /** Each round ends with all callers refused, some inside, some at the held gate, some on their way. */
    @Test
    void shutEmptiesTheDeviceWhateverGoesOn() {
        for (int round = 0; round < 50; round++) {
            Gate used = new Gate();
            AtomicInteger inside = new AtomicInteger();
            CountDownLatch started = new CountDownLatch(CALLERS);
            try (Threads threads = new Threads()) {
                for (int caller = 0; caller < CALLERS; caller++) {
                    threads.start("caller " + caller, () -> {
                        started.countDown();
                        try {
                            for (; ; ) {
                                used.enter();
                                inside.incrementAndGet();
                                inside.decrementAndGet();
                                used.exit();
                            }
                        } catch (VfioException expected) {
                            assertThat(expected.errno()).isEqualTo(Errno.ENODEV);
                        }
                    });
                }
                Threads.Task holder = threads.start("holder", () -> {
                    used.hold(FOREVER);
                    used.release();
                });
                awaitDown(started);
                if (round % 2 == 0) {
                    holder.join();
                }
                assertThat(used.shut("closed", FOREVER)).isTrue();
                assertThat(inside).hasValue(0);
            }
        }
    }

    private void passObserved(AtomicInteger inside, AtomicBoolean drained) {
        gate.enter();
        try {
            inside.incrementAndGet();
            assertThat(drained.get()).as("inside while held").isFalse();
            inside.decrementAndGet();
        } finally {
            gate.exit();
        }
    }

    private static void awaitProgress(AtomicInteger passed, int seen) {
        long deadline = System.nanoTime() + Threads.PATIENCE.toNanos();
        while (passed.get() == seen) {
            assertThat(System.nanoTime()).as("callers are stuck").isLessThan(deadline);
            Thread.onSpinWait();
        }
    }

    private static void spin(int times) {
        for (int count = 0; count < times; count++) {
            Thread.onSpinWait();
        }
    }

    private void pass() {
        gate.enter();
        gate.exit();
    }

    private static void awaitDown(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
