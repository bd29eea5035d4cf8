package vfio.sim.xl710;

/** The context of a transmit queue, which only the physical function's side knows. For the engine's thread. */
final class TransmitQueue {
    /** Bytes of a descriptor. */
    static final int DESCRIPTOR = 16;

    /** QTX_TAIL1 has so many bits. */
    static final int TAIL_MASK = 0x1fff;

    private static final int BASE_ALIGNMENT = 128;

    boolean configured;
    boolean enabled;
    long base;
    int length;
    boolean headWriteBackEnabled;
    long headWriteBackAddress;
    int head;
    int vector;

    /** A tail up to which there is no whole packet; -1 if that is not known. */
    int incompleteTail = -1;

    /** Whether a queue can have such a ring. */
    static boolean isRing(long base, int descriptors) {
        return descriptors > 0 && descriptors % 8 == 0 && descriptors <= TAIL_MASK && base % BASE_ALIGNMENT == 0;
    }

    void configure(long ring, int descriptors, boolean writeBackHead, long headAddress) {
        configured = true;
        base = ring;
        length = descriptors;
        headWriteBackEnabled = writeBackHead;
        headWriteBackAddress = headAddress;
        head = 0;
    }

    void enable() {
        enabled = true;
        head = 0;
        incompleteTail = -1;
    }

    void clear() {
        configured = false;
        enabled = false;
        base = 0;
        length = 0;
        headWriteBackEnabled = false;
        headWriteBackAddress = 0;
        head = 0;
        vector = 0;
        incompleteTail = -1;
    }
}
