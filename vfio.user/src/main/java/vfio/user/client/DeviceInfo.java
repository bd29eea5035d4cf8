package vfio.user.client;

/**
 * What DEVICE_GET_INFO tells.
 *
 * @param resettable whether DEVICE_RESET works
 * @param pci whether it is a PCI device
 * @param regionCount number of region indexes
 * @param interruptCount number of interrupt indexes
 */
public record DeviceInfo(boolean resettable, boolean pci, int regionCount, int interruptCount) {}
