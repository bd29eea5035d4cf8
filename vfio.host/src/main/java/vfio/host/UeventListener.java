package vfio.host;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import vfio.linux.Poller;
import vfio.linux.UeventSocket;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciAddress;

/** A thread that hears from the kernel which functions come, go, and change their drivers. */
final class UeventListener implements AutoCloseable {
    private static final Logger LOGGER = System.getLogger(UeventListener.class.getPackageName());
    private static final Duration FOR_GOOD = Duration.ofDays(1);

    private final UeventSocket socket;
    private final Poller<UeventSocket> poller = new Poller<>();
    private final HostBus bus;

    private UeventListener(UeventSocket socket, HostBus bus) {
        this.socket = socket;
        this.bus = bus;
    }

    /** Begins to listen: what changes from now on is heard, so look at all functions after this. */
    static UeventListener start(HostBus bus) {
        UeventListener listener = new UeventListener(UeventSocket.open(), bus);
        listener.poller.add(listener.socket, listener.socket);
        Thread thread = new Thread(listener::run, "kernel device events");
        thread.setDaemon(true);
        thread.start();
        return listener;
    }

    /** What an event is about; null if it is no function of PCI. */
    static @Nullable PciAddress address(Map<String, String> event) {
        String name = event.get("PCI_SLOT_NAME");
        try {
            return name == null || !Objects.equals(event.get("SUBSYSTEM"), "pci") ? null : PciAddress.parse(name);
        } catch (IllegalArgumentException e) {
            return null;
        }
    }

    /** Ends the thread, without waiting for it. Idempotent. */
    @Override
    public void close() {
        poller.close();
        socket.close();
    }

    private void run() {
        while (true) {
            try {
                poller.await(FOR_GOOD);
                drain();
            } catch (VfioException e) {
                if (e.errno() == Errno.EBADF) {
                    return;
                }
                LOGGER.log(Level.WARNING, e.getMessage());
                bus.scan();
            } catch (RuntimeException e) {
                LOGGER.log(Level.ERROR, "a device event could not be followed; vfio:rescan looks again", e);
            }
        }
    }

    private void drain() {
        for (Map<String, String> event = socket.receive(); event != null; event = socket.receive()) {
            PciAddress address = address(event);
            if (address != null) {
                bus.refresh(address);
            }
        }
    }
}
