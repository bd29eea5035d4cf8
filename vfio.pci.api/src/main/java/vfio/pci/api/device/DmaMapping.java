package vfio.pci.api.device;

import org.jspecify.annotations.Nullable;

/**
 * A range of IOVAs that the device may use ({@code VFIO_USER_DMA_MAP}).
 *
 * @param iova first address
 * @param size bytes, at least 1; {@code iova + size} does not wrap beyond 2^64
 * @param readable whether the device may read
 * @param writable whether the device may write
 * @param memory the memory itself, byte 0 at {@code iova}; null if it can only be reached by asking the client
 */
public record DmaMapping(
        long iova,
        long size,
        boolean readable,
        boolean writable,
        @Nullable SharedMemory memory) {
    /** The last address of the range. */
    public long last() {
        return iova + size - 1;
    }

    /** Whether the range covers {@code length} bytes, at least 1, from {@code address}. */
    public boolean covers(long address, long length) {
        return Long.compareUnsigned(address, iova) >= 0
                && Long.compareUnsigned(address - iova, size) < 0
                && Long.compareUnsigned(length, size - (address - iova)) <= 0;
    }

    /** Whether the two ranges have an address in common. */
    public boolean overlaps(long address, long length) {
        return Long.compareUnsigned(address, last()) <= 0 && Long.compareUnsigned(iova, address + length - 1) <= 0;
    }

    @Override
    public String toString() {
        return "[0x" + Long.toHexString(iova) + ", +0x" + Long.toHexString(size) + ")";
    }
}
