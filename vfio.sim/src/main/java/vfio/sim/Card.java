package vfio.sim;

import java.util.function.Function;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciAddress;
import vfio.sim.xl710.Adapter;

/**
 * What kind of card it is: where its functions sit, and how the first is made, as after power-on. The first makes the virtual
 * ones. Immutable.
 *
 * @param address of the first function; of the physical function, if there are virtual ones
 * @param vfs how many virtual functions the card has at first
 * @param vfMaximum how many it can have
 * @param first makes the first function
 */
record Card(PciAddress address, int vfs, int vfMaximum, First first) {
    /** Makes the first function. */
    interface First {
        DeviceModel make(SharedMemory.Factory memory, int vfs);
    }

    /** An XL710 physical function with its virtual functions. */
    static Card xl710(PciAddress address, int vfs, Xl710Options options) {
        AdapterPower power = new AdapterPower(() -> new Adapter(
                address.toString(), options.queuePairs(), Xl710Pf.firstMacAddress(address), options.hostPort()));
        return new Card(
                address,
                vfs,
                Xl710Pf.MAXIMUM_VFS,
                (memory, count) -> new Xl710Pf(address, memory, count, options, power));
    }

    /** Integrated graphics. */
    static Card igd(PciAddress address, int deviceId, long aperture) {
        return single(address, memory -> new Igd(address, memory, deviceId, aperture));
    }

    /** The educational device. */
    static Card edu(PciAddress address) {
        return single(address, memory -> new Edu(address, memory));
    }

    private static Card single(PciAddress address, Function<SharedMemory.Factory, DeviceModel> maker) {
        return new Card(address, 0, 0, (memory, vfs) -> maker.apply(memory));
    }

    /**
     * Where a virtual function sits.
     *
     * @throws VfioException EINVAL if that is beyond the last routing id of the domain
     */
    PciAddress virtualFunction(int number) {
        try {
            return Xl710Pf.virtualFunction(address, number);
        } catch (IllegalArgumentException e) {
            throw new VfioException(
                    Errno.EINVAL,
                    "there is no address for virtual function " + number + " of " + address + ": " + e.getMessage(),
                    e);
        }
    }
}
