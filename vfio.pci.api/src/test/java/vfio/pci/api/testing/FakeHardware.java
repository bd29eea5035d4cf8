package vfio.pci.api.testing;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.InterruptInfo;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.Signal;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciInterrupt;

/** An opened {@link FakeDevice}: its regions; no interrupts. */
final class FakeHardware implements Hardware {
    private final List<FakeRegion> regions;
    private final Optional<HardwareState> state;
    private final Runnable onClose;
    private final AtomicBoolean closed = new AtomicBoolean();

    FakeHardware(List<FakeRegion> regions, Optional<HardwareState> state, Runnable onClose) {
        this.regions = regions;
        this.state = state;
        this.onClose = onClose;
    }

    @Override
    public int regionCount() {
        return regions.size();
    }

    @Override
    public RegionInfo regionInfo(int region) {
        return regions.get(region).info();
    }

    @Override
    public void read(RegionAccess access) {
        regions.get(access.region()).read(access);
    }

    @Override
    public void write(RegionAccess access) {
        regions.get(access.region()).write(access);
    }

    @Override
    public @Nullable SharedMemory memory(int region) {
        FakeRegion memory = regions.get(region);
        return memory.info().mappableAreas().isEmpty() ? null : memory;
    }

    @Override
    public int interruptCount() {
        return PciInterrupt.COUNT;
    }

    @Override
    public InterruptInfo interruptInfo(int index) {
        return InterruptInfo.absent(index);
    }

    @Override
    public void connect(int index, InterruptAction action, int start, List<@Nullable Signal> signals) {
        throw new VfioException(Errno.EINVAL, "a fake device has no interrupts");
    }

    @Override
    public void act(int index, InterruptAction action, int start, int count) {
        throw new VfioException(Errno.EINVAL, "a fake device has no interrupts");
    }

    @Override
    public void disable(int index) {}

    @Override
    public void map(DmaMapping mapping) {}

    @Override
    public void unmap(DmaMapping mapping) {}

    @Override
    public Optional<HardwareState> state() {
        return state;
    }

    @Override
    public boolean resettable() {
        return false;
    }

    @Override
    public void reset() {
        throw new VfioException(Errno.EOPNOTSUPP, "a fake device cannot be reset");
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            onClose.run();
        }
    }
}
