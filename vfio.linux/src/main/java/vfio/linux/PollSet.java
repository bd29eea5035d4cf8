package vfio.linux;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** {@code struct pollfd} packed into one {@code long} each, as it lies in little-endian memory. */
final class PollSet {
    private static final int EVENTS = 32;
    private static final int REVENTS = 48;

    /** Beyond it, waiting is without end for all purposes and its nanoseconds still fit a {@code long}. */
    private static final Duration LONGEST = Duration.ofDays(36_500);

    private PollSet() {}

    /** An entry that waits for input, the end of the stream or an error. */
    static long entry(int fd) {
        return entry(fd, Linux.POLLIN);
    }

    /** An entry that waits for the given events or an error. */
    static long entry(int fd, int events) {
        return (fd & 0xffff_ffffL) | ((long) events << EVENTS);
    }

    static boolean isReady(long entry) {
        return entry >>> REVENTS != 0;
    }

    /**
     * Waits until an entry is ready.
     *
     * @param timeout rounded up to milliseconds; null waits without end
     * @return whether one is
     */
    static boolean await(long[] entries, @Nullable Duration timeout) {
        if (timeout == null) {
            return await(entries, Long.MAX_VALUE, 0);
        }
        Duration bounded = timeout.compareTo(LONGEST) > 0 ? LONGEST : timeout;
        return await(entries, Math.max(0, bounded.toNanos()), System.nanoTime());
    }

    private static boolean await(long[] entries, long nanoseconds, long start) {
        while (true) {
            long left = nanoseconds == Long.MAX_VALUE ? -1 : Math.max(0, nanoseconds - (System.nanoTime() - start));
            int milliseconds = left < 0 ? -1 : (int) Math.min(Integer.MAX_VALUE, (left + 999_999) / 1_000_000);
            int ready = Libc.poll(entries, entries.length, milliseconds);
            if (ready > 0) {
                return true;
            }
            if (ready < 0 && Libc.errno() != Linux.EINTR) {
                throw Failures.last("waiting for " + entries.length + " file descriptors");
            }
            if (ready == 0 && milliseconds < Integer.MAX_VALUE) {
                return false;
            }
        }
    }
}
