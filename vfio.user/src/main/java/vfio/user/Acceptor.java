package vfio.user;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.LockSupport;
import vfio.linux.Poller;

/** The one thread that waits at all sockets, and looks every now and then for connections that are stuck. */
final class Acceptor implements AutoCloseable {
    private static final Logger LOGGER = System.getLogger(Acceptor.class.getPackageName());

    /** How often connections are looked at, and so how long a call may take to come back from a device that was closed. */
    private static final Duration ROUND = Duration.ofSeconds(1);

    private static final Duration RETRY = Duration.ofMillis(100);
    private static final Duration GOODBYE = Duration.ofSeconds(2);

    private final Poller<DeviceSocket> poller = new Poller<>();
    private final Set<DeviceSocket> sockets = ConcurrentHashMap.newKeySet();
    private final Thread thread = new Thread(this::run, "vfio-user acceptor");
    private volatile boolean closed;
    private boolean failing;
    private long lastLook = System.nanoTime();

    void start() {
        thread.setDaemon(true);
        thread.start();
    }

    void add(DeviceSocket deviceSocket) {
        sockets.add(deviceSocket);
        poller.add(deviceSocket.listener(), deviceSocket);
    }

    void remove(DeviceSocket deviceSocket) {
        sockets.remove(deviceSocket);
        poller.remove(deviceSocket.listener());
    }

    @Override
    public void close() {
        closed = true;
        poller.wakeup();
        try {
            thread.join(GOODBYE.toMillis());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        if (thread.isAlive()) {
            LOGGER.log(Level.ERROR, "the acceptor did not end in time");
        } else {
            poller.close();
        }
    }

    private void run() {
        while (!closed) {
            ready().forEach(this::accept);
        }
    }

    private List<DeviceSocket> ready() {
        try {
            lookForStuck();
            return poller.await(ROUND);
        } catch (RuntimeException | Error e) {
            waitAfter(e);
            return List.of();
        }
    }

    private void lookForStuck() {
        long now = System.nanoTime();
        if (now - lastLook >= ROUND.toNanos()) {
            lastLook = now;
            sockets.forEach(DeviceSocket::endIfStuck);
        }
    }

    private void accept(DeviceSocket deviceSocket) {
        try {
            deviceSocket.accept();
            failing = false;
        } catch (RuntimeException | Error e) {
            waitAfter(e);
        }
    }

    /** A client that cannot be accepted, for want of descriptors for instance, stays pending: say so once and let time pass. */
    private void waitAfter(Throwable failure) {
        if (!failing) {
            LOGGER.log(Level.ERROR, "clients cannot be accepted; trying on", failure);
        }
        failing = true;
        LockSupport.parkNanos(RETRY.toNanos());
    }
}
