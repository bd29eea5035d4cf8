package vfio.migration;

import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** How fast bytes go: holds back those that would go too fast, and knows how long others will take. For one thread. */
final class Pace {
    private static final long NANOS = TimeUnit.SECONDS.toNanos(1);

    /** No wait is longer than this, so that a move can be cancelled. */
    private static final long WAIT_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    private final long limit;
    private final long start = System.nanoTime();
    private long bytes;

    /** @param limit bytes per second, 0 for none */
    Pace(long limit) {
        this.limit = limit;
    }

    /** So many have gone. */
    void sent(long count) {
        bytes += count;
    }

    /** Waits until more may go, or a moment; returns whether they may. */
    boolean mayGoOn() {
        if (limit == 0) {
            return true;
        }
        long ahead = (long) ((double) bytes / limit * NANOS) - (System.nanoTime() - start);
        if (ahead <= 0) {
            return true;
        }
        LockSupport.parkNanos(Math.min(ahead, WAIT_NANOS));
        return ahead <= WAIT_NANOS;
    }

    /** How long so many bytes will take, as far as can be told from those that went. */
    Duration time(long count) {
        long elapsed = Math.max(1, System.nanoTime() - start);
        return bytes == 0 ? Duration.ZERO : Duration.ofNanos((long) ((double) count / bytes * elapsed));
    }
}
