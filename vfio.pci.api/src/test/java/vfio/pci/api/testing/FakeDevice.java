package vfio.pci.api.testing;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.HardwareState;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.mediate.HandOverState;
import vfio.pci.api.mediate.MediateOps;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciConfig;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.api.pci.PciIds;
import vfio.pci.api.pci.PciRegion;

/**
 * A PCI function in memory. It has the ids it was given, a configuration space of 256 bytes that shows them, and no other
 * region until one is added. Set it up first, then open it with the driver under test. It keeps its memory from one open to
 * the next, as hardware does.
 *
 * <p>It can be registered as a service in a framework with the real core, too.
 */
public final class FakeDevice implements PciDevice {
    private static final Pattern ID = Pattern.compile("([0-9a-f]{4}):([0-9a-f]{4})");

    private final PciIds ids;
    private final List<FakeRegion> regions = new ArrayList<>();
    private final FakeClientMemory memory = new FakeClientMemory();
    private final RecordedLog log = new RecordedLog("testing");
    private final AtomicBoolean inUse = new AtomicBoolean();
    private PciAddress address = PciAddress.parse("0000:01:00.0");
    private Optional<PciAddress> physicalFunction = Optional.empty();
    private int virtualFunctionNumber = -1;
    private Trapping trapping = Trapping.DYNAMIC;
    private Optional<HardwareState> state = Optional.empty();
    private Optional<HandOverState> left = Optional.empty();

    private FakeDevice(PciIds ids) {
        this.ids = ids;
        for (int index = 0; index < PciRegion.COUNT; index++) {
            regions.add(new FakeRegion(RegionInfo.absent(index)));
        }
        withRegion(RegionInfo.trapped(PciRegion.CONFIG, PciConfig.SIZE));
        FakeRegion config = region(PciRegion.CONFIG);
        config.putShort(PciConfig.VENDOR_ID, ids.vendor());
        config.putShort(PciConfig.DEVICE_ID, ids.device());
        config.putInt(PciConfig.REVISION_ID, ids.classCode() << 8 | ids.revision());
        config.putShort(PciConfig.SUBSYSTEM_VENDOR_ID, ids.subsystemVendor());
        config.putShort(PciConfig.SUBSYSTEM_ID, ids.subsystem());
    }

    /** A function at {@code 0000:01:00.0}. */
    public static FakeDevice of(PciIds ids) {
        return new FakeDevice(ids);
    }

    /**
     * A function at {@code 0000:01:00.0} whose class, revision and subsystem ids are 0.
     *
     * @param id vendor and device, four lower-case hexadecimal digits each: {@code 1234:11e8}
     */
    public static FakeDevice of(String id) {
        Matcher matcher = ID.matcher(id);
        if (!matcher.matches()) {
            throw new IllegalArgumentException("'" + id + "' is not vendor and device; write it like 1234:11e8");
        }
        return of(
                new PciIds(Integer.parseInt(matcher.group(1), 16), Integer.parseInt(matcher.group(2), 16), 0, 0, 0, 0));
    }

    /** Puts it at an address, such as {@code 0000:03:02.0}. Returns this. */
    public FakeDevice withAddress(String newAddress) {
        address = PciAddress.parse(newAddress);
        return this;
    }

    /** Makes it a VF. Returns this. */
    public FakeDevice withPhysicalFunction(String newPhysicalFunction, int number) {
        physicalFunction = Optional.of(PciAddress.parse(newPhysicalFunction));
        virtualFunctionNumber = number;
        return this;
    }

    /**
     * Gives it a BAR of which all may be mapped. Returns this.
     *
     * @param index 0 to 5
     * @param size bytes
     */
    public FakeDevice withBar(int index, long size) {
        if (index < PciRegion.BAR0 || index > PciRegion.BAR5) {
            throw new IllegalArgumentException("BARs are 0 to 5, not " + index);
        }
        return withRegion(RegionInfo.mappable(index, size));
    }

    /** Gives it a region, instead of the one of that index if there is one. Returns this. */
    public FakeDevice withRegion(RegionInfo region) {
        while (regions.size() <= region.index()) {
            regions.add(new FakeRegion(RegionInfo.absent(regions.size())));
        }
        regions.set(region.index(), new FakeRegion(region));
        return this;
    }

    /** Says what its client can be told; {@link Trapping#DYNAMIC} if nothing was said. Returns this. */
    public FakeDevice withTrapping(Trapping newTrapping) {
        trapping = newTrapping;
        return this;
    }

    /**
     * Makes it a device in use that a driver has left with a state, for example one that an older version wrote. Who opens
     * it takes it over. What layout the client knows is not known, so that is not compared. Returns this.
     */
    public FakeDevice withHandedOver(HandOverState state) {
        left = Optional.of(state);
        return this;
    }

    /** Gives it a part of its state that regions do not show. Returns this. */
    public FakeDevice withHardwareState(HardwareState newState) {
        state = Optional.of(newState);
        return this;
    }

    /** A region of the hardware, to preset and look at registers. */
    public FakeRegion region(int index) {
        return regions.get(index);
    }

    /** The client's memory. */
    public FakeClientMemory memory() {
        return memory;
    }

    /** What drivers have logged so far, level first: {@code WARNING: something is odd}. */
    public List<String> logged() {
        return log.messages();
    }

    System.Logger log() {
        return log;
    }

    /**
     * Opens it as a client does, with one driver.
     *
     * @return the device in use, owned by the caller
     * @throws AssertionError with the verdict if the driver does not get the device
     */
    public MediatedDevice mediatedBy(MediateOps ops) {
        MediatedDevice device = new MediatedDevice(this, trapping, left);
        boolean accepted = false;
        try {
            device.take(ops);
            accepted = true;
            return device;
        } finally {
            if (!accepted) {
                device.close();
            }
        }
    }

    /** Asks a driver whether it takes the device, and closes the device again. */
    public Verdict ask(MediateOps ops) {
        try (MediatedDevice device = new MediatedDevice(this, trapping, left)) {
            return device.offer(ops);
        }
    }

    @Override
    public PciAddress address() {
        return address;
    }

    @Override
    public PciIds ids() {
        return ids;
    }

    @Override
    public String backend() {
        return "fake";
    }

    @Override
    public Optional<PciAddress> physicalFunction() {
        return physicalFunction;
    }

    @Override
    public int virtualFunctionNumber() {
        return virtualFunctionNumber;
    }

    @Override
    public Optional<String> unassignableReason() {
        return Optional.empty();
    }

    /** Opens the hardware alone, as the core does. It does no DMA of its own. */
    @Override
    public Hardware open(DmaSpace unused) {
        if (!inUse.compareAndSet(false, true)) {
            throw new VfioException(Errno.EBUSY, this + " is open already; close it first");
        }
        return new FakeHardware(List.copyOf(regions), state, () -> inUse.set(false));
    }

    @Override
    public String toString() {
        return "fake device " + address + " (" + ids.id() + ")";
    }
}
