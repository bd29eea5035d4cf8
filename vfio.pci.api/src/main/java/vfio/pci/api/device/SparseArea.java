package vfio.pci.api.device;

/**
 * A part of a region that may be mapped ({@code struct vfio_region_sparse_mmap_area}).
 *
 * @param offset byte offset in the region, a multiple of 4096
 * @param size bytes, a positive multiple of 4096
 * @param disablable whether mapping this part may be withdrawn while the device is open (dynamic trap)
 */
public record SparseArea(long offset, long size, boolean disablable) {
    /** An area that stays mappable as long as the device is open. */
    public static SparseArea direct(long offset, long size) {
        return new SparseArea(offset, size, false);
    }

    /** An area whose mapping may be withdrawn while the device is open. */
    public static SparseArea disablable(long offset, long size) {
        return new SparseArea(offset, size, true);
    }

    /** The first offset after the area. */
    public long end() {
        return offset + size;
    }
}
