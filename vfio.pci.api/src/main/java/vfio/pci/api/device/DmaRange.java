package vfio.pci.api.device;

/**
 * A range of addresses as the device uses them.
 *
 * @param iova its start
 * @param length bytes, at least 1; the range ends at 2^64 at the latest
 */
public record DmaRange(long iova, long length) {
    /** The last address. */
    public long last() {
        return iova + (length - 1);
    }
}
