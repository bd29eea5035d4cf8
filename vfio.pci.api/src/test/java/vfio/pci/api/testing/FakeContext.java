package vfio.pci.api.testing;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.RegionInfo.Flag;
import vfio.pci.api.device.Regions;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.MediationContext;
import vfio.pci.api.pci.PciDevice;

/** What a driver under test is lent; useless once its mediation has been closed. */
final class FakeContext implements MediationContext {
    private final FakeDevice device;
    private final Hardware hardware;
    private final TrapState traps;
    private final Optional<HandOverState> state;
    private final List<RegionInfo> added = new ArrayList<>();
    private boolean opening = true;
    private boolean tookOver;

    /** Whether its mediation has the device; until then it can only wish for a trap. */
    private boolean holding;

    private boolean trapWish;
    private volatile boolean relays;
    private volatile boolean valid = true;

    FakeContext(FakeDevice device, Hardware hardware, TrapState traps, Optional<HandOverState> state) {
        this.device = device;
        this.hardware = hardware;
        this.traps = traps;
        this.state = state;
    }

    @Override
    public PciDevice device() {
        return device;
    }

    @Override
    public Regions hardware() {
        return new LentRegions();
    }

    @Override
    public DmaSpace memory() {
        return new LentMemory();
    }

    @Override
    public List<DmaMapping> mappings() {
        requireValid();
        return device.memory().mappings();
    }

    @Override
    public Optional<HardwareState> hardwareState() {
        requireValid();
        return hardware.state();
    }

    @Override
    public void relayInterrupts(boolean relay) {
        requireValid();
        relays = relay;
    }

    /** Whether the driver wants to hear of interrupts. */
    boolean relays() {
        return valid && relays;
    }

    @Override
    public synchronized int addRegion(RegionInfo region) {
        requireValid();
        if (!opening) {
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
    public synchronized Optional<HandOverState> handedOver() {
        tookOver = true;
        return state;
    }

    @Override
    public boolean trap(boolean trapped) {
        requireValid();
        synchronized (this) {
            if (!holding) {
                trapWish = trapped;
                return traps.inForce();
            }
        }
        return traps.mediationAsks(trapped);
    }

    @Override
    public boolean trapRequested() {
        synchronized (this) {
            if (!holding) {
                return trapWish;
            }
        }
        return traps.requested();
    }

    @Override
    public System.Logger logger() {
        return device.log();
    }

    /** No more regions from now on. Returns those that were added. */
    synchronized List<RegionInfo> endOpening() {
        opening = false;
        return List.copyOf(added);
    }

    /** Whether the driver has asked for what was left by the one before. */
    synchronized boolean tookOver() {
        return tookOver;
    }

    /** The mediation gets the device. Returns whether it wants to trap. */
    synchronized boolean hold() {
        holding = true;
        return trapWish;
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
            return hardware.regionInfo(RegionRules.index(region, hardware.regionCount()));
        }

        @Override
        public void read(RegionAccess access) {
            RegionRules.access(access, regionInfo(access.region()), Flag.READ);
            hardware.read(access);
        }

        @Override
        public void write(RegionAccess access) {
            RegionRules.access(access, regionInfo(access.region()), Flag.WRITE);
            hardware.write(access);
        }

        @Override
        public @Nullable SharedMemory memory(int region) {
            requireValid();
            return hardware.memory(RegionRules.index(region, hardware.regionCount()));
        }
    }

    private final class LentMemory implements DmaSpace {
        @Override
        public void read(long iova, ByteBuffer destination) {
            requireValid();
            device.memory().read(iova, destination);
        }

        @Override
        public void write(long iova, ByteBuffer source) {
            requireValid();
            device.memory().write(iova, source);
        }
    }
}
