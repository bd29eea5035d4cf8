package vfio.linux;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * Waits for several listeners, sockets and eventfds at once.
 *
 * <p>What is added stays its owner's, who removes it before closing it; something closed nevertheless is not reported any
 * more from the next wait on. One thread at a time waits; everything else may be called by any thread and takes effect on a
 * wait in progress.
 *
 * @param <T> what the caller wants back for something that became ready
 */
public final class Poller<T> implements AutoCloseable {
    private record Entry<T>(Object source, Descriptor descriptor, T attachment) {}

    private final EventFd wakeup = EventFd.create();
    private volatile List<Entry<T>> entries = List.of();
    private volatile boolean closed;

    /** Reports the attachment when a connection is pending. */
    public void add(UnixListener listener, T attachment) {
        add(new Entry<>(listener, listener.descriptor(), attachment));
    }

    /** Reports the attachment when there is data, the stream has ended or the connection is broken. */
    public void add(UnixSocket socket, T attachment) {
        add(new Entry<>(socket, socket.descriptor(), attachment));
    }

    /** Reports the attachment when the counter is not 0. */
    public void add(EventFd event, T attachment) {
        add(new Entry<>(event, event.descriptor(), attachment));
    }

    /** Reports the attachment when there is an event to receive, or some were lost. */
    public void add(UeventSocket events, T attachment) {
        add(new Entry<>(events, events.descriptor(), attachment));
    }

    /** Forgets a listener, socket or eventfd; does nothing if it was not added. */
    public void remove(Object source) {
        synchronized (this) {
            List<Entry<T>> changed = new ArrayList<>(entries);
            changed.removeIf(entry -> entry.source() == source);
            entries = List.copyOf(changed);
        }
        wakeup();
    }

    /**
     * Waits until something is ready.
     *
     * @param timeout at most; rounded up to milliseconds
     * @return attachments in the order of addition; empty after the timeout, a wakeup or a change of what is waited for
     * @throws VfioException EBADF after close, also if that comes while this waits
     */
    public List<T> await(Duration timeout) {
        List<Entry<T>> open = new ArrayList<>();
        Descriptor own = wakeup.descriptor();
        int fd = own.acquire();
        try {
            for (Entry<T> entry : entries) {
                if (entry.descriptor().tryAcquire()) {
                    open.add(entry);
                }
            }
            long[] fds = new long[open.size() + 1];
            for (int index = 0; index < open.size(); index++) {
                fds[index] = PollSet.entry(open.get(index).descriptor().number());
            }
            fds[open.size()] = PollSet.entry(fd);
            PollSet.await(fds, timeout);
            if (closed) {
                throw new VfioException(Errno.EBADF, "a poller was closed");
            }
            wakeup.drain();
            return ready(open, fds);
        } finally {
            open.forEach(entry -> entry.descriptor().release());
            own.release();
        }
    }

    /** Ends the wait in progress, or the next one if there is none. */
    public void wakeup() {
        wakeup.signal();
    }

    /** Ends the wait in progress and gives up what the poller itself owns. Idempotent. */
    @Override
    public void close() {
        closed = true;
        wakeup();
        wakeup.close();
    }

    private void add(Entry<T> entry) {
        synchronized (this) {
            List<Entry<T>> changed = new ArrayList<>(entries);
            changed.add(entry);
            entries = List.copyOf(changed);
        }
        wakeup();
    }

    private static <T> List<T> ready(List<Entry<T>> open, long[] fds) {
        List<T> ready = new ArrayList<>();
        for (int index = 0; index < open.size(); index++) {
            Entry<T> entry = open.get(index);
            if (PollSet.isReady(fds[index]) && !entry.descriptor().isClosed()) {
                ready.add(entry.attachment());
            }
        }
        return ready;
    }
}
