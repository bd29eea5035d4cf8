package vfio.pci.api.pci;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.osgi.annotation.versioning.ProviderType;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.VfioException;

/**
 * A PCI function that is present. An OSGi service for as long as it is; see {@link #serviceProperties}.
 *
 * <p>The object is a description and a way to open the function; it holds no resources by itself.
 */
@ProviderType
public interface PciDevice {
    /** Service property: the address, {@link PciAddress#toString()}. */
    String ADDRESS = "pci.address";

    /** Service property: vendor id as four lower-case hexadecimal digits. */
    String VENDOR = "pci.vendor";

    /** Service property: device id as four lower-case hexadecimal digits. */
    String DEVICE = "pci.device";

    /** Service property: class code as six lower-case hexadecimal digits. */
    String CLASS = "pci.class";

    /** Service property: the address of the physical function, present on a VF only. */
    String PHYSICAL_FUNCTION = "pci.physfn";

    /** Service property: a Boolean, whether the function can be given to a VMM; see {@link #unassignableReason}. */
    String ASSIGNABLE = "pci.assignable";

    /** Where the function sits. */
    PciAddress address();

    /** What the function is. */
    PciIds ids();

    /** What provides it, for people: {@code simulated} or {@code linux}. */
    String backend();

    /** The physical function of a VF; empty if this is not a VF. */
    Optional<PciAddress> physicalFunction();

    /** The number of a VF, counted from 0; {@code -1} if this is not a VF. */
    int virtualFunctionNumber();

    /**
     * Why the function cannot be given to a VMM, as a sentence; empty if it can. This may change while the function is
     * present, as when it gets virtual functions; its service property {@link #ASSIGNABLE} changes then.
     */
    Optional<String> unassignableReason();

    /** What else its provider knows of it, by name, for people. The default knows nothing. */
    default Map<String, String> details() {
        return Map.of();
    }

    /** Which interface of the kernel opens it, for people; empty if none does. The default is none. */
    default Optional<String> openedThrough() {
        return Optional.empty();
    }

    /**
     * Opens the function. At most one user has it open at a time.
     *
     * @param memory the client's memory, for the DMA of a simulated device; a real one uses {@link Hardware#map}
     * @return the open function, owned by the caller
     * @throws VfioException EBUSY if it is open already, or whatever keeps it from being opened
     */
    Hardware open(DmaSpace memory);

    /** The properties to register a function with; {@code FrameworkUtil.asDictionary} gives them the form that takes. */
    static Map<String, Object> serviceProperties(PciDevice device) {
        Map<String, Object> properties = new HashMap<>();
        properties.put(ADDRESS, device.address().toString());
        properties.put(VENDOR, PciIds.hex4(device.ids().vendor()));
        properties.put(DEVICE, PciIds.hex4(device.ids().device()));
        properties.put(CLASS, String.format("%06x", device.ids().classCode()));
        properties.put(ASSIGNABLE, device.unassignableReason().isEmpty());
        device.physicalFunction().ifPresent(address -> properties.put(PHYSICAL_FUNCTION, address.toString()));
        return Map.copyOf(properties);
    }
}
