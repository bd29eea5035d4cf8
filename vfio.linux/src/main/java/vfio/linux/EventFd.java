package vfio.linux;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Signal;
import vfio.pci.api.device.VfioException;

/**
 * An eventfd: a counter in the kernel that one side adds to and the other side waits for.
 *
 * <p>Always non-blocking, which is a property of the open file and thus shared with a peer that sent or receives it. Safe for
 * use by several threads.
 */
public final class EventFd implements Signal {
    private static final String LINK = "anon_inode:[eventfd]";

    private final Descriptor descriptor;

    private EventFd(Descriptor descriptor) {
        this.descriptor = descriptor;
    }

    /**
     * Makes a new one with the counter at 0.
     *
     * @return the eventfd, owned by the caller
     * @throws VfioException EMFILE
     */
    public static EventFd create() {
        int fd = Libc.eventfd(0, Linux.EFD_CLOEXEC | Linux.EFD_NONBLOCK);
        if (fd < 0) {
            throw Failures.last("creating an eventfd");
        }
        return new EventFd(new Descriptor(fd));
    }

    /**
     * Makes one of a descriptor that a peer sent.
     *
     * @param descriptor owned by the result; by the caller still if this throws
     * @throws VfioException EINVAL if it is something else
     */
    public static EventFd of(Descriptor descriptor) {
        int fd = descriptor.acquire();
        try {
            String link = Files.readSymbolicLink(Path.of("/proc/self/fd/" + fd)).toString();
            if (!link.equals(LINK)) {
                throw new VfioException(Errno.EINVAL, "the peer sent " + link + " where an eventfd is needed");
            }
            int flags = Libc.fcntl(fd, Linux.F_GETFL, 0);
            if (flags < 0 || Libc.fcntl(fd, Linux.F_SETFL, flags | Linux.O_NONBLOCK) < 0) {
                throw Failures.last("making an eventfd non-blocking");
            }
            return new EventFd(descriptor);
        } catch (IOException failure) {
            throw new VfioException(
                    Errno.EIO, "cannot tell whether a descriptor is an eventfd; is /proc mounted?", failure);
        } finally {
            descriptor.release();
        }
    }

    /** Adds 1 to the counter. A counter that is full stays full: the far end has an event to find in any case. */
    @Override
    public void signal() {
        if (descriptor.tryAcquire()) {
            Libc.eventfd_write(descriptor.number(), 1);
            descriptor.release();
        }
    }

    /**
     * Reads and clears the counter.
     *
     * @return what it was, an unsigned number; 0 if there was no event
     * @throws VfioException EBADF after close
     */
    public long drain() {
        int fd = descriptor.acquire();
        try {
            long[] value = new long[1];
            while (Libc.eventfd_read(fd, value) < 0) {
                int errno = Libc.errno();
                if (errno == Linux.EAGAIN) {
                    return 0;
                }
                if (errno != Linux.EINTR) {
                    throw Failures.of(errno, "reading an eventfd");
                }
            }
            return value[0];
        } finally {
            descriptor.release();
        }
    }

    /**
     * Waits until the counter is not 0, and leaves it as it is. Close does not wake this.
     *
     * @param timeout at most; rounded up to milliseconds
     * @return whether there is an event
     * @throws VfioException EBADF after close
     */
    public boolean await(Duration timeout) {
        int fd = descriptor.acquire();
        try {
            return PollSet.await(new long[] {PollSet.entry(fd)}, timeout);
        } finally {
            descriptor.release();
        }
    }

    /**
     * A descriptor of the same counter, to be sent to a peer.
     *
     * @return the duplicate, owned by the caller
     * @throws VfioException EBADF after close; EMFILE
     */
    public Descriptor duplicateDescriptor() {
        return descriptor.duplicate();
    }

    @Override
    public void close() {
        descriptor.close();
    }

    Descriptor descriptor() {
        return descriptor;
    }
}
