package vfio.user.client;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.List;
import vfio.linux.EventFd;
import vfio.linux.Poller;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciInterrupt;

/**
 * The client's half of dynamic trap, on a thread of its own: when the server signals that the layout has changed, all regions
 * are looked at again, and then the interrupt is unmasked, which tells the server that the client follows the layout.
 *
 * <p>A region that cannot be looked at is unmapped, since an acknowledgement must not be a lie. If the server cannot be told,
 * everything is unmapped for good.
 */
final class TrapFollower implements AutoCloseable {
    private static final Logger LOGGER = System.getLogger(TrapFollower.class.getPackageName());
    private static final String GIVEN_UP =
            "the trap layout cannot be followed any more; all regions are reached by messages from now on";

    private static final Duration ROUND = Duration.ofSeconds(60);
    private static final Duration GOODBYE = Duration.ofSeconds(2);

    private final VfioUserClient client;
    private final List<MappedRegion> regions;
    private final EventFd event;
    private final Poller<EventFd> poller;
    private final Thread thread = new Thread(this::run, "vfio-user trap follower");
    private volatile boolean closed;

    private TrapFollower(VfioUserClient client, List<MappedRegion> regions, EventFd event, Poller<EventFd> poller) {
        this.client = client;
        this.regions = regions;
        this.event = event;
        this.poller = poller;
        poller.add(event, event);
        thread.setDaemon(true);
    }

    /** Connects the interrupt. Changes from now on are followed as soon as the thread has been started. */
    static TrapFollower connect(VfioUserClient client, List<MappedRegion> regions) {
        Poller<EventFd> poller = new Poller<>();
        boolean connected = false;
        try {
            EventFd event = client.enableIrq(PciInterrupt.TRAP_CHANGED, 0);
            connected = true;
            return new TrapFollower(client, regions, event, poller);
        } finally {
            if (!connected) {
                poller.close();
            }
        }
    }

    void start() {
        client.confirmations().followed(true);
        thread.start();
    }

    /** Ends the thread and disconnects the interrupt. Idempotent. */
    @Override
    public synchronized void close() {
        if (closed) {
            return;
        }
        closed = true;
        poller.close();
        try {
            thread.join(GOODBYE.toMillis());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        if (thread.isAlive()) {
            LOGGER.log(Level.WARNING, "the trap follower waits for a server that does not answer, and ends with that");
        } else {
            disconnect();
        }
        event.close();
    }

    private void disconnect() {
        try {
            client.disableIrqs(PciInterrupt.TRAP_CHANGED);
        } catch (VfioException e) {
            LOGGER.log(Level.DEBUG, "the trap interrupt was not disconnected: {0}", e.getMessage());
        }
    }

    private void run() {
        try {
            while (!closed) {
                if (!poller.await(ROUND).isEmpty()) {
                    event.drain();
                    follow();
                }
            }
        } catch (VfioException e) {
            if (!closed) {
                regions.forEach(MappedRegion::close);
                LOGGER.log(Level.WARNING, GIVEN_UP + ": " + e.getMessage());
            }
        } catch (RuntimeException | Error e) {
            regions.forEach(MappedRegion::close);
            LOGGER.log(Level.ERROR, GIVEN_UP, e);
        } finally {
            client.confirmations().followed(false);
        }
    }

    private void follow() {
        for (MappedRegion region : regions) {
            try {
                region.refresh();
            } catch (VfioException e) {
                region.unmap();
                LOGGER.log(
                        Level.WARNING,
                        "{0} is reached by messages until the trap layout changes again: {1}",
                        region,
                        e.getMessage());
            }
        }
        client.setIrqs(PciInterrupt.TRAP_CHANGED, InterruptAction.UNMASK, 0, 1);
        client.confirmations().confirmed();
    }
}
