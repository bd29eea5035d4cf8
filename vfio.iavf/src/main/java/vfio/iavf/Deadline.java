package vfio.iavf;

import java.time.Duration;
import java.util.concurrent.locks.LockSupport;

/** A point in time until which something must have happened. */
final class Deadline {
    /** Short against anything a driver waits for, long enough not to take a CPU from the device. */
    private static final long PAUSE_NANOS = 20_000;

    private final long start = System.nanoTime();
    private final Duration limit;

    private Deadline(Duration limit) {
        this.limit = limit;
    }

    static Deadline in(Duration limit) {
        return new Deadline(limit);
    }

    boolean expired() {
        return System.nanoTime() - start >= limit.toNanos();
    }

    Duration remaining() {
        return limit.minusNanos(System.nanoTime() - start);
    }

    /** Between two looks at something that does not signal. */
    void pause() {
        LockSupport.parkNanos(this, PAUSE_NANOS);
    }

    @Override
    public String toString() {
        return limit.toMillis() + " ms";
    }
}
