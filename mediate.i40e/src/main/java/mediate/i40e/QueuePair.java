package mediate.i40e;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.device.VfioException;

/** The contexts of a pair of queues, as part {@code queues} of the hardware's state has them; see {@code docs/stream.md}. */
record QueuePair(Transmit transmit, Receive receive) {
    /** Name of the part. */
    static final String PART = "queues";

    private static final int SIZE = 64;
    private static final int COUNT_MAXIMUM = 16;
    private static final int CONFIGURED = 1;
    private static final int ENABLED = 1 << 1;
    private static final int HEAD_WRITE_BACK = 1 << 2;

    /** The context of a transmit queue. */
    record Transmit(boolean configured, boolean writesHead, int length, long base, long headAddress) {
        private static final int DESCRIPTOR = 16;
    }

    /** The context of a receive queue. */
    record Receive(boolean configured, boolean enabled, int vector, int length, int head, long base, int bufferSize) {
        static final int DESCRIPTOR = 32;

        /** Whether another one says the same, wherever its head is. */
        boolean isLike(Receive other) {
            return length == other.length && base == other.base && bufferSize == other.bufferSize;
        }
    }

    /**
     * Reads the contexts as they are now.
     *
     * @throws VfioException EINVAL if they make no sense
     */
    static List<QueuePair> read(HardwareState hardware) {
        ByteBuffer part = ByteBuffer.wrap(hardware.read(PART)).order(ByteOrder.LITTLE_ENDIAN);
        int count = part.remaining() < Integer.BYTES ? -1 : part.getInt();
        if (count < 0 || count > COUNT_MAXIMUM || part.remaining() != count * SIZE) {
            throw new VfioException(Errno.EINVAL, "part " + PART + " of the hardware's state is not as it should be");
        }
        List<QueuePair> pairs = new ArrayList<>();
        for (int pair = 0; pair < count; pair++) {
            pairs.add(decode(part.slice(part.position() + pair * SIZE, SIZE).order(ByteOrder.LITTLE_ENDIAN)));
        }
        return pairs;
    }

    /** Marks what the device writes to besides buffers. */
    void markRings(DirtyPages dirty, Set<TrackingRule> rules) {
        if (receive.configured && rules.contains(TrackingRule.RECEIVE_RING)) {
            dirty.mark(receive.base, (long) receive.length * Receive.DESCRIPTOR);
        }
        if (transmit.configured && rules.contains(TrackingRule.TRANSMIT_RING)) {
            dirty.mark(transmit.base, (long) transmit.length * Transmit.DESCRIPTOR);
        }
        if (transmit.configured && transmit.writesHead && rules.contains(TrackingRule.HEAD_WRITE_BACK)) {
            dirty.mark(transmit.headAddress, Integer.BYTES);
        }
    }

    /** The same, for later. */
    void addRings(AddressRanges ranges) {
        if (receive.configured) {
            ranges.add(receive.base, (long) receive.length * Receive.DESCRIPTOR);
        }
        if (transmit.configured) {
            ranges.add(transmit.base, (long) transmit.length * Transmit.DESCRIPTOR);
            if (transmit.writesHead) {
                ranges.add(transmit.headAddress, Integer.BYTES);
            }
        }
    }

    private static QueuePair decode(ByteBuffer bytes) {
        int transmitFlags = bytes.get(0);
        int receiveFlags = bytes.get(32);
        Receive receive = new Receive(
                (receiveFlags & CONFIGURED) != 0,
                (receiveFlags & ENABLED) != 0,
                bytes.get(33) & 0xff,
                bytes.getShort(34) & 0xffff,
                bytes.getShort(36) & 0xffff,
                bytes.getLong(40),
                bytes.getInt(48));
        if ((receive.configured && (receive.head >= receive.length || receive.bufferSize <= 0))
                || (receive.enabled && !receive.configured)) {
            throw new VfioException(Errno.EINVAL, "a receive queue cannot be as the hardware's state says: " + receive);
        }
        return new QueuePair(
                new Transmit(
                        (transmitFlags & CONFIGURED) != 0,
                        (transmitFlags & HEAD_WRITE_BACK) != 0,
                        bytes.getShort(2) & 0xffff,
                        bytes.getLong(8),
                        bytes.getLong(16)),
                receive);
    }
}
