package vfio.sim;

import java.util.List;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciIds;
import vfio.pci.api.pci.PciRegion;
import vfio.sim.xl710.Adapter;

/**
 * The physical function of an Intel XL710: identity, SR-IOV and storage where its registers are.
 *
 * <p>Its VFs are enabled from the start, and their number is given from outside, as its driver would. The first has the routing id of the physical
 * function plus {@link #FIRST_VF_OFFSET}, the others follow at {@link #VF_STRIDE}.
 */
final class Xl710Pf extends DeviceModel {
    static final int MAXIMUM_VFS = Adapter.FUNCTIONS_MAXIMUM;
    static final int FIRST_VF_OFFSET = 16;
    static final int VF_STRIDE = 1;

    private static final int VECTORS = 129;
    private static final int MSIX_PENDING = 0x1000;
    private static final int SRIOV = 0x160;

    private volatile int virtualFunctions;

    private final Xl710Options options;
    private final AdapterPower power;
    private final Adapter adapter;

    /** @param vfs how many virtual functions it has, 0 to {@link #MAXIMUM_VFS} */
    Xl710Pf(PciAddress address, SharedMemory.Factory factory, int vfs, Xl710Options options, AdapterPower power) {
        super(address, layout(vfs, options));
        this.options = options;
        virtualFunctions = vfs;
        install(PciRegion.BAR0, allocate(factory, PciRegion.BAR0), List.of());
        install(PciRegion.BAR3, allocate(factory, PciRegion.BAR3), MsixTable.registers(interrupts(), 0, MSIX_PENDING));
        // Last, since it has to be given back from now on.
        this.power = power;
        adapter = power.on();
    }

    /** The address of virtual function 0: locally administered, with the card's own address in it. */
    static long firstMacAddress(PciAddress address) {
        return 0x02_00_00_00_00_00L | (long) address.routingId() << 16;
    }

    Adapter adapter() {
        return adapter;
    }

    @Override
    DeviceModel virtualFunction(PciAddress virtual, int number, SharedMemory.Factory memory) {
        return new Xl710Vf(virtual, memory, power, number, options);
    }

    @Override
    void powerOff() {
        power.off();
    }

    @Override
    int virtualFunctions() {
        return virtualFunctions;
    }

    @Override
    void setVirtualFunctions(int count) {
        virtualFunctions = count;
        constant(SRIOV + Capabilities.SRIOV_CTRL, 2, Capabilities.sriovControl(count));
        constant(SRIOV + Capabilities.SRIOV_NUM_VF, 2, count);
    }

    /**
     * Where a VF sits.
     *
     * @throws IllegalArgumentException if that is beyond the last routing id of the domain
     */
    static PciAddress virtualFunction(PciAddress physicalFunction, int number) {
        return physicalFunction.withRoutingId(physicalFunction.routingId() + FIRST_VF_OFFSET + number * VF_STRIDE);
    }

    private static FunctionLayout layout(int vfs, Xl710Options options) {
        return FunctionLayout.of(new PciIds(0x8086, 0x1572, 0x8086, 0x0001, 0x020000, 0x02))
                .bar(PciRegion.BAR0, BarShape.Kind.MEMORY_64_PREFETCHABLE, 0x80_0000)
                .trappedBar(PciRegion.BAR3, BarShape.Kind.MEMORY_64_PREFETCHABLE, 0x8000)
                .interruptPin(1)
                .capability(Capabilities.powerManagement(0x40))
                .capability(Capabilities.msi(0x50, true))
                .capability(Capabilities.msix(0x70, VECTORS, PciRegion.BAR3, 0, MSIX_PENDING))
                .capability(Capabilities.express(0xa0))
                .capability(Capabilities.advancedErrorReporting(0x100))
                .capability(Capabilities.alternativeRoutingId(0x150))
                .capability(Capabilities.singleRootIoVirtualization(
                        SRIOV,
                        new Capabilities.VirtualFunctions(
                                MAXIMUM_VFS,
                                vfs,
                                FIRST_VF_OFFSET,
                                VF_STRIDE,
                                Xl710Vf.DEVICE_ID,
                                Xl710Vf.bars(options))))
                .build();
    }
}
