package vfio.sim.xl710;

import java.util.ArrayList;
import java.util.List;

/**
 * What the physical function knows of a virtual function: what was negotiated, its queues, filters and receive side scaling.
 * For the engine's thread.
 */
final class Vsi {
    /** The most queue pairs that a function has registers for. */
    static final int QUEUES_MAXIMUM = VfRegister.QTX_TAIL1.count();

    /** So many addresses may a function filter. */
    static final int FILTERS_MAXIMUM = 128;

    private static final int FIRST_ID = 0x180;

    final TransmitQueue[] transmitQueues;
    final ReceiveQueue[] receiveQueues;
    final ReceiveSideScaling scaling = new ReceiveSideScaling();

    private final int id;
    private final int number;
    private final long permanentAddress;
    private final VirtualSwitch forwarding;
    private final List<Long> filters = new ArrayList<>();
    int minorVersion = Virtchnl.VERSION_MINOR;
    int capabilities;
    boolean active;

    Vsi(int number, int queuePairs, long permanentAddress, VirtualSwitch forwarding) {
        this.number = number;
        this.permanentAddress = permanentAddress;
        this.forwarding = forwarding;
        id = FIRST_ID + number;
        transmitQueues = new TransmitQueue[queuePairs];
        receiveQueues = new ReceiveQueue[queuePairs];
        for (int queue = 0; queue < queuePairs; queue++) {
            transmitQueues[queue] = new TransmitQueue();
            receiveQueues[queue] = new ReceiveQueue();
        }
    }

    /** What a driver calls it. */
    int id() {
        return id;
    }

    int queuePairs() {
        return transmitQueues.length;
    }

    /** One for the admin queue, one for each queue pair. */
    int vectors() {
        return queuePairs() + 1;
    }

    long permanentAddress() {
        return permanentAddress;
    }

    List<Long> filters() {
        return filters;
    }

    /** Returns false if there is no room for it. */
    boolean addFilter(long address) {
        if (filters.contains(address)) {
            return true;
        }
        if (filters.size() == FILTERS_MAXIMUM) {
            return false;
        }
        filters.add(address);
        forwarding.addFilter(address, number);
        return true;
    }

    void removeFilter(long address) {
        if (filters.remove(Long.valueOf(address))) {
            forwarding.removeFilter(address, number);
        }
    }

    void promiscuous(boolean unicast, boolean multicast) {
        forwarding.promiscuous(number, unicast, multicast);
    }

    /** As after a reset: only what was negotiated about the version stays. */
    void reset() {
        for (TransmitQueue queue : transmitQueues) {
            queue.clear();
        }
        for (ReceiveQueue queue : receiveQueues) {
            queue.clear();
        }
        List.copyOf(filters).forEach(this::removeFilter);
        addFilter(permanentAddress);
        promiscuous(false, false);
        capabilities = 0;
        active = false;
        scaling.reset();
        scaling.setHashTypes(ReceiveSideScaling.DEFAULT_HASH_TYPES);
    }

    /** Nobody is there any more: takes its filters out of the switch. */
    void close() {
        List.copyOf(filters).forEach(this::removeFilter);
        forwarding.unplug(number);
    }
}
