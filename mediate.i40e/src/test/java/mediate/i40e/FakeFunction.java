package mediate.i40e;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.api.pci.PciIds;

/** A function with the ids of an XL710 VF, whatever it is. */
record FakeFunction(String name, @Nullable PciAddress parent, int virtualFunctionNumber) implements PciDevice {
    @Override
    public PciAddress address() {
        return PciAddress.parse(name);
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
        return Optional.ofNullable(parent);
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
