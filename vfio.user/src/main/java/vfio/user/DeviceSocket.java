package vfio.user;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import vfio.linux.PeerCredentials;
import vfio.linux.UnixListener;
import vfio.linux.UnixSocket;
import vfio.pci.api.manage.DeviceManager;
import vfio.pci.api.pci.PciDevice;

/** The socket of one device and the one connection it may have. */
final class DeviceSocket implements AutoCloseable {
    private static final Logger LOGGER = System.getLogger(DeviceSocket.class.getPackageName());

    /** How long an ending connection may take to give its device back. */
    private static final Duration GOODBYE = Duration.ofSeconds(2);

    /** How many clients may wait for those before them, that are all leaving, to end. */
    private static final int QUEUE_MAXIMUM = 16;

    /** Clients whose turn has not come. */
    private final AtomicInteger waiting = new AtomicInteger();

    private final DeviceManager manager;
    private final PciDevice device;
    private final UnixListener listener;
    private final Admission admission;
    private final Timeouts timeouts;
    private @Nullable Client current;
    private boolean closed;

    private record Client(Connection connection, Thread thread) {
        boolean isServed() {
            return thread.isAlive() && !connection.leaving() && !connection.hasLostDevice();
        }

        boolean join() {
            try {
                thread.join(GOODBYE.toMillis());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            return !thread.isAlive();
        }
    }

    /**
     * @param listener owned from now on
     */
    DeviceSocket(
            DeviceManager manager, PciDevice device, UnixListener listener, Admission admission, Timeouts timeouts) {
        this.manager = manager;
        this.device = device;
        this.listener = listener;
        this.admission = admission;
        this.timeouts = timeouts;
    }

    PciDevice device() {
        return device;
    }

    Path path() {
        return listener.path();
    }

    UnixListener listener() {
        return listener;
    }

    /**
     * Takes the next client that waits at the socket, if one does. It is refused at once while another has the device: a VMM
     * that has to wait for an answer blocks its guest. Whoever comes while the last one is just leaving waits for that; one
     * whose device was closed by the core has to leave then.
     */
    synchronized void accept() {
        UnixSocket socket = closed ? null : listener.acceptIfPending().orElse(null);
        if (socket == null) {
            return;
        }
        boolean served = false;
        try {
            served = serve(socket);
        } finally {
            if (!served) {
                socket.close();
            }
        }
    }

    /** See {@link Connection#endIfStuck}. */
    synchronized void endIfStuck() {
        if (current != null) {
            current.connection().endIfStuck();
        }
    }

    /** Removes the socket, so that nobody can connect any more; the connection goes on. Idempotent. */
    synchronized void stopListening() {
        closed = true;
        listener.close();
    }

    /** Removes the socket and lets the connection end, without waiting for that. Idempotent. */
    synchronized void end() {
        stopListening();
        if (current != null) {
            current.connection().end();
        }
    }

    /** Removes the socket and ends the connection. Idempotent. */
    @Override
    public void close() {
        end();
        Client last;
        synchronized (this) {
            last = current;
        }
        if (last != null) {
            if (!last.join()) {
                LOGGER.log(Level.ERROR, "{0}: its connection did not end in time", device.address());
            }
        }
    }

    /** Starts a connection for a client, which owns the socket from then on, or refuses it. */
    private boolean serve(UnixSocket socket) {
        PeerCredentials peer = socket.peerCredentials();
        String client = "pid " + peer.pid() + " of uid " + peer.uid();
        Client previous = current;
        if (!admission.admits(peer)) {
            LOGGER.log(
                    Level.WARNING,
                    "{0}: {1} may not connect; allowed.uids of vfio.user.server decides",
                    device.address(),
                    client);
            return false;
        }
        if (waiting.get() == QUEUE_MAXIMUM || (previous != null && previous.isServed())) {
            LOGGER.log(Level.INFO, "{0}: {1} was refused, the device has a client", device.address(), client);
            return false;
        }
        if (previous != null && previous.connection().hasLostDevice()) {
            previous.connection().end();
        }
        start(new Connection(manager, device.address(), socket, peer, timeouts), previous);
        return true;
    }

    private void start(Connection connection, @Nullable Client previous) {
        waiting.incrementAndGet();
        Thread thread = new Thread(
                () -> {
                    if (previous != null) {
                        previous.join();
                    }
                    waiting.decrementAndGet();
                    connection.run();
                },
                "vfio-user " + device.address());
        thread.setDaemon(true);
        try {
            thread.start();
        } catch (Error noThread) {
            waiting.decrementAndGet();
            throw noThread;
        }
        current = new Client(connection, thread);
    }
}
