package vfio.host;

import vfio.linux.ControlFile;
import vfio.pci.api.device.DmaMapping;

/** The address space of one open device in the IOMMU. Safe for several threads. */
interface IommuDomain extends AutoCloseable {
    /** The interface of the kernel, for people. */
    String way();

    /** The device's file; owned by this object. */
    ControlFile device();

    /**
     * Lets the device use the same pages at the same addresses.
     *
     * @throws vfio.pci.api.device.VfioException if it cannot
     */
    void map(DmaMapping mapping);

    /** Takes a mapping away. On return the device cannot use it. */
    void unmap(DmaMapping mapping);

    /** Closes the device and takes all mappings away. Idempotent. */
    @Override
    void close();
}
