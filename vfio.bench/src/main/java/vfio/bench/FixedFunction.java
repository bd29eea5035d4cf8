package vfio.bench;

import java.util.Optional;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.api.pci.PciIds;

/**
 * A function that costs next to nothing, so that what lies in front of it can be measured.
 *
 * @param physicalFunction of a virtual function; empty if this is a physical one
 */
record FixedFunction(PciAddress address, PciIds ids, Optional<PciAddress> physicalFunction) implements PciDevice {
    private static final PciIds PHYSICAL = new PciIds(0x8086, 0x1572, 0x8086, 0, 0x020000, 2);
    private static final PciIds VIRTUAL = new PciIds(0x8086, 0x154c, 0x8086, 0, 0x020000, 2);

    /** An XL710 physical function. */
    static FixedFunction physical(PciAddress address) {
        return new FixedFunction(address, PHYSICAL, Optional.empty());
    }

    /** The first virtual function of an XL710. */
    static FixedFunction virtual(PciAddress address, PciAddress physicalFunction) {
        return new FixedFunction(address, VIRTUAL, Optional.of(physicalFunction));
    }

    @Override
    public String backend() {
        return "fixed";
    }

    @Override
    public int virtualFunctionNumber() {
        return physicalFunction.isPresent() ? 0 : -1;
    }

    @Override
    public Optional<String> unassignableReason() {
        return Optional.empty();
    }

    @Override
    public Hardware open(DmaSpace memory) {
        return new FixedHardware();
    }
}
