package vfio.sim;

import java.util.ArrayList;
import java.util.List;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciIds;
import vfio.pci.api.pci.PciInterrupt;
import vfio.pci.api.pci.PciRegion;

/**
 * A virtual function of an Intel XL710, as far as its registers go: identity, MSI-X, interrupt control, reset state. It
 * does not move packets and its mailbox does not answer.
 *
 * <p>BAR0 is storage except for the registers listed in {@link #registers}. The pages of those registers stay trapped: 0x3000
 * (VFINT_DYN_CTLN1), 0x4000 (VFINT_ICR01, clear on read), 0x5000 (VFINT_DYN_CTL01) and 0x8000 (VFGEN_RSTAT, which only the
 * device writes). All other pages may be mapped.
 */
final class Xl710Vf extends DeviceModel {
    static final int DEVICE_ID = 0x154c;

    /** One for the mailbox and other causes, four for queues. */
    static final int VECTORS = 5;

    private static final int MSIX_PENDING = 0x2000;
    private static final int RSTAT = 0x8800;
    private static final int RSTAT_ACTIVE = 2;

    private static final FunctionLayout LAYOUT = FunctionLayout.of(
                    new PciIds(0x8086, DEVICE_ID, 0x8086, 0x0000, 0x020000, 0x02))
            .bar(PciRegion.BAR0, BarShape.Kind.MEMORY_64_PREFETCHABLE, 0x1_0000)
            .trappedBar(PciRegion.BAR3, BarShape.Kind.MEMORY_64_PREFETCHABLE, 0x4000)
            .capability(Capabilities.msix(0x70, VECTORS, PciRegion.BAR3, 0, MSIX_PENDING))
            .capability(Capabilities.express(0xa0))
            .capability(Capabilities.advancedErrorReporting(0x100))
            .capability(Capabilities.alternativeRoutingId(0x150))
            .build();

    private final Xl710VfInterrupts interruptControl;

    Xl710Vf(PciAddress address, SharedMemory.Factory factory) {
        super(address, LAYOUT);
        SharedMemory registers = allocate(factory, PciRegion.BAR0);
        interruptControl = new Xl710VfInterrupts(registers, this::fire);
        install(PciRegion.BAR0, registers, registers());
        install(PciRegion.BAR3, allocate(factory, PciRegion.BAR3), MsixTable.registers(interrupts(), 0, MSIX_PENDING));
    }

    /** The BARs of such a function, for the SR-IOV capability of the physical function. */
    static List<BarShape> bars() {
        return LAYOUT.bars();
    }

    Xl710VfInterrupts interruptControl() {
        return interruptControl;
    }

    @Override
    void resetState() {
        interruptControl.reset();
    }

    private List<Register> registers() {
        List<Register> registers = new ArrayList<>(interruptControl.registers());
        registers.add(Register.at(RSTAT, "VFGEN_RSTAT").reset(RSTAT_ACTIVE).readOnly());
        return registers;
    }

    private void fire(int vector) {
        interrupts().fire(PciInterrupt.MSIX, vector);
    }
}
