package vfio.host;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import vfio.linux.EventFd;
import vfio.linux.Poller;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/** A thread that waits for eventfds of the kernel and says so in Java. Methods may be called by any thread, its own included. */
final class EventThread implements AutoCloseable {
    private static final Logger LOGGER = System.getLogger(EventThread.class.getPackageName());
    private static final Duration FOR_GOOD = Duration.ofDays(1);

    private final Poller<Listener> poller = new Poller<>();

    private record Listener(EventFd event, Runnable action) {}

    /** @param name of the thread */
    EventThread(String name) {
        Thread thread = new Thread(this::run, name);
        thread.setDaemon(true);
        thread.start();
    }

    /**
     * Makes an eventfd, to be given to the kernel.
     *
     * @param action what happens on an event; does not wait
     * @return the eventfd, to be given to {@link #forget}
     */
    EventFd listen(Runnable action) {
        EventFd event = EventFd.create();
        poller.add(event, new Listener(event, action));
        return event;
    }

    /** Waits for an eventfd no more, and closes it. */
    void forget(EventFd event) {
        poller.remove(event);
        event.close();
    }

    /** Ends the thread, without waiting for it. Idempotent. */
    @Override
    public void close() {
        poller.close();
    }

    private void run() {
        try {
            while (true) {
                poller.await(FOR_GOOD).forEach(EventThread::act);
            }
        } catch (VfioException closed) {
            if (closed.errno() != Errno.EBADF) {
                LOGGER.log(Level.ERROR, "events of a device are not heard any more", closed);
            }
        }
    }

    private static void act(Listener listener) {
        try {
            if (listener.event().drain() != 0) {
                listener.action().run();
            }
        } catch (RuntimeException e) {
            LOGGER.log(Level.DEBUG, "an event of a device came too late", e);
        }
    }
}
