package vfio.itest;

import java.util.Optional;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.api.pci.PciIds;

/** An XL710 physical function that is there and cannot be opened. */
record SilentPhysicalFunction(PciAddress address) implements PciDevice {
    @Override
    public PciIds ids() {
        return new PciIds(0x8086, 0x1572, 0x8086, 0, 0x020000, 2);
    }

    @Override
    public String backend() {
        return "simulated";
    }

    @Override
    public Optional<PciAddress> physicalFunction() {
        return Optional.empty();
    }

    @Override
    public int virtualFunctionNumber() {
        return -1;
    }

    @Override
    public Optional<String> unassignableReason() {
        return Optional.of("it has virtual functions");
    }

    @Override
    public Hardware open(DmaSpace memory) {
        throw new VfioException(Errno.EPERM, "it has virtual functions");
    }
}
