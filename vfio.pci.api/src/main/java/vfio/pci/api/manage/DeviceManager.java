package vfio.pci.api.manage;

import java.util.List;
import java.util.Optional;
import java.util.Set;
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
     * @param features what the user knows beyond what every user knows
     * @return the open device, owned by the caller
     * @throws VfioException ENODEV if it is not present, EPERM if it is not assignable, EBUSY if somebody has it
     */
    OpenDevice open(PciAddress address, String user, ClientMemory clientMemory, Set<ClientFeature> features);

    /** Opens a function for a user without special features. */
    default OpenDevice open(PciAddress address, String user, ClientMemory clientMemory) {
        return open(address, user, clientMemory, Set.of());
    }

    /**
     * Hands an open device over to the driver that would be chosen now, or to a given one. Accesses wait meanwhile. If
     * nobody takes it, it stays with the driver it has.
     *
     * @param address of an open device
     * @param driver name of the driver that shall have it; empty for the first in order that accepts
     * @return who was asked, and what became of it
     * @throws VfioException ENODEV if the device is not open, ENOENT if no driver has that name, EBUSY if it is being handed
     *     over already
     */
    Explanation rebind(PciAddress address, Optional<String> driver);

    /** The open device at an address, whoever opened it. */
    Optional<OpenDevice> opened(PciAddress address);

    /** How the last open or hand-over of a function went, driver by driver; empty if it was never opened. */
    Optional<Explanation> explain(PciAddress address);
}
