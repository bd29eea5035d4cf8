package vfio.sim.xl710;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * What the physical function knows of a virtual function: what was negotiated, its queues, filters and receive side scaling.
 * For the engine's thread.
 */
final class Vsi {
    /** The most queue pairs that a function has registers for. */
    static final int QUEUES_MAXIMUM = VfRegister.QTX_TAIL1.count();

    private static final int FIRST_ID = 0x180;
    private static final int SIZE = 14;

    final TransmitQueue[] transmitQueues;
    final ReceiveQueue[] receiveQueues;
    final ReceiveSideScaling scaling = new ReceiveSideScaling();

    final AddressFilters filters;

    private final int ownId;
    private int id;
    private boolean abandoned;
    private int queuePairs;
    private int capabilities;
    private boolean active;
    int minorVersion = Virtchnl.VERSION_MINOR;

    Vsi(int number, int queuePairs, AddressFilters filters) {
        this.filters = filters;
        this.queuePairs = queuePairs;
        ownId = FIRST_ID + number;
        id = ownId;
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

    /** How many a driver has; one that comes from another card keeps as many as it had there until it is reset. */
    int queuePairs() {
        return queuePairs;
    }

    /** One for the admin queue, one for each queue pair. */
    int vectors() {
        return queuePairs() + 1;
    }

    /** Whether a driver has introduced itself. */
    boolean isActive() {
        return active;
    }

    /** What it was granted. */
    int capabilities() {
        return capabilities;
    }

    /** Whether a transmit queue is enabled. */
    boolean isTransmitting() {
        for (TransmitQueue queue : transmitQueues) {
            if (queue.enabled) {
                return true;
            }
        }
        return false;
    }

    /** A driver introduces itself. Only now frames go to its address: without a driver the function is nobody's. */
    void activate(int granted) {
        capabilities = granted;
        if (!active) {
            active = true;
            filters.add(filters.permanent());
        }
    }

    /** Whoever used the function has gone: what it called the function, and its address, go with the next reset. */
    void abandon() {
        abandoned = true;
    }

    /** As after a reset: only what was negotiated about the version stays, and what a driver calls the function. */
    void reset() {
        for (TransmitQueue queue : transmitQueues) {
            queue.clear();
        }
        for (ReceiveQueue queue : receiveQueues) {
            queue.clear();
        }
        filters.clear();
        if (abandoned) {
            abandoned = false;
            id = ownId;
            filters.takeBackAddress();
        }
        queuePairs = transmitQueues.length;
        capabilities = 0;
        active = false;
        scaling.reset();
        scaling.setHashTypes(ReceiveSideScaling.DEFAULT_HASH_TYPES);
    }

    /** What was negotiated. Bytes: 4 queue pairs, 4 id, 4 capabilities, 1 minor version, 1 whether a driver is there. */
    byte[] encode() {
        return ByteBuffer.allocate(SIZE)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(queuePairs)
                .putInt(id)
                .putInt(capabilities)
                .put((byte) minorVersion)
                .put((byte) (active ? 1 : 0))
                .array();
    }

    /** See {@link FunctionState}. */
    Runnable decode(PartReader in) {
        int pairs = decodeQueuePairs(in);
        int name = in.readInt();
        in.require(name >>> Short.SIZE == 0, "a driver cannot call the function " + name);
        int granted = in.readInt();
        int minor = in.readByte();
        in.require(minor <= Virtchnl.VERSION_MINOR, "version 1." + minor + " was agreed on, and 1.1 is spoken here");
        boolean driven = in.readBoolean("whether a driver is there");
        in.require(
                (granted & ~(driven ? VirtchnlRequests.OFFERED : 0)) == 0,
                "the driver was granted 0x" + Integer.toHexString(granted) + ", which is not to be had here");
        return () -> {
            abandoned = false;
            queuePairs = pairs;
            id = name;
            capabilities = granted;
            minorVersion = minor;
            active = driven;
        };
    }

    /** Decodes the beginning of that: how many queue pairs the function has according to it. */
    int decodeQueuePairs(PartReader in) {
        int pairs = in.readInt();
        in.require(
                pairs > 0 && pairs <= transmitQueues.length,
                "there are " + pairs + " queue pairs, and this function has " + transmitQueues.length);
        return pairs;
    }
}
