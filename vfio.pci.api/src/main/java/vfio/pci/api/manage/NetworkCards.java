package vfio.pci.api.manage;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.osgi.annotation.versioning.ProviderType;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciAddress;

/**
 * The physical functions' side of network cards with virtual functions: what only the host sees and does. An optional OSGi
 * service; the simulated bus offers it for its cards.
 *
 * <p>Safe for several threads.
 */
@ProviderType
public interface NetworkCards {
    /** The ports of the switches of all cards, by address; the host port of a card comes last. */
    List<Port> ports();

    /**
     * The link of a card goes up or down; drivers of its virtual functions are told.
     *
     * @throws VfioException ENODEV if there is no such card
     */
    void setLink(PciAddress physicalFunction, boolean up);

    /**
     * Resets a virtual function as its physical function may do: its driver is warned, and has to begin anew. On return the
     * reset has begun.
     *
     * @throws VfioException ENODEV if there is no such virtual function
     */
    void reset(PciAddress virtualFunction);

    /**
     * Begins or ends to write down which pages of its user's memory a virtual function writes. What was written down before is
     * forgotten. Off unless somebody asks, since it costs time.
     *
     * @throws VfioException ENODEV if there is no such virtual function
     */
    void logWrites(PciAddress virtualFunction, boolean log);

    /**
     * Takes what was written down since the last time.
     *
     * @return page numbers, IOVA divided by 4096, ascending, each once
     * @throws VfioException ENODEV if there is no such virtual function
     */
    long[] takeWrittenPages(PciAddress virtualFunction);

    /**
     * A port of a card's switch.
     *
     * @param physicalFunction whose switch it is
     * @param virtualFunction which is plugged in; empty for the host port
     * @param linkUp whether the link is up
     * @param driver whether a driver has introduced itself; always so for a host port
     * @param addresses the MAC addresses it filters for, as {@code 02:00:03:00:00:00}
     * @param promiscuous what it gets besides
     * @param receiveQueues how many are enabled
     * @param transmitQueues how many are enabled
     * @param maliciousEvents how often its driver asked for what no correct driver asks for
     * @param statistics counters by name
     */
    record Port(
            PciAddress physicalFunction,
            Optional<PciAddress> virtualFunction,
            boolean linkUp,
            boolean driver,
            List<String> addresses,
            Promiscuous promiscuous,
            int receiveQueues,
            int transmitQueues,
            long maliciousEvents,
            Map<String, Long> statistics) {
        /** Copies the collections. */
        public Port {
            addresses = List.copyOf(addresses);
            statistics = Map.copyOf(statistics);
        }
    }

    /** Frames a port gets although they are not for its addresses. */
    enum Promiscuous {
        /** None. */
        OFF,
        /** All unicast that nobody else owns. */
        UNICAST,
        /** All multicast. */
        MULTICAST,
        /** Both. */
        ALL
    }
}
