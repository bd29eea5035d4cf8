package vfio.itest;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.InterruptInfo;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.Signal;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.api.pci.PciIds;
import vfio.pci.api.pci.PciInterrupt;
import vfio.pci.api.pci.PciRegion;

/**
 * A simulated VF whose one register takes the numbers 1, 2, 3 and so on: each exactly once and in order, or it counts what
 * was lost or done twice. Reads give the last number.
 */
final class SequenceFunction implements PciDevice, Hardware {
    /** The register, 4 bytes in BAR0. */
    static final long REGISTER = 0x100;

    private static final int BAR_SIZE = 0x10000;

    private final PciAddress address;
    private final PciAddress physicalFunction;
    private final int number;
    private final AtomicLong last = new AtomicLong();
    private final AtomicLong lost = new AtomicLong();
    private final AtomicLong doubled = new AtomicLong();

    SequenceFunction(PciAddress physicalFunction, int number) {
        this.physicalFunction = physicalFunction;
        this.number = number;
        address = physicalFunction.withRoutingId(physicalFunction.routingId() + 16 + number);
    }

    long last() {
        return last.get();
    }

    /** Numbers that were skipped. */
    long lost() {
        return lost.get();
    }

    /** Numbers that came again, or too late. */
    long doubled() {
        return doubled.get();
    }

    @Override
    public void read(RegionAccess access) {
        access.fill((byte) 0);
        if (access.region() == PciRegion.BAR0 && access.offset() == REGISTER) {
            access.setValue(last.get());
        }
    }

    @Override
    public void write(RegionAccess access) {
        if (access.region() != PciRegion.BAR0 || access.offset() != REGISTER) {
            return;
        }
        long expected = last.get() + 1;
        long value = access.value();
        if (value < expected) {
            doubled.incrementAndGet();
        } else {
            lost.addAndGet(value - expected);
            last.set(value);
        }
    }

    @Override
    public PciAddress address() {
        return address;
    }

    @Override
    public PciIds ids() {
        return new PciIds(0x8086, 0x154c, 0x8086, 0, 0x020000, 2);
    }

    @Override
    public String backend() {
        return "simulated";
    }

    @Override
    public Optional<PciAddress> physicalFunction() {
        return Optional.of(physicalFunction);
    }

    @Override
    public int virtualFunctionNumber() {
        return number;
    }

    @Override
    public Optional<String> unassignableReason() {
        return Optional.empty();
    }

    @Override
    public Hardware open(DmaSpace memory) {
        return this;
    }

    @Override
    public int regionCount() {
        return PciRegion.COUNT;
    }

    @Override
    public RegionInfo regionInfo(int region) {
        return switch (region) {
            case PciRegion.BAR0 -> RegionInfo.trapped(region, BAR_SIZE);
            case PciRegion.CONFIG -> RegionInfo.trapped(region, 4096);
            default -> RegionInfo.absent(region);
        };
    }

    @Override
    public @Nullable SharedMemory memory(int region) {
        return null;
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
    public void connect(int index, InterruptAction action, int start, List<@Nullable Signal> signals) {}

    @Override
    public void act(int index, InterruptAction action, int start, int count) {}

    @Override
    public void disable(int index) {}

    @Override
    public void map(DmaMapping mapping) {}

    @Override
    public void unmap(DmaMapping mapping) {}

    @Override
    public boolean resettable() {
        return true;
    }

    @Override
    public void reset() {}

    @Override
    public void close() {}
}
