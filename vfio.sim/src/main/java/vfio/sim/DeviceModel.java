package vfio.sim;

import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.Regions;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciConfig;
import vfio.pci.api.pci.PciIds;
import vfio.pci.api.pci.PciRegion;

/**
 * The state and behaviour of a simulated function, whether somebody has it open or not.
 *
 * <p>A subclass gives its {@link FunctionLayout}, installs its BARs in its constructor and adds what its registers do. All
 * methods may be called by several threads at once. As on real hardware, software that resets a function while it uses it
 * may see any mixture of states before and after.
 *
 * <p>BARs answer whether or not the command register enables them; keeping apart who may reach a BAR when is the business
 * of the VMM.
 */
abstract class DeviceModel implements Regions, ConfigSpace.Function {
    private final PciAddress address;
    private final FunctionLayout layout;
    private final InterruptTable interrupts;
    private final ConfigSpace config;
    private final @Nullable Bar[] bars = new @Nullable Bar[PciRegion.ROM];

    DeviceModel(PciAddress address, FunctionLayout layout) {
        this.address = address;
        this.layout = layout;
        interrupts = new InterruptTable(layout.vectors(), this::interruptRequested, this::isIntxEnabled);
        config = new ConfigSpace(layout, this);
    }

    /** Somebody opened the function. */
    void attach(DmaSpace space) {}

    /** Nobody has the function open any longer: no DMA is under way when this returns. Idempotent. */
    void detach() {}

    /** Stops what the subclass does by itself, until {@link #resetState}; called before anything is reset. */
    void holdForReset() {}

    /** The function is gone for good: nothing of it runs when this returns. */
    void powerOff() {}

    /** Somebody gets memory of a BAR to map. */
    void mapped() {}

    /** Brings back what the subclass keeps outside its BARs; called after the BARs have been reset. */
    void resetState() {}

    /** Whether the function requests INTx now. Takes no lock, as it is asked with locks held. */
    @Override
    public boolean interruptRequested() {
        return false;
    }

    /** What the function is besides its regions; empty if it cannot be moved. */
    Optional<HardwareState> state() {
        return Optional.empty();
    }

    /** How many virtual functions the function has. */
    int virtualFunctions() {
        return 0;
    }

    /** Makes a virtual function, if the function can have any, as after power-on. */
    DeviceModel virtualFunction(PciAddress virtual, int number, SharedMemory.Factory memory) {
        throw new IllegalStateException(address + " cannot have virtual functions");
    }

    /** Changes how many virtual functions the function has, if it can have any. */
    void setVirtualFunctions(int count) {
        throw new IllegalStateException(address + " cannot have virtual functions");
    }

    final PciIds ids() {
        return layout.ids();
    }

    final PciAddress address() {
        return address;
    }

    final InterruptTable interrupts() {
        return interrupts;
    }

    final boolean isBusMaster() {
        return (config.command() & PciConfig.COMMAND_MASTER) != 0;
    }

    /** Gives a read-only field of configuration space another value, which a reset keeps. */
    final void constant(int offset, int width, long value) {
        config.constant(offset, width, value);
    }

    /** Allocates the memory of a BAR of the layout. */
    final SharedMemory allocate(SharedMemory.Factory factory, int index) {
        long size = Math.max(layout.bar(index).size(), RegionInfo.PAGE_SIZE);
        return factory.allocate(address + "-" + PciRegion.name(index), size);
    }

    /** Installs a BAR whose whole content is cleared by a reset. */
    final void install(int index, SharedMemory memory, List<Register> registers) {
        install(index, memory, registers, layout.bar(index).size());
    }

    /** Installs a BAR; see {@link Bar} for what survives a reset. */
    final void install(int index, SharedMemory memory, List<Register> registers, long volatileBytes) {
        bars[index] = new Bar(layout.bar(index), memory, registers, volatileBytes);
    }

    /** Resets the function as a function level reset does; whoever is connected stays so. */
    @Override
    public final void reset() {
        holdForReset();
        config.reset();
        for (Bar bar : bars) {
            if (bar != null) {
                bar.reset();
            }
        }
        resetState();
        interrupts.reset();
    }

    @Override
    public final void commandWritten() {
        interrupts.intxChanged();
    }

    @Override
    public final int regionCount() {
        return PciRegion.COUNT;
    }

    @Override
    public final RegionInfo regionInfo(int region) {
        if (region == PciRegion.CONFIG) {
            return RegionInfo.trapped(region, config.size());
        }
        Bar bar = barAt(region);
        return bar == null ? RegionInfo.absent(region) : bar.info();
    }

    @Override
    public final void read(RegionAccess access) {
        if (access.region() == PciRegion.CONFIG) {
            config.read(access);
        } else {
            present(access.region()).read(access);
        }
    }

    @Override
    public final void write(RegionAccess access) {
        if (access.region() == PciRegion.CONFIG) {
            config.write(access);
        } else {
            present(access.region()).write(access);
        }
    }

    @Override
    public final @Nullable SharedMemory memory(int region) {
        Bar bar = barAt(region);
        SharedMemory mappable = bar == null ? null : bar.mappableMemory();
        if (mappable != null) {
            mapped();
        }
        return mappable;
    }

    private boolean isIntxEnabled() {
        return (config.command() & PciConfig.COMMAND_INTX_DISABLE) == 0;
    }

    private @Nullable Bar barAt(int region) {
        return region >= 0 && region < bars.length ? bars[region] : null;
    }

    private Bar present(int region) {
        Bar bar = barAt(region);
        if (bar == null) {
            throw new VfioException(Errno.EINVAL, address + " has no " + PciRegion.name(region));
        }
        return bar;
    }
}
