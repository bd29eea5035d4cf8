package vfio.sim;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciIds;
import vfio.pci.api.pci.PciRegion;
import vfio.sim.xl710.VfRegister;
import vfio.sim.xl710.VirtualFunction;

/**
 * A virtual function of an Intel XL710 as a PCI function: identity, MSI-X, and BAR0 with the registers of {@link VfRegister}.
 * What is behind them is a {@link VirtualFunction}.
 *
 * <p>Pages of BAR0 with registers that mapped memory cannot be stay trapped: 0x3000 (VFINT_DYN_CTLN1), 0x4000 (VFINT_ICR01,
 * clear on read), 0x5000 (VFINT_DYN_CTL01) and 0x8000 (VFGEN_RSTAT, which only the device writes). All other pages may be
 * mapped, those with the tails of queues too.
 */
final class Xl710Vf extends DeviceModel {
    static final int DEVICE_ID = 0x154c;

    private static final int MSIX_PENDING = 0x2000;
    private static final long BAR0_SIZE = 0x1_0000;

    private final AdapterPower power;
    private final VirtualFunction function;

    Xl710Vf(PciAddress address, SharedMemory.Factory factory, AdapterPower power, int number, Xl710Options options) {
        super(address, layout(options));
        SharedMemory registers = allocate(factory, PciRegion.BAR0);
        install(PciRegion.BAR3, allocate(factory, PciRegion.BAR3), MsixTable.registers(interrupts(), 0, MSIX_PENDING));
        // Nothing fails behind this, since it has to be given back from now on.
        this.power = power;
        function = power.on().function(number, registers, this::isBusMaster, new MsixVectors(interrupts()));
        install(PciRegion.BAR0, registers, registers());
    }

    /** The BARs of such a function, for the SR-IOV capability of the physical function. */
    static List<BarShape> bars(Xl710Options options) {
        return layout(options).bars();
    }

    VirtualFunction function() {
        return function;
    }

    @Override
    void attach(DmaSpace space) {
        function.attach(space);
    }

    @Override
    void detach() {
        function.detach();
    }

    @Override
    Optional<HardwareState> state() {
        return Optional.of(function.state());
    }

    @Override
    void mapped() {
        function.registersMapped();
    }

    @Override
    void holdForReset() {
        function.hold();
    }

    @Override
    void resetState() {
        function.reset();
    }

    @Override
    void powerOff() {
        function.close();
        power.off();
    }

    private static FunctionLayout layout(Xl710Options options) {
        FunctionLayout.Builder layout =
                FunctionLayout.of(new PciIds(0x8086, DEVICE_ID, 0x8086, 0x0000, 0x020000, 0x02));
        if (options.mappable()) {
            layout.bar(PciRegion.BAR0, BarShape.Kind.MEMORY_64_PREFETCHABLE, BAR0_SIZE);
        } else {
            layout.trappedBar(PciRegion.BAR0, BarShape.Kind.MEMORY_64_PREFETCHABLE, BAR0_SIZE);
        }
        return layout.trappedBar(PciRegion.BAR3, BarShape.Kind.MEMORY_64_PREFETCHABLE, 0x4000)
                .capability(Capabilities.msix(0x70, options.queuePairs() + 1, PciRegion.BAR3, 0, MSIX_PENDING))
                .capability(Capabilities.express(0xa0))
                .capability(Capabilities.advancedErrorReporting(0x100))
                .capability(Capabilities.alternativeRoutingId(0x150))
                .build();
    }

    private List<Register> registers() {
        List<Register> registers = new ArrayList<>();
        for (VfRegister register : VfRegister.values()) {
            for (int index = 0; index < register.count(); index++) {
                registers.add(register(register, index));
            }
        }
        return registers;
    }

    private Register register(VfRegister register, int index) {
        String name = register.count() == 1 ? register.name() : register + " " + index;
        Register storage = Register.at(register.at(index), name).reset(register.reset());
        return switch (register.access()) {
            case STORAGE -> storage;
            case DOORBELL -> storage.doorbell(function::ring);
            case READ_ONLY -> storage.readOnly();
            case CLEAR_ON_READ ->
                storage.onRead(() -> function.read(register, index) & 0xffff_ffffL)
                        .readOnly();
            case CONTROL -> storage.onWrite(value -> function.write(register, index, (int) value));
        };
    }
}
