package vfio.migration;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.DeviceManager;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciConfig;
import vfio.pci.api.pci.PciRegion;

/** A device that can take over the state of another: somebody has it open, and nobody uses it. */
final class FreshDevice {
    private FreshDevice() {}

    /**
     * The device at an address.
     *
     * @throws VfioException ENODEV if nobody has it open, EBUSY if it is in use
     */
    static OpenDevice require(DeviceManager manager, PciAddress address) {
        OpenDevice device = manager.opened(address)
                .orElseThrow(
                        () -> new VfioException(
                                Errno.ENODEV,
                                "nobody has " + address
                                        + " open; start the VMM that is to go on with it, with its guest stopped, and try again"));
        if ((command(device) & PciConfig.COMMAND_MASTER) != 0) {
            throw new VfioException(
                    Errno.EBUSY,
                    address + " is in use: its bus mastering is on; have its guest shut down, or reset the device");
        }
        return device;
    }

    private static int command(OpenDevice device) {
        ByteBuffer data = ByteBuffer.allocate(Short.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        device.read(new RegionAccess().wrap(PciRegion.CONFIG, PciConfig.COMMAND, Short.BYTES, data, 0));
        return data.getShort(0);
    }
}
