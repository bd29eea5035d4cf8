package vfio.sim;

import java.util.Optional;
import java.util.function.Supplier;
import vfio.pci.api.device.PacketPort;
import vfio.sim.xl710.Adapter;

/**
 * What can be chosen of an XL710.
 *
 * @param queuePairs of each virtual function, 1 to 16
 * @param mappable whether clients may map the pages of BAR0 that allow it
 * @param hostPort opens the link to the host; empty for none
 */
record Xl710Options(int queuePairs, boolean mappable, Optional<Supplier<PacketPort>> hostPort) {
    /** As it comes from the factory. */
    static final Xl710Options DEFAULT = new Xl710Options(4, true, Optional.empty());

    Xl710Options {
        if (queuePairs < 1 || queuePairs > Adapter.QUEUE_PAIRS_MAXIMUM) {
            throw new IllegalArgumentException(
                    "queues is " + queuePairs + "; a virtual function has 1 to " + Adapter.QUEUE_PAIRS_MAXIMUM);
        }
    }
}
