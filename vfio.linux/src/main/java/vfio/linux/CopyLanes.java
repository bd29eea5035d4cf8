package vfio.linux;

import java.nio.ByteBuffer;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Native memory for copies through the kernel, cut into lanes that threads claim for one copy each, so that they rarely wait
 * for each other and a copy costs no allocation. A lane holds two {@code struct iovec}, local and remote, and data.
 */
final class CopyLanes implements AutoCloseable {
    static final int IOVEC_SIZE = 16;
    static final int DATA_SIZE = (1 << 16) - 64;

    private static final int LANES = 8;
    private static final int LANE_SIZE = 1 << 16;
    private static final int IOV_LEN = 8;
    private static final int DATA = LANE_SIZE - DATA_SIZE;

    private final NativeBuffer memory = NativeBuffer.allocate(LANES * LANE_SIZE);
    private final long address = memory.address();
    private final ByteBuffer bytes = memory.bytes();
    private final Semaphore free = new Semaphore(LANES);
    /** A bit for each lane in use. */
    private final AtomicInteger used = new AtomicInteger();

    CopyLanes() {
        for (int lane = 0; lane < memory.capacity(); lane += LANE_SIZE) {
            bytes.putLong(lane, dataAddress(lane));
        }
    }

    /** Waits for a free lane. */
    int claim() {
        free.acquireUninterruptibly();
        while (true) {
            int taken = used.get();
            int bit = Integer.lowestOneBit(~taken);
            if (used.compareAndSet(taken, taken | bit)) {
                return Integer.numberOfTrailingZeros(bit) * LANE_SIZE;
            }
        }
    }

    void release(int lane) {
        int bit = 1 << (lane / LANE_SIZE);
        int taken;
        do {
            taken = used.get();
        } while (!used.compareAndSet(taken, taken & ~bit));
        free.release();
    }

    /** What the lanes are made of, for an owner who frees it in place of {@link #close}. */
    NativeBuffer memory() {
        return memory;
    }

    /** What the data of all lanes lies in. */
    ByteBuffer bytes() {
        return bytes;
    }

    /** Index of the data of a lane in {@link #bytes()}. */
    int data(int lane) {
        return lane + DATA;
    }

    long dataAddress(int lane) {
        return address + lane + DATA;
    }

    /**
     * Fills the two vectors for a copy between the data of a lane and another place.
     *
     * @return address of the local vector; the remote one follows it
     */
    long prepare(int lane, long remote, int length) {
        bytes.putLong(lane + IOV_LEN, length);
        bytes.putLong(lane + IOVEC_SIZE, remote);
        bytes.putLong(lane + IOVEC_SIZE + IOV_LEN, length);
        return address + lane;
    }

    @Override
    public void close() {
        memory.close();
    }
}
