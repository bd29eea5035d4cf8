package vfio.pci.api.manage;

import java.nio.ByteBuffer;
import org.osgi.annotation.versioning.ConsumerType;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * Reaches client memory that was mapped without a file descriptor, by asking the client ({@code VFIO_USER_DMA_READ}, {@code
 * VFIO_USER_DMA_WRITE}). Bounds and permission have been checked.
 */
@ConsumerType
public interface ClientMemory {
    /** There is no such way: every access fails with EFAULT. */
    ClientMemory NONE = new ClientMemory() {
        @Override
        public void read(long iova, ByteBuffer destination) {
            throw unreachable();
        }

        @Override
        public void write(long iova, ByteBuffer source) {
            throw unreachable();
        }

        private VfioException unreachable() {
            return new VfioException(
                    Errno.EFAULT,
                    "this memory was mapped without a file descriptor and its client cannot be asked for it");
        }
    };

    /** Fills the remaining bytes of the destination. */
    void read(long iova, ByteBuffer destination);

    /** Sends the remaining bytes of the source. */
    void write(long iova, ByteBuffer source);
}
