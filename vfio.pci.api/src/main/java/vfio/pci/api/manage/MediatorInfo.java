package vfio.pci.api.manage;

import java.util.List;
import vfio.pci.api.pci.PciAddress;

/**
 * A registered vendor driver.
 *
 * @param name its name; drivers may share one
 * @param serves what it says it serves, for display
 * @param ranking service ranking
 * @param serviceId OSGi service id
 * @param bundle symbolic name and version of its bundle
 * @param bundleId OSGi id of its bundle
 * @param devices the devices it mediates now, by address
 * @param failures exceptions it threw since it was registered
 */
public record MediatorInfo(
        String name,
        String serves,
        int ranking,
        long serviceId,
        String bundle,
        long bundleId,
        List<PciAddress> devices,
        long failures) {
    /** Copies the devices. */
    public MediatorInfo {
        devices = List.copyOf(devices);
    }

    /** Number of devices it mediates now. */
    public int openDevices() {
        return devices.size();
    }
}
