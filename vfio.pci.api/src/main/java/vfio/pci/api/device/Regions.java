package vfio.pci.api.device;

import org.jspecify.annotations.Nullable;
import org.osgi.annotation.versioning.ProviderType;

/**
 * The regions of an open device.
 *
 * <p>Callers have checked the index, the bounds and the permission of an access before it arrives here: {@code 0 <= region
 * < regionCount()}, {@code offset + length <= size}, and the READ or WRITE flag is set. All methods may be called by
 * several threads at once.
 */
@ProviderType
public interface Regions {
    /** Number of region indexes, including those not implemented. */
    int regionCount();

    /** The region at an index in {@code [0, regionCount())}. */
    RegionInfo regionInfo(int region);

    /**
     * Fills the data of an access from the region.
     *
     * @throws VfioException if the device refuses
     */
    void read(RegionAccess access);

    /**
     * Applies the data of an access to the region.
     *
     * @throws VfioException if the device refuses
     */
    void write(RegionAccess access);

    /**
     * The memory behind a mappable region; byte {@code n} of the memory is byte {@code n} of the region.
     *
     * @return the memory, owned by the device, or null if the region is not mappable
     */
    @Nullable
    SharedMemory memory(int region);
}
