package vfio.pci.api.manage;

import java.util.List;
import org.osgi.annotation.versioning.ProviderType;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciAddress;

/**
 * The PCI functions of this host and the kernel's drivers for them. An optional OSGi service; it is there if the host's functions
 * are offered. Safe for several threads.
 */
@ProviderType
public interface HostFunctions {
    /** The addresses of the functions, ascending. */
    List<PciAddress> addresses();

    /** Looks at all functions again, for what the kernel has not told of. */
    void rescan();

    /**
     * Takes a function from its driver and gives it to vfio-pci, so that it can be given to a VMM. Which driver it had is
     * remembered.
     *
     * @param force whether the host may be using it
     * @param dryRun whether to do nothing
     * @return what was done, or would be, and what is still missing, as sentences
     * @throws VfioException ENODEV if there is no such function; EBUSY if the host uses it; EOPNOTSUPP if it has no IOMMU group
     *     or is a bridge; ENOENT if vfio-pci is not loaded; EACCES or EIO if the kernel refuses
     */
    List<String> bind(PciAddress address, boolean force, boolean dryRun);

    /**
     * Gives a function back to the driver it had; if that is not known, to the one that the kernel chooses.
     *
     * @param force whether somebody may have it open, who then loses it
     * @param dryRun whether to do nothing
     * @return what was done, or would be, as sentences
     * @throws VfioException ENODEV if there is no such function; EINVAL if it is not bound to vfio-pci; EBUSY if somebody has it
     *     open; EACCES or EIO if the kernel refuses
     */
    List<String> unbind(PciAddress address, boolean force, boolean dryRun);

    /**
     * Changes how many virtual functions a physical function has. The kernel takes all away and makes new ones.
     *
     * @return the addresses of the virtual functions it has now, by number
     * @throws VfioException ENODEV if there is no such function; EINVAL if it cannot have that many; EBUSY if somebody has one of
     *     them open; EACCES or EIO if the kernel refuses
     */
    List<PciAddress> setVirtualFunctions(PciAddress physicalFunction, int count);
}
