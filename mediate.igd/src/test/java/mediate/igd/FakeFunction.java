package mediate.igd;

import java.util.Optional;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.api.pci.PciIds;

/** A function that has ids and nothing else. */
record FakeFunction(PciIds ids) implements PciDevice {
    @Override
    public PciAddress address() {
        return PciAddress.parse("0000:00:02.0");
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
        throw new AssertionError("a driver never opens the function itself");
    }
}
