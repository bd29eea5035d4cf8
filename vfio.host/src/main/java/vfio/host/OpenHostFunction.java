package vfio.host;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import vfio.linux.ControlFile;
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
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciConfig;
import vfio.pci.api.pci.PciRegion;

/** A function of this host in the hands of its user. After close every call fails with ENODEV. */
final class OpenHostFunction implements Hardware {
    /** As many functions as a bus has. */
    private static final int NEIGHBOURS = 256;

    private final PciAddress address;
    private final IommuDomain domain;
    private final HostRegions regions;
    private final HostInterrupts interrupts;
    private final boolean resettable;
    private final Consumer<OpenHostFunction> whenClosed;
    private final AtomicBoolean closed = new AtomicBoolean();

    private OpenHostFunction(
            PciAddress address,
            IommuDomain domain,
            HostRegions regions,
            HostInterrupts interrupts,
            boolean resettable,
            Consumer<OpenHostFunction> whenClosed) {
        this.address = address;
        this.domain = domain;
        this.regions = regions;
        this.interrupts = interrupts;
        this.resettable = resettable;
        this.whenClosed = whenClosed;
    }

    /**
     * Asks the kernel what the device consists of.
     *
     * @param domain owned by the result; by the caller still if this throws
     * @param mapping whether users may map its registers
     * @param loss is told of ERR and REQ
     */
    static OpenHostFunction of(
            PciAddress address,
            IommuDomain domain,
            boolean mapping,
            HostInterrupts.Loss loss,
            Consumer<OpenHostFunction> whenClosed) {
        ControlFile device = domain.device();
        String subject = address.toString();
        ByteBuffer info =
                Structure.ask(device, KernelCall.DEVICE_GET_INFO, subject, Structure.of(Uapi.DEVICE_INFO_SIZE));
        int flags = info.getInt(Uapi.FLAGS);
        if ((flags & Uapi.VFIO_DEVICE_FLAGS_PCI) == 0) {
            throw new VfioException(
                    Errno.EINVAL, address + " is no PCI device for the kernel; only those are known here");
        }
        HostRegions regions = new HostRegions(device, subject, info.getInt(Uapi.DEVICE_INFO_NUM_REGIONS), mapping);
        boolean complete = false;
        try {
            HostInterrupts interrupts =
                    new HostInterrupts(device, subject, info.getInt(Uapi.DEVICE_INFO_NUM_IRQS), loss);
            complete = true;
            return new OpenHostFunction(
                    address, domain, regions, interrupts, (flags & Uapi.VFIO_DEVICE_FLAGS_RESET) != 0, whenClosed);
        } finally {
            if (!complete) {
                regions.close();
            }
        }
    }

    /** By what interface of the kernel it was opened, for people. */
    String way() {
        return domain.way();
    }

    @Override
    public int regionCount() {
        return regions.regionCount();
    }

    @Override
    public RegionInfo regionInfo(int region) {
        return regions.regionInfo(region);
    }

    @Override
    public void read(RegionAccess access) {
        requireOpen();
        regions.read(access);
    }

    @Override
    public void write(RegionAccess access) {
        requireOpen();
        regions.write(access);
    }

    @Override
    public @Nullable SharedMemory memory(int region) {
        requireOpen();
        return regions.memory(region);
    }

    @Override
    public int interruptCount() {
        return interrupts.interruptCount();
    }

    @Override
    public InterruptInfo interruptInfo(int index) {
        return interrupts.interruptInfo(index);
    }

    @Override
    public void connect(int index, InterruptAction action, int start, List<@Nullable Signal> signals) {
        requireOpen();
        interrupts.connect(index, action, start, signals);
    }

    @Override
    public void act(int index, InterruptAction action, int start, int count) {
        requireOpen();
        interrupts.act(index, action, start, count);
    }

    @Override
    public void disable(int index) {
        requireOpen();
        interrupts.disable(index);
    }

    @Override
    public void map(DmaMapping mapping) {
        requireOpen();
        domain.map(mapping);
    }

    @Override
    public void unmap(DmaMapping mapping) {
        requireOpen();
        domain.unmap(mapping);
    }

    /** A device that is no bus master does no DMA. */
    @Override
    public void stopDma() {
        requireOpen();
        ByteBuffer data = Structure.of(Short.BYTES * 2);
        RegionAccess command = new RegionAccess().wrap(PciRegion.CONFIG, PciConfig.COMMAND, Short.BYTES, data, 0);
        regions.read(command);
        command.putShort(0, command.getShort(0) & ~PciConfig.COMMAND_MASTER);
        regions.write(command);
    }

    @Override
    public boolean resettable() {
        return resettable;
    }

    @Override
    public void reset() {
        requireOpen();
        if (!resettable) {
            throw new VfioException(
                    Errno.EOPNOTSUPP,
                    address + " cannot be reset alone"
                            + neighbours()
                                    .map(others -> ", only together with " + others)
                                    .orElse("") + "; that is not done here");
        }
        KernelCall.DEVICE_RESET.on(address.toString(), () -> domain.device().call(Uapi.VFIO_DEVICE_RESET, 0));
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            interrupts.close();
            regions.close();
            domain.close();
            whenClosed.accept(this);
        }
    }

    /** The functions that a reset of the bus would reset too. */
    private Optional<String> neighbours() {
        try {
            ByteBuffer answer = Structure.of(Uapi.HOT_RESET_INFO_SIZE + NEIGHBOURS * Uapi.DEPENDENT_DEVICE_SIZE);
            KernelCall.GET_PCI_HOT_RESET_INFO.on(
                    address.toString(), () -> domain.device().call(Uapi.VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, answer));
            List<String> others = new ArrayList<>();
            int end = Structure.end(
                    answer,
                    Uapi.HOT_RESET_INFO_SIZE,
                    answer.getInt(Uapi.HOT_RESET_INFO_COUNT),
                    Uapi.DEPENDENT_DEVICE_SIZE);
            for (int at = Uapi.HOT_RESET_INFO_SIZE; at < end; at += Uapi.DEPENDENT_DEVICE_SIZE) {
                PciAddress other = dependent(answer, at);
                if (!other.equals(address)) {
                    others.add(other.toString());
                }
            }
            return others.isEmpty() ? Optional.empty() : Optional.of(String.join(", ", others));
        } catch (VfioException unknown) {
            return Optional.empty();
        }
    }

    private static PciAddress dependent(ByteBuffer answer, int at) {
        return new PciAddress(answer.getShort(at + Uapi.DEPENDENT_DEVICE_SEGMENT) & 0xffff, 0, 0, 0)
                .withRoutingId(((answer.get(at + Uapi.DEPENDENT_DEVICE_BUS) & 0xff) << Byte.SIZE)
                        | (answer.get(at + Uapi.DEPENDENT_DEVICE_DEVFN) & 0xff));
    }

    private void requireOpen() {
        if (closed.get()) {
            throw new VfioException(Errno.ENODEV, address + " has been closed; open it again");
        }
    }
}
