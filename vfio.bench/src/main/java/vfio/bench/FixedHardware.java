package vfio.bench;

import java.util.List;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.InterruptInfo;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.Signal;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.pci.PciRegion;

/** A BAR0 of which every register is the same 4 bytes, and nothing else. */
final class FixedHardware implements Hardware {
    private static final int BAR0_SIZE = 0x1_0000;

    private int value = 2;

    @Override
    public int regionCount() {
        return PciRegion.COUNT;
    }

    @Override
    public RegionInfo regionInfo(int region) {
        return region == PciRegion.BAR0 ? RegionInfo.mappable(region, BAR0_SIZE) : RegionInfo.absent(region);
    }

    @Override
    public void read(RegionAccess access) {
        access.putInt(0, value);
    }

    @Override
    public void write(RegionAccess access) {
        value = access.getInt(0);
    }

    @Override
    public @Nullable SharedMemory memory(int region) {
        return null;
    }

    @Override
    public int interruptCount() {
        return 0;
    }

    @Override
    public InterruptInfo interruptInfo(int index) {
        throw none();
    }

    @Override
    public void connect(int index, InterruptAction action, int start, List<@Nullable Signal> signals) {
        throw none();
    }

    @Override
    public void act(int index, InterruptAction action, int start, int count) {
        throw none();
    }

    @Override
    public void disable(int index) {
        throw none();
    }

    @Override
    public void map(DmaMapping mapping) {}

    @Override
    public void unmap(DmaMapping mapping) {}

    @Override
    public boolean resettable() {
        return false;
    }

    @Override
    public void reset() {
        throw new VfioException(Errno.EOPNOTSUPP, "this device cannot be reset");
    }

    @Override
    public void close() {}

    private static VfioException none() {
        return new VfioException(Errno.EINVAL, "this device has no interrupts");
    }
}
