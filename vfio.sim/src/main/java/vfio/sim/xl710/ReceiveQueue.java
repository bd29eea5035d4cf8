package vfio.sim.xl710;

/**
 * The context of a receive queue, which only the physical function's side knows. For the engine's thread.
 *
 * <p>The hardware writes descriptors back in lines of 128 bytes. One that is not complete waits while the queue's vector is
 * disabled, unless WB_ON_ITR is set there. So a driver that polls between interrupts does not see a frame arrive while it looks,
 * and that matters: Linux 6.12 reads a descriptor twice, and loses a frame that arrives in between.
 */
final class ReceiveQueue {
    /** Bytes of a descriptor. */
    static final int DESCRIPTOR = 32;

    /** Where in it the status word is. */
    private static final int STATUS = Long.BYTES;

    /** QRX_TAIL1 has so many bits. */
    static final int TAIL_MASK = 0x1fff;

    /** So many descriptors may a frame take. */
    static final int CHAIN_MAXIMUM = 5;

    /** So many descriptors share 128 bytes. */
    private static final int LINE = 4;

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

    /** The status words of the descriptors before the head that have not been written back. */
    private final long[] deferred = new long[LINE];

    private int deferredCount;

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
        deferredCount = 0;
    }

    void enable() {
        enabled = true;
        head = 0;
        deferredCount = 0;
    }

    /** Nothing is written any more. */
    void disable() {
        enabled = false;
        deferredCount = 0;
    }

    /** The descriptor at the head is done; its status word is to be written back. */
    void done(long status) {
        deferred[deferredCount++] = status;
        head = head + 1 == length ? 0 : head + 1;
    }

    /** Whether the descriptors that wait for being written back have to be, since their line is complete. */
    boolean isLineComplete() {
        return head % LINE == 0;
    }

    /** Whether descriptors wait for being written back. */
    boolean defers() {
        return deferredCount > 0;
    }

    /** Writes back what waits. */
    void writeBack(GuestAccess guest) {
        int index = head - deferredCount;
        for (int done = 0; done < deferredCount; done++, index++) {
            guest.writeLong(base + (long) (index < 0 ? index + length : index) * DESCRIPTOR + STATUS, deferred[done]);
        }
        deferredCount = 0;
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
        deferredCount = 0;
    }
}
