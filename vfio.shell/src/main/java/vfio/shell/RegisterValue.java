package vfio.shell;

import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciRegion;

/**
 * What was read from a region.
 *
 * @param address the function
 * @param region region index
 * @param offset byte offset
 * @param width bytes
 * @param value the value, zero-extended
 */
record RegisterValue(PciAddress address, int region, long offset, int width, long value) implements Rendered {
    @Override
    public String inspect() {
        return Arguments.hex(value, width);
    }

    @Override
    public String line() {
        return PciRegion.name(region) + "+0x" + Long.toHexString(offset) + " = " + inspect();
    }

    @Override
    public String part() {
        return inspect();
    }
}
