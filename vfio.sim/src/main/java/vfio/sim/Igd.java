package vfio.sim;

import java.util.List;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciIds;
import vfio.pci.api.pci.PciRegion;

/**
 * Intel integrated graphics, generation 9, as far as its registers go: storage with a few reset values that a driver looks
 * for. It draws nothing.
 *
 * <p>BAR0 holds registers in its first 2 MiB and the graphics translation table in its upper half, BAR2 is the aperture.
 * Both may be mapped as a whole. A reset clears the registers; table and aperture are memory and keep their content. The
 * aperture takes memory only for pages that are touched.
 */
final class Igd extends DeviceModel {

    private static final long REGISTER_BYTES = 2L << 20;

    private static final List<Register> REGISTERS = List.of(
            Register.at(0x209c, "RCS MI_MODE, rings idle").reset(0x200),
            Register.at(0x42000, "FUSE_STATUS, fuses and power gates distributed")
                    .reset(0x8e00_0000L));

    /** @param aperture bytes, a power of two and a multiple of 4096 */
    Igd(PciAddress address, SharedMemory.Factory factory, int deviceId, long aperture) {
        super(address, layout(deviceId, aperture));
        install(PciRegion.BAR0, allocate(factory, PciRegion.BAR0), REGISTERS, REGISTER_BYTES);
        install(PciRegion.BAR2, allocate(factory, PciRegion.BAR2), List.of(), 0);
        install(PciRegion.BAR4, allocate(factory, PciRegion.BAR4), List.of());
    }

    private static FunctionLayout layout(int deviceId, long aperture) {
        return FunctionLayout.of(new PciIds(0x8086, deviceId, 0x8086, 0x2212, 0x030000, 0x06))
                .bar(PciRegion.BAR0, BarShape.Kind.MEMORY_64, 16L << 20)
                .bar(PciRegion.BAR2, BarShape.Kind.MEMORY_64_PREFETCHABLE, aperture)
                .trappedBar(PciRegion.BAR4, BarShape.Kind.IO, 64)
                .interruptPin(1)
                .capability(Capabilities.msi(0x90, false))
                .capability(Capabilities.powerManagement(0xd0))
                .capability(Capabilities.advancedFeatures(0xa4))
                .build();
    }
}
