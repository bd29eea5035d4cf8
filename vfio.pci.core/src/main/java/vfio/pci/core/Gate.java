package vfio.pci.core;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * Counts the calls inside a device and can hold new ones back until those inside have left.
 *
 * <p>Open: everybody passes at the cost of one compare-and-set. Held: newcomers wait. Shut: newcomers fail with ENODEV, for
 * good. No lock is held while a caller is inside.
 */
final class Gate {
    private static final long SHUT = 1L << 63;
    private static final long HELD = 1L << 62;
    private static final long CALLS = HELD - 1;

    private final AtomicLong state = new AtomicLong();
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();

    /** Goes in; waits while the gate is held. Pair with {@link #exit}. */
    void enter() {
        for (; ; ) {
            long seen = state.get();
            if ((seen & ~CALLS) != 0) {
                awaitOpen();
            } else if (state.compareAndSet(seen, seen + 1)) {
                return;
            }
        }
    }

    /** Goes out. */
    void exit() {
        long left = state.decrementAndGet();
        if ((left & ~CALLS) != 0 && (left & CALLS) == 0) {
            wakeAll();
        }
    }

    /**
     * Holds newcomers back and waits for those inside.
     *
     * @return whether everybody left in time; if not, the gate is held all the same
     */
    boolean hold(Duration patience) {
        set(HELD);
        return awaitEmpty(patience);
    }

    /** Lets newcomers pass again. */
    void release() {
        state.updateAndGet(seen -> seen & ~HELD);
        wakeAll();
    }

    /**
     * Refuses newcomers for good and waits for those inside.
     *
     * @return whether everybody left in time
     */
    boolean shut(Duration patience) {
        set(SHUT);
        wakeAll();
        return awaitEmpty(patience);
    }

    /** Whether {@link #shut} was called. */
    boolean isShut() {
        return (state.get() & SHUT) != 0;
    }

    private void set(long flag) {
        state.updateAndGet(seen -> seen | flag);
    }

    private void awaitOpen() {
        lock.lock();
        try {
            while ((state.get() & ~CALLS) == HELD) {
                changed.awaitUninterruptibly();
            }
        } finally {
            lock.unlock();
        }
        if (isShut()) {
            throw new VfioException(Errno.ENODEV, "the device has been closed");
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
                    left = changed.awaitNanos(left);
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

    private void wakeAll() {
        lock.lock();
        try {
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }
}
