package vfio.pci.core;

import java.util.Optional;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.api.pci.PciIds;

/** A function that opens as the given hardware; at 0000:03:02.0 if nothing else is said. */
record FakeFunction(PciAddress address, Hardware hardware) implements PciDevice {
    static final PciAddress ADDRESS = PciAddress.parse("0000:03:02.0");

    FakeFunction(Hardware hardware) {
        this(ADDRESS, hardware);
    }

    @Override
    public PciIds ids() {
        return new PciIds(0x8086, 0x154c, 0x8086, 0, 0x020000, 2);
    }

    @Override
    public String backend() {
        return "fake";
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
        return hardware;
    }
}
