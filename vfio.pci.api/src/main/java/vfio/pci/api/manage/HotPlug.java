package vfio.pci.api.manage;

import java.util.List;
import org.osgi.annotation.versioning.ProviderType;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;

/**
 * A bus whose functions an administrator may pull out and put back. An optional OSGi service; the simulated bus offers it.
 *
 * <p>A function that is pulled out leaves as real ones do: its {@link PciDevice} service goes first, and with it whoever has
 * the function open; only then the function itself. So a call returns when everybody has let go. A function that is put back
 * is as after power-on. A physical function comes before its virtual functions and leaves after them.
 *
 * <p>Safe for several threads; calls that concern one card take turns.
 */
@ProviderType
public interface HotPlug {
    /** The places of the bus, by address: every function that is present or can be put back. */
    List<Place> places();

    /**
     * Pulls a function out; a physical function with all its virtual functions.
     *
     * @return what was pulled out, in that order
     * @throws VfioException ENODEV if there is no such function
     */
    List<PciAddress> remove(PciAddress address);

    /**
     * Pulls out a physical function and leaves its virtual functions where they are. No real bus can do that; it shows what
     * happens when the one is missing without the others.
     *
     * @throws VfioException ENODEV if there is no such function
     */
    void removeAlone(PciAddress address);

    /**
     * Puts a function back; a physical function with all its virtual functions that are missing.
     *
     * @return what was put back, in that order
     * @throws VfioException ENODEV if there is no such place, or the function is virtual and its physical function is missing;
     *     EEXIST if the function is present; ENOMEM
     */
    List<PciAddress> add(PciAddress address);

    /**
     * Changes how many virtual functions a physical function has. The last ones go, or new ones come behind the last; all
     * others, and the physical function, stay as they are. Virtual functions that were pulled out stay out.
     *
     * @param count 0 to {@link Place#virtualFunctionMaximum}
     * @return the addresses of the virtual functions it has now, by number
     * @throws VfioException EINVAL if the function cannot have that many; ENODEV if it is missing; EBUSY if somebody has it
     *     open itself; EEXIST if the address of a new function is taken; ENOMEM
     */
    List<PciAddress> setVirtualFunctions(PciAddress physicalFunction, int count);

    /**
     * The place of a function.
     *
     * @param function the function that is there, or was last
     * @param present whether it is there
     * @param virtualFunctions how many virtual functions it has
     * @param virtualFunctionMaximum how many it can have
     */
    record Place(PciDevice function, boolean present, int virtualFunctions, int virtualFunctionMaximum) {}
}
