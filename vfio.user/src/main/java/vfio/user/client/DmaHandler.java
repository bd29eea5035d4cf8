package vfio.user.client;

import java.nio.ByteBuffer;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;

/**
 * Client memory that the server reaches by DMA_READ and DMA_WRITE messages.
 *
 * <p>Called by one thread of the client at a time, never by a thread that waits for a reply, so a handler may use the client
 * (but not close it). A {@link VfioException} becomes the error reply.
 */
public interface DmaHandler {
    /** There is no memory: every request is refused with EFAULT. */
    DmaHandler NONE = new DmaHandler() {
        @Override
        public void read(long iova, ByteBuffer destination) {
            throw absent(iova);
        }

        @Override
        public void write(long iova, ByteBuffer source) {
            throw absent(iova);
        }

        private VfioException absent(long iova) {
            return new VfioException(
                    Errno.EFAULT, "the client has no memory at 0x" + Long.toHexString(iova) + " to be asked for");
        }
    };

    /** The server reads: fills the remaining bytes of the destination, which is valid during the call. */
    void read(long iova, ByteBuffer destination);

    /** The server writes: takes the remaining bytes of the source, which is valid during the call. */
    void write(long iova, ByteBuffer source);
}
