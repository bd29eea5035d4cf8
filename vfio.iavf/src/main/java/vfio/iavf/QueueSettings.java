package vfio.iavf;

/**
 * The queues that {@link VirtualFunctionDriver#open} sets up.
 *
 * @param pairs queue pairs, at least 1 and at most as many as the PF gives
 * @param ringSize descriptors of each ring, 64 to 4096 and a multiple of 32
 * @param bufferSize bytes of a buffer, a multiple of 128 from 1024 to 16256
 * @param mtu longest payload of a frame, so that a frame has up to 26 bytes more (header, two tags, FCS)
 */
public record QueueSettings(int pairs, int ringSize, int bufferSize, int mtu) {
    /** One pair, 512 descriptors, buffers of 2048 bytes, MTU 1500. */
    public static final QueueSettings DEFAULT = new QueueSettings(1, 512, 2048, 1500);

    private static final int FRAME_OVERHEAD = 26;
    private static final int MAXIMUM_PAIRS = 16;
    private static final int MAXIMUM_RING = 4096;
    private static final int MINIMUM_RING = 64;
    private static final int RING_MULTIPLE = 32;
    private static final int BUFFER_MULTIPLE = 128;
    private static final int MINIMUM_BUFFER = 1024;
    private static final int MAXIMUM_BUFFER = (16 << 10) - BUFFER_MULTIPLE;
    private static final int MINIMUM_MTU = 68;
    private static final int MAXIMUM_MTU = 9702;

    /** Checks the ranges. */
    public QueueSettings {
        require(pairs >= 1 && pairs <= MAXIMUM_PAIRS, "pairs", pairs);
        require(
                ringSize >= MINIMUM_RING && ringSize <= MAXIMUM_RING && ringSize % RING_MULTIPLE == 0,
                "ringSize",
                ringSize);
        require(
                bufferSize >= MINIMUM_BUFFER && bufferSize <= MAXIMUM_BUFFER && bufferSize % BUFFER_MULTIPLE == 0,
                "bufferSize",
                bufferSize);
        require(mtu >= MINIMUM_MTU && mtu <= MAXIMUM_MTU, "mtu", mtu);
    }

    /** With another number of pairs. */
    public QueueSettings withPairs(int number) {
        return new QueueSettings(number, ringSize, bufferSize, mtu);
    }

    /** With rings of another size. */
    public QueueSettings withRingSize(int descriptors) {
        return new QueueSettings(pairs, descriptors, bufferSize, mtu);
    }

    /** With buffers of another size. */
    public QueueSettings withBufferSize(int bytes) {
        return new QueueSettings(pairs, ringSize, bytes, mtu);
    }

    /** With another MTU. */
    public QueueSettings withMtu(int bytes) {
        return new QueueSettings(pairs, ringSize, bufferSize, bytes);
    }

    /** The longest frame, FCS and tags included. */
    int maximumFrame() {
        return mtu + FRAME_OVERHEAD;
    }

    private static void require(boolean rule, String name, int value) {
        if (!rule) {
            throw new IllegalArgumentException(name + " of queues is out of range: " + value);
        }
    }
}
