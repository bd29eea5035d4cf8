package vfio.pci.core;

import java.time.Duration;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/** What lets one transition of a device happen at a time, first come first. */
final class Transition {
    private final Semaphore turn = new Semaphore(1, true);
    private final Duration patience;

    Transition(Duration patience) {
        this.patience = patience;
    }

    /** Begins one. Returns false if the one that is on its way does not end in time. An interruption is kept for later. */
    boolean begin() {
        long end = System.nanoTime() + patience.toNanos();
        boolean interrupted = false;
        try {
            for (; ; ) {
                try {
                    return turn.tryAcquire(end - System.nanoTime(), TimeUnit.NANOSECONDS);
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    void end() {
        turn.release();
    }

    /** Whether one is on its way. */
    boolean isUnderWay() {
        return turn.availablePermits() == 0;
    }
}
