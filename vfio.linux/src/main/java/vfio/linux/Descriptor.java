package vfio.linux;

import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * Owns one file descriptor.
 *
 * <p>Close may come at any time from any thread. If another thread is inside a system call on the descriptor, the kernel's
 * descriptor is closed when the last such thread leaves. A thread that blocks is not woken by close; the objects built on
 * top of descriptors know how to wake theirs. Safe for use by several threads.
 */
public final class Descriptor implements AutoCloseable {
    private static final int CLOSED = Integer.MIN_VALUE;

    private final int number;
    private final @Nullable NativeBuffer block;
    /** Number of threads inside system calls, plus {@link #CLOSED}. */
    private final AtomicInteger state = new AtomicInteger();

    Descriptor(int number) {
        this(number, null);
    }

    /**
     * @param block memory that system calls on this descriptor use, freed together with it
     */
    Descriptor(int number, @Nullable NativeBuffer block) {
        this.number = number;
        this.block = block;
    }

    /**
     * Another descriptor of the same open file.
     *
     * @return the duplicate, owned by the caller
     * @throws VfioException EBADF after close; EMFILE
     */
    public Descriptor duplicate() {
        return new Descriptor(duplicateNumber());
    }

    /** The number of a duplicate, owned by the caller. */
    int duplicateNumber() {
        int fd = acquire();
        try {
            int copy = Libc.fcntl(fd, Linux.F_DUPFD_CLOEXEC, 0);
            if (copy < 0) {
                throw Failures.last("duplicating a file descriptor");
            }
            return copy;
        } finally {
            release();
        }
    }

    /** Whether it was closed. */
    public boolean isClosed() {
        return state.get() < 0;
    }

    /** Idempotent. */
    @Override
    public void close() {
        int users;
        do {
            users = state.get();
            if (users < 0) {
                return;
            }
        } while (!state.compareAndSet(users, users | CLOSED));
        if (users == 0) {
            destroy();
        }
    }

    /**
     * The number, for one system call; it stays valid until {@link #release()}.
     *
     * @throws VfioException EBADF after close, and then there is nothing to release
     */
    int acquire() {
        if (!tryAcquire()) {
            throw new VfioException(Errno.EBADF, "a file descriptor was used after it was closed");
        }
        return number;
    }

    /** Like {@link #acquire()}, for those that need no exception; the number is then {@link #number()}. */
    boolean tryAcquire() {
        int users;
        do {
            users = state.get();
            if (users < 0) {
                return false;
            }
        } while (!state.compareAndSet(users, users + 1));
        return true;
    }

    /** To be called only between {@link #tryAcquire()} and {@link #release()}. */
    int number() {
        return number;
    }

    /** Ends an acquisition. May make a system call: read {@link Libc#errno()} before. */
    void release() {
        if (state.decrementAndGet() == CLOSED) {
            destroy();
        }
    }

    private void destroy() {
        // Linux has released the number even if close reports an error, so there is nothing to repeat.
        Libc.close(number);
        if (block != null) {
            block.close();
        }
    }

    @Override
    public String toString() {
        return isClosed() ? "closed descriptor" : "descriptor";
    }
}
