package vfio.pci.core;

import java.nio.ByteBuffer;
import java.time.Duration;
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
    private final DmaMap memory;
    private final System.Logger logger;
    private final LentRegions regions = new LentRegions();
    private final LentMemory lentMemory = new LentMemory();
    private final List<RegionInfo> added = new ArrayList<>();
    private final TrapSwitch traps;
    private final Optional<HandOverState> state;
    private boolean opening = true;
    private boolean tookOver;

    /** Whether it holds the device; until then it can only wish for a trap. */
    private boolean holding;

    private boolean trapWish;

    /** What it was answered to its wish. */
    private boolean toldInForce;

    private volatile boolean relays;

    /** What follows when it changes whether it hears of interrupts. */
    private final Runnable relaysChanged;

    private volatile boolean valid = true;

    LentContext(
            PciDevice device,
            Hardware hardware,
            DmaMap memory,
            TrapSwitch traps,
            Optional<HandOverState> state,
            String mediator,
            Runnable relaysChanged) {
        this.device = device;
        this.hardware = hardware;
        this.memory = memory;
        this.traps = traps;
        this.state = state;
        this.relaysChanged = relaysChanged;
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
    public List<DmaMapping> mappings() {
        requireValid();
        return memory.list();
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
        relaysChanged.run();
    }

    /** Whether the mediation hears of interrupts. */
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
                toldInForce = traps.inForce();
                return toldInForce;
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
        return logger;
    }

    /** No more regions from now on. Returns those that were added. */
    synchronized List<RegionInfo> endOpening() {
        opening = false;
        return List.copyOf(added);
    }

    /** Whether the mediation has asked for what was left by the one before. */
    synchronized boolean tookOver() {
        return tookOver;
    }

    /** The mediation gets the device. Returns what it has to hear of its wish to trap. */
    synchronized TrapSwitch.News hold(TrapMode mode, Duration patience) {
        holding = true;
        return traps.adopt(mode, patience, trapWish, toldInForce);
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
