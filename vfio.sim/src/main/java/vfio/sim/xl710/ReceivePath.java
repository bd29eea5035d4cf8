package vfio.sim.xl710;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import vfio.pci.api.device.VfioException;

/**
 * Writes frames into receive queues: into as many buffers as a frame takes, then their descriptors, whose status words come last
 * or are left to the queue. Scratch memory for the engine's thread; nothing is allocated for a frame.
 */
final class ReceivePath {
    private static final int DESCRIPTOR = ReceiveQueue.DESCRIPTOR;
    private static final long DONE = 1;
    private static final long END_OF_PACKET = 1 << 1;
    private static final int LENGTH_SHIFT = 38;

    private final ByteBuffer writeBack = ByteBuffer.allocateDirect(DESCRIPTOR).order(ByteOrder.LITTLE_ENDIAN);

    /**
     * Writes a frame.
     *
     * @param tail of the queue
     * @param bytes big-endian; position and limit are changed
     * @param hash of the frame; counts if the status says so
     * @param status the bits of the status word that say what the frame is
     * @param writesBack whether the status words may be written at once
     * @return false if the queue has not enough descriptors, or takes no such frame
     * @throws MaliciousDriverException if a descriptor reaches memory that is not mapped
     */
    boolean write(
            GuestAccess guest,
            ReceiveQueue queue,
            int tail,
            ByteBuffer bytes,
            int offset,
            int length,
            int hash,
            long status,
            boolean writesBack)
            throws MaliciousDriverException {
        if (tail >= queue.length) {
            throw new MaliciousDriverException("its tail " + tail + " lies outside a ring of " + queue.length);
        }
        int buffers = (length + queue.bufferSize - 1) / queue.bufferSize;
        if (length > queue.maximumFrame || buffers > ReceiveQueue.CHAIN_MAXIMUM || buffers > queue.posted(tail)) {
            return false;
        }
        try {
            int done = 0;
            for (int buffer = 1; buffer <= buffers; buffer++) {
                int part = Math.min(queue.bufferSize, length - done);
                long descriptor = queue.base + (long) queue.head * DESCRIPTOR;
                guest.write(
                        guest.readLong(descriptor),
                        bytes.limit(offset + done + part).position(offset + done));
                done += part;
                boolean last = buffer == buffers;
                writeBack.clear().putLong(0, last ? Integer.toUnsignedLong(hash) << 32 : 0);
                guest.write(descriptor, writeBack);
                queue.done(DONE | (last ? END_OF_PACKET | status : 0) | (long) part << LENGTH_SHIFT);
                if (queue.isLineComplete() || (last && writesBack)) {
                    queue.writeBack(guest);
                }
            }
            return true;
        } catch (VfioException e) {
            throw new MaliciousDriverException(e);
        } finally {
            bytes.clear();
        }
    }
}
