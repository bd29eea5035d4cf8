package vfio.pci.repository;

import java.util.Optional;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.api.pci.PciIds;

/** A function that is only looked at. */
record TestDevice(PciAddress address, PciIds ids) implements PciDevice {
    static final TestDevice VF =
            new TestDevice(PciAddress.parse("0000:03:02.0"), new PciIds(0x8086, 0x154c, 0x8086, 0, 0x020000, 2));
    static final TestDevice IGD =
            new TestDevice(PciAddress.parse("0000:00:02.0"), new PciIds(0x8086, 0x5927, 0x8086, 0x2212, 0x030000, 6));

    @Override
    public String backend() {
        return "test";
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
        return Optional.empty();
    }

    @Override
    public Hardware open(DmaSpace memory) {
        throw new UnsupportedOperationException();
    }
}
