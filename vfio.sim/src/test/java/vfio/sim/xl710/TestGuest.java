package vfio.sim.xl710;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.atomic.AtomicInteger;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/** Memory of a guest: {@link #SIZE} bytes at {@link #BASE} that the device may read and write, and nothing else. */
final class TestGuest implements DmaSpace {
    static final long BASE = 0x4000_0000L;
    static final int SIZE = 4 << 20;

    final ByteBuffer bytes = ByteBuffer.allocate(SIZE).order(ByteOrder.LITTLE_ENDIAN);
    final AtomicInteger faults = new AtomicInteger();
    final WrittenPages written = new WrittenPages();
    private boolean unmapped;

    /** From now on nothing is mapped. */
    synchronized void unmap() {
        unmapped = true;
    }

    @Override
    public synchronized void read(long iova, ByteBuffer destination) {
        int count = destination.remaining();
        destination.put(bytes.slice(check(iova, count), count));
    }

    @Override
    public synchronized void write(long iova, ByteBuffer source) {
        int count = source.remaining();
        int at = check(iova, count);
        written.add(iova, count);
        bytes.slice(at, count).put(source);
    }

    private int check(long iova, int count) {
        if (unmapped || iova < BASE || iova > BASE + SIZE - count || count == 0) {
            faults.incrementAndGet();
            throw new VfioException(Errno.EFAULT, "nothing is mapped at 0x" + Long.toHexString(iova));
        }
        return (int) (iova - BASE);
    }
}
