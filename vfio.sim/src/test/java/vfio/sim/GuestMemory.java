package vfio.sim;

import java.nio.ByteBuffer;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/** Guest memory at IOVA 0, with something to do before each access. */
final class GuestMemory implements DmaSpace {
    final byte[] bytes;
    volatile Runnable before = () -> {};
    volatile String lastThread = "";

    GuestMemory(int size) {
        bytes = new byte[size];
    }

    @Override
    public void read(long iova, ByteBuffer destination) {
        enter();
        destination.put(bytes, check(iova, destination.remaining()), destination.remaining());
    }

    @Override
    public void write(long iova, ByteBuffer source) {
        enter();
        source.get(bytes, check(iova, source.remaining()), source.remaining());
    }

    private void enter() {
        lastThread = Thread.currentThread().getName();
        before.run();
    }

    private int check(long iova, int count) {
        if (iova < 0 || iova > bytes.length - count) {
            throw new VfioException(Errno.EFAULT, "nothing is mapped at 0x" + Long.toHexString(iova));
        }
        return (int) iova;
    }
}
