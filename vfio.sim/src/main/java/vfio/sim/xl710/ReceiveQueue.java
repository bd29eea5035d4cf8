package vfio.sim.xl710;

/** The context of a receive queue, which only the physical function's side knows. For the engine's thread. */
final class ReceiveQueue {
    /** Bytes of a descriptor. */
    static final int DESCRIPTOR = 32;

    /** QRX_TAIL1 has so many bits. */
    static final int TAIL_MASK = 0x1fff;

    /** So many descriptors may a frame take. */
    static final int CHAIN_MAXIMUM = 5;

    private static final int BASE_ALIGNMENT = 128;
    private static final int BUFFER_MAXIMUM = 16 * 1024 - 128;

    boolean configured;
    boolean enabled;
    long base;
    int length;
    int bufferSize;
    int maximumFrame;
    int head;
    int vector;

    /** Whether a queue can have such a ring. */
    static boolean isRing(long base, long descriptors) {
        return descriptors > 0 && descriptors % 32 == 0 && descriptors <= TAIL_MASK && base % BASE_ALIGNMENT == 0;
    }

    /** Whether a queue can have buffers of so many bytes, and frames of so many at most. */
    static boolean takes(long buffer, long frame) {
        return buffer > 0 && buffer <= BUFFER_MAXIMUM && frame >= 64 && frame < 16 * 1024;
    }

    void configure(long ring, int descriptors, int buffer, int frame) {
        configured = true;
        base = ring;
        length = descriptors;
        bufferSize = buffer;
        maximumFrame = frame;
        head = 0;
    }

    void enable() {
        enabled = true;
        head = 0;
    }

    /** How many descriptors the driver has posted, the tail being where it is. */
    int posted(int tail) {
        int distance = tail - head;
        return distance < 0 ? distance + length : distance;
    }

    void clear() {
        configured = false;
        enabled = false;
        base = 0;
        length = 0;
        bufferSize = 0;
        maximumFrame = 0;
        head = 0;
        vector = 0;
    }
}
