package vfio.pci.api.manage;

import java.util.List;
import java.util.Optional;
import org.osgi.annotation.versioning.ProviderType;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;

/** Knows the functions that are present, opens them, and can say why things are as they are. Safe for several threads. */
@ProviderType
public interface DeviceManager {
    /** The functions present, by address. */
    List<PciDevice> devices();

    /** The registered vendor drivers in the order in which they are asked. */
    List<MediatorInfo> mediators();

    /**
     * Opens a function: the hardware first, then the choice of a mediation.
     *
     * @param address of a function that is present and assignable
     * @param user who wants it, for people: {@code vfio-user pid 4711}
     * @param clientMemory reaches memory that has no file descriptor; {@link ClientMemory#NONE} if there is no such way
     * @return the open device, owned by the caller
     * @throws VfioException ENODEV if it is not present, EPERM if it is not assignable, EBUSY if somebody has it
     */
    OpenDevice open(PciAddress address, String user, ClientMemory clientMemory);

    /** The open device at an address, whoever opened it. */
    Optional<OpenDevice> opened(PciAddress address);

    /** How the last open of a function went, driver by driver; empty if it was never opened. */
    Optional<Explanation> explain(PciAddress address);
}
