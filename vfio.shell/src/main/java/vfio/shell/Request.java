package vfio.shell;

import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.DeviceManager;
import vfio.pci.api.pci.PciDevice;

/** What every command does before and after its own work. */
final class Request {
    private Request() {}

    /**
     * Runs a request with the device manager.
     *
     * @throws CommandException if there is no manager, or in place of a {@link VfioException}
     */
    static <T> T with(@Nullable DeviceManager manager, Function<DeviceManager, T> request) {
        if (manager == null) {
            throw new CommandException("there is no device manager: is the bundle vfio.pci.core active? See felix:lb");
        }
        try {
            return request.apply(manager);
        } catch (VfioException e) {
            throw new CommandException(e);
        }
    }

    /** The function that is meant by an address or the end of one. */
    static PciDevice device(DeviceManager manager, String name) {
        var address = DeviceName.resolve(
                name, manager.devices().stream().map(PciDevice::address).toList());
        return manager.devices().stream()
                .filter(device -> device.address().equals(address))
                .findFirst()
                .orElseThrow(() -> new VfioException(Errno.ENODEV, address + " has just left"));
    }
}
