package vfio.pci.core;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.Regions;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.MediationContext;
import vfio.pci.api.pci.PciDevice;

/** What the core lends one mediation; useless once the mediation has been closed. */
final class LentContext implements MediationContext {
    private final PciDevice device;
    private final Hardware hardware;
    private final DmaSpace memory;
    private final System.Logger logger;
    private final LentRegions regions = new LentRegions();
    private final LentMemory lentMemory = new LentMemory();
    private final List<RegionInfo> added = new ArrayList<>();
    private final AtomicBoolean opening = new AtomicBoolean(true);
    private volatile boolean valid = true;

    LentContext(PciDevice device, Hardware hardware, DmaSpace memory, String mediator) {
        this.device = device;
        this.hardware = hardware;
        this.memory = memory;
        logger = System.getLogger(mediator + "." + device.address());
    }

    @Override
    public PciDevice device() {
        return device;
    }

    @Override
    public Regions hardware() {
        return regions;
    }

    @Override
    public DmaSpace memory() {
        return lentMemory;
    }

    @Override
    public synchronized int addRegion(RegionInfo region) {
        requireValid();
        if (!opening.get()) {
            throw new VfioException(Errno.EINVAL, "regions can be added only while the device is being opened");
        }
        if (region.type() == 0) {
            throw new VfioException(Errno.EINVAL, "a device-specific region needs a type other than 0");
        }
        int index = hardware.regionCount() + added.size();
        added.add(region.withIndex(index));
        return index;
    }

    @Override
    public Optional<HandOverState> handedOver() {
        return Optional.empty();
    }

    @Override
    public boolean trap(boolean trapped) {
        throw new VfioException(Errno.EOPNOTSUPP, "the layout of " + device.address() + " cannot change");
    }

    @Override
    public boolean trapRequested() {
        return false;
    }

    @Override
    public System.Logger logger() {
        return logger;
    }

    /** No more regions from now on. Returns those that were added. */
    synchronized List<RegionInfo> endOpening() {
        opening.set(false);
        return List.copyOf(added);
    }

    void invalidate() {
        valid = false;
    }

    private void requireValid() {
        if (!valid) {
            throw new VfioException(Errno.ENODEV, "the mediation of " + device.address() + " has been closed");
        }
    }

    private final class LentRegions implements Regions {
        @Override
        public int regionCount() {
            requireValid();
            return hardware.regionCount();
        }

        @Override
        public RegionInfo regionInfo(int region) {
            requireValid();
            return hardware.regionInfo(AccessCheck.region(region, hardware.regionCount()));
        }

        @Override
        public void read(RegionAccess access) {
            AccessCheck.access(access, regionInfo(access.region()), RegionInfo.Flag.READ);
            hardware.read(access);
        }

        @Override
        public void write(RegionAccess access) {
            AccessCheck.access(access, regionInfo(access.region()), RegionInfo.Flag.WRITE);
            hardware.write(access);
        }

        @Override
        public @Nullable SharedMemory memory(int region) {
            requireValid();
            return hardware.memory(AccessCheck.region(region, hardware.regionCount()));
        }
    }

    private final class LentMemory implements DmaSpace {
        @Override
        public void read(long iova, ByteBuffer destination) {
            requireValid();
            memory.read(iova, destination);
        }

        @Override
        public void write(long iova, ByteBuffer source) {
            requireValid();
            memory.write(iova, source);
        }
    }
}
