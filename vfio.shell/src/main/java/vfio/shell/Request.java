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
        return with(manager, "device manager", "vfio.pci.core", request);
    }

    /**
     * Runs a request with a service.
     *
     * @param what the service is, for people
     * @param bundle that offers it
     * @throws CommandException if it is not there, or in place of a {@link VfioException}
     */
    static <S, T> T with(@Nullable S service, String what, String bundle, Function<S, T> request) {
        if (service == null) {
            throw new CommandException("there is no " + what + ": is the bundle " + bundle + " active? See felix:lb");
        }
        try {
            return request.apply(service);
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
