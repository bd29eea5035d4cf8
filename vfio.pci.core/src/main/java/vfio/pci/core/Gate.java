package vfio.pci.core;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * Counts the calls inside a device and can hold new ones back until those inside have left.
 *
 * <p>Open: everybody passes at the cost of one compare-and-set. Held: newcomers wait in line. Shut: newcomers fail with
 * ENODEV, for good. When a held gate is released, all in line are inside by one step, before anybody else gets in. They are
 * woken first come first; which of them then runs first is up to the scheduler. No lock is held while a caller is inside.
 */
final class Gate {
    private static final long SHUT = 1L << 63;
    private static final long HELD = 1L << 62;
    private static final long CALLS = HELD - 1;
    private static final int TRACES = 16;

    private final AtomicLong state = new AtomicLong();
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition emptied = lock.newCondition();
    private final Queue<Waiter> line = new ArrayDeque<>();
    private volatile String shutReason = "the device has been closed";

    /** Who is inside, for reports only: written without ordering, and two threads may share a place. */
    private final @Nullable Thread[] traces = new Thread[TRACES];

    private final class Waiter {
        private final Condition turn = lock.newCondition();
        private boolean admitted;
    }

    /** Goes in; waits while the gate is held. Pair with {@link #exit}. */
    void enter() {
        long seen = state.get();
        while ((seen & ~CALLS) == 0) {
            if (state.compareAndSet(seen, seen + 1)) {
                trace();
                return;
            }
            seen = state.get();
        }
        awaitAdmission();
        trace();
    }

    /** Goes in if that is possible at once. Pair with {@link #exit} if it is. */
    boolean tryEnter() {
        long seen = state.get();
        while ((seen & ~CALLS) == 0) {
            if (state.compareAndSet(seen, seen + 1)) {
                trace();
                return true;
            }
            seen = state.get();
        }
        return false;
    }

    /** Goes out. */
    void exit() {
        Thread thread = Thread.currentThread();
        int place = place(thread);
        if (traces[place] == thread) {
            traces[place] = null;
        }
        long left = state.decrementAndGet();
        if ((left & ~CALLS) != 0 && (left & CALLS) == 0) {
            tellEmptied();
        }
    }

    /**
     * Holds newcomers back and waits for those inside.
     *
     * @return whether everybody left in time; if not, the gate is held all the same
     */
    boolean hold(Duration patience) {
        state.updateAndGet(seen -> seen | HELD);
        return awaitEmpty(patience);
    }

    /** Lets those in line in, then newcomers. */
    void release() {
        lock.lock();
        try {
            int waiting = (state.get() & SHUT) == 0 ? line.size() : 0;
            // One step, so that no newcomer comes in between.
            state.updateAndGet(seen -> (seen & ~HELD) + waiting);
            for (int admitted = 0; admitted < waiting; admitted++) {
                Waiter next = line.remove();
                next.admitted = true;
                next.turn.signal();
            }
        } finally {
            lock.unlock();
        }
    }

    /**
     * Refuses newcomers and those in line for good, and waits for those inside.
     *
     * @param reason what whoever is refused is told
     * @return whether everybody left in time
     */
    boolean shut(String reason, Duration patience) {
        if (!isShut()) {
            shutReason = reason;
        }
        state.updateAndGet(seen -> seen | SHUT);
        lock.lock();
        try {
            line.forEach(waiter -> waiter.turn.signal());
        } finally {
            lock.unlock();
        }
        return awaitEmpty(patience);
    }

    /** Whether {@link #shut} was called. */
    boolean isShut() {
        return (state.get() & SHUT) != 0;
    }

    /** What to say if calls did not leave in time: how long that was, and where the threads are, as far as it is known. */
    String report(Duration patience) {
        return "calls did not return within " + patience.toMillis() + " ms"
                + Arrays.stream(traces)
                        .filter(Objects::nonNull)
                        .distinct()
                        .map(VendorCalls::stack)
                        .collect(Collectors.joining());
    }

    private void awaitAdmission() {
        lock.lock();
        try {
            Waiter waiter = new Waiter();
            for (; ; ) {
                long seen = state.get();
                if ((seen & SHUT) != 0) {
                    throw new VfioException(Errno.ENODEV, shutReason);
                }
                if ((seen & HELD) != 0) {
                    break;
                }
                if (state.compareAndSet(seen, seen + 1)) {
                    return;
                }
            }
            line.add(waiter);
            while (!waiter.admitted) {
                if (isShut()) {
                    line.remove(waiter);
                    throw new VfioException(Errno.ENODEV, shutReason);
                }
                waiter.turn.awaitUninterruptibly();
            }
        } finally {
            lock.unlock();
        }
    }

    private boolean awaitEmpty(Duration patience) {
        long left = patience.toNanos();
        boolean interrupted = false;
        lock.lock();
        try {
            while ((state.get() & CALLS) != 0) {
                if (left <= 0) {
                    return false;
                }
                try {
                    left = emptied.awaitNanos(left);
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
            return true;
        } finally {
            lock.unlock();
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private void tellEmptied() {
        lock.lock();
        try {
            emptied.signalAll();
        } finally {
            lock.unlock();
        }
    }

    private void trace() {
        Thread thread = Thread.currentThread();
        traces[place(thread)] = thread;
    }

    private static int place(Thread thread) {
        return System.identityHashCode(thread) & (TRACES - 1);
    }
}
