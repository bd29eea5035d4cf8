package vfio.iavf;

import java.util.ArrayList;
import java.util.List;
import vfio.linux.EventFd;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciInterrupt;
import vfio.user.client.VfioUserClient;

/** The MSI-X vectors of a function, connected to eventfds if the driver uses interrupts. */
final class VectorTable implements AutoCloseable {
    private VfioUserClient client;
    private final List<EventFd> events;
    private final List<InterruptVector> vectors;

    private VectorTable(VfioUserClient client, List<EventFd> events, List<InterruptVector> vectors) {
        this.client = client;
        this.events = events;
        this.vectors = vectors;
    }

    static VectorTable connect(VfioUserClient client, RegisterSpace registers, int count, boolean interrupts) {
        List<EventFd> events = new ArrayList<>();
        List<InterruptVector> vectors = new ArrayList<>();
        boolean connected = false;
        try {
            for (int vector = 0; vector < count; vector++) {
                if (interrupts) {
                    events.add(EventFd.create());
                }
                vectors.add(new InterruptVector(registers, vector, interrupts ? events.get(vector) : null));
            }
            if (interrupts) {
                client.setIrqs(PciInterrupt.MSIX, InterruptAction.TRIGGER, 0, new ArrayList<>(events));
            }
            connected = true;
            return new VectorTable(client, events, vectors);
        } finally {
            if (!connected) {
                events.forEach(EventFd::close);
            }
        }
    }

    /** Connects the same eventfds to the function behind another connection. */
    void move(VfioUserClient next) {
        if (!events.isEmpty()) {
            next.setIrqs(PciInterrupt.MSIX, InterruptAction.TRIGGER, 0, new ArrayList<>(events));
        }
        client = next;
    }

    /** That of the mailbox. */
    InterruptVector misc() {
        return vectors.get(0);
    }

    InterruptVector ofPair(int pair) {
        return vectors.get(pair + 1);
    }

    /** Disconnects the vectors, if there is somebody to tell. Idempotent. */
    @Override
    public void close() {
        if (!events.isEmpty()) {
            try {
                client.disableIrqs(PciInterrupt.MSIX);
            } catch (VfioException e) {
                // The connection is gone, and the vectors with it.
            }
            events.forEach(EventFd::close);
        }
    }
}
