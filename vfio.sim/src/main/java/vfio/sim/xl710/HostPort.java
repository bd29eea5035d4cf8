package vfio.sim.xl710;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.concurrent.Semaphore;
import vfio.pci.api.device.PacketPort;
import vfio.pci.api.device.VfioException;

/**
 * The port of the switch at which the host is. A thread waits for frames of the host and rings for the engine, which takes
 * them; meanwhile the thread rests.
 */
final class HostPort implements SwitchPort, AutoCloseable {
    private static final Logger LOGGER = System.getLogger(HostPort.class.getPackageName());
    private static final Duration WAIT = Duration.ofSeconds(10);

    /** So many frames are taken before it is the functions' turn. */
    private static final int SHARE = 64;

    private final PacketPort port;
    private final Adapter adapter;
    private final ByteBuffer frame = ByteBuffer.allocateDirect(TransmitPath.FRAME_MAXIMUM);
    private final Semaphore taken = new Semaphore(0);
    private final Statistics statistics = new Statistics();
    private final Thread waiter;
    private volatile boolean ready;
    private volatile boolean closed;

    /** @param port owned from now on */
    @SuppressWarnings("this-escape")
    HostPort(PacketPort port, Adapter adapter) {
        this.port = port;
        this.adapter = adapter;
        waiter = new Thread(null, this::awaitFrames, "xl710 " + adapter.name() + " host", 0, false);
        waiter.setDaemon(true);
        waiter.start();
    }

    String name() {
        return port.name();
    }

    Statistics statistics() {
        return statistics;
    }

    /** Takes frames of the host, if there are any. By the engine's thread. */
    boolean poll() {
        if (!ready) {
            return false;
        }
        int count = 0;
        try {
            while (count < SHARE) {
                int length = port.receive(frame, 0, frame.capacity());
                if (length == 0) {
                    ready = false;
                    taken.release();
                    break;
                }
                count++;
                if (length >= Frame.HEADER && adapter.isLinkUp()) {
                    forward(pad(length));
                }
            }
        } catch (VfioException e) {
            fail(e);
        }
        return count > 0;
    }

    /** A frame for the host. */
    @Override
    public void receive(Frame forHost, CastType type) {
        if (closed) {
            return;
        }
        try {
            if (port.send(forHost.bytes(), forHost.offset(), forHost.length())) {
                statistics.received(type, forHost.length());
            } else {
                statistics.add(Statistics.Counter.RX_DISCARDS, 1);
            }
        } catch (VfioException e) {
            fail(e);
        }
    }

    @Override
    public void close() {
        closed = true;
        port.close();
        taken.release();
    }

    /** On a wire the host's card would do that. */
    private int pad(int length) {
        for (int at = length; at < TransmitOffload.MINIMUM_FRAME; at++) {
            frame.put(at, (byte) 0);
        }
        return Math.max(length, TransmitOffload.MINIMUM_FRAME);
    }

    private void forward(int length) {
        Frame received = adapter.frame().at(frame, 0, length, false, null);
        statistics.sent(CastType.of(received.destination()), length);
        adapter.forwarding().forward(VirtualSwitch.HOST, received);
    }

    private void awaitFrames() {
        while (!closed) {
            try {
                if (port.await(WAIT)) {
                    ready = true;
                    adapter.engine().ring();
                    taken.acquireUninterruptibly();
                }
            } catch (VfioException e) {
                fail(e);
            }
        }
    }

    private void fail(VfioException failure) {
        if (!closed) {
            LOGGER.log(
                    Level.ERROR,
                    "{0}: the link to the host over {1} has ended: {2}",
                    adapter.name(),
                    port.name(),
                    failure.getMessage());
            close();
        }
    }
}
