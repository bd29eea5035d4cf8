package vfio.pci.api.device;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.osgi.annotation.versioning.ProviderType;

/**
 * The client's memory as the device sees it, addressed by IOVA.
 *
 * <p>Each access is checked against the DMA map for bounds and permission; an access must lie inside one mapping. Any
 * failure is {@link VfioException} EFAULT and leaves the device to decide what a failed DMA means for it. A mapping that is
 * being removed waits for accesses in progress, never the other way round.
 *
 * <p>Memory for which the client sent no file descriptor is reached by a message to the client. Such an access blocks until
 * the client answers, so it must not be made while the client waits for us: from within a region access it fails with
 * EDEADLK. Devices do their DMA on a thread of their own.
 */
@ProviderType
public interface DmaSpace {
    /** Copies {@code destination.remaining()} bytes from the client's memory; the buffer's position advances. */
    void read(long iova, ByteBuffer destination);

    /** Copies {@code source.remaining()} bytes to the client's memory; the buffer's position advances. */
    void write(long iova, ByteBuffer source);

    /**
     * Eight bytes, little-endian. Later accesses by this thread are not done before it. The core's implementation is a single
     * load if the address is aligned, and allocates nothing.
     */
    default long readLong(long iova) {
        ByteBuffer bytes = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        read(iova, bytes);
        return bytes.getLong(0);
    }

    /**
     * Sets eight bytes, little-endian. Earlier accesses by this thread are done before it, so this is how a descriptor is
     * given back. The core's implementation is a single store if the address is aligned, and allocates nothing.
     */
    default void writeLong(long iova, long value) {
        write(
                iova,
                ByteBuffer.allocate(Long.BYTES)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putLong(value)
                        .flip());
    }

    /**
     * Lends memory where it is to somebody who needs no copy of it, under the checks of {@link #read} or {@link #write}. The
     * mapping is not removed meanwhile, so this must be over soon.
     *
     * @param iova of the first byte
     * @param length bytes, at least 1, inside one mapping
     * @param toWrite whether the borrower writes to it, else it reads
     * @return what the borrower returned; -1 also if the memory cannot be lent, because it is reached by asking the client or
     *     through a copy, and then the borrower was not called: read or write it
     */
    default int lend(long iova, int length, boolean toWrite, Borrower borrower) {
        return -1;
    }

    /** Uses memory that {@link #lend} lends. */
    @FunctionalInterface
    interface Borrower {
        /**
         * Reads or writes the bytes that were asked for, and no others. Neither blocks nor uses the {@link DmaSpace}.
         *
         * @param memory not to be kept, nor closed
         * @param offset of the first byte in it
         * @return 0 or more; -1 if this is no memory for it
         */
        int use(SharedMemory memory, long offset);
    }
}
