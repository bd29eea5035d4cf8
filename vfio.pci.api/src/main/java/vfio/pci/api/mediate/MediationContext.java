package vfio.pci.api.mediate;

import org.osgi.annotation.versioning.ProviderType;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.Regions;
import vfio.pci.api.pci.PciDevice;

/**
 * What the core lends a mediation for the time it holds a device. All methods may be called by several threads at once.
 * Regions and memory, and adding a region, fail with ENODEV once the mediation has been closed.
 */
@ProviderType
public interface MediationContext {
    /** The function that is being opened. */
    PciDevice device();

    /**
     * The regions of the device underneath. Accesses made here go to the hardware, not through the mediation. The caller
     * takes care of index, bounds and permission; they are checked again.
     */
    Regions hardware();

    /** The client's memory. */
    DmaSpace memory();

    /**
     * Adds a device-specific region. Only while the device is being opened, that is during {@link MediateOps#open}. The
     * mediation answers every access to it; passing through is refused with EIO.
     *
     * @param region describes the region; its index is ignored, its type must not be 0
     * @return the index the region got
     */
    int addRegion(RegionInfo region);

    /** A logger that bears the vendor's name and the device's address. */
    System.Logger logger();
}
