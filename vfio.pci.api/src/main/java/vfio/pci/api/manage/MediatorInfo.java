package vfio.pci.api.manage;

/**
 * A registered vendor driver.
 *
 * @param name its name
 * @param serves what it says it serves, for display
 * @param ranking service ranking
 * @param serviceId OSGi service id
 * @param bundle symbolic name and version of its bundle
 * @param openDevices number of devices it mediates now
 * @param failures exceptions it threw since it was registered
 */
public record MediatorInfo(
        String name, String serves, int ranking, long serviceId, String bundle, int openDevices, long failures) {}
