package vfio.pci.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.InterruptInfo;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.RegionInfo.Flag;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.Signal;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.HandOverStatistics;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.manage.TrapStatus;
import vfio.pci.api.mediate.Mediation;
import vfio.pci.api.mediate.Mediation.Result;
import vfio.pci.api.pci.PciDevice;

/**
 * The hardware of one open device with its mediation in front.
 *
 * <p>Every call that reaches mediation or hardware is counted by the gate, so that a mediation is closed, and the hardware
 * given back, only when nobody is inside. No lock is held during such a call.
 */
final class MediatedDevice implements OpenDevice {
    private static final Logger LOGGER = System.getLogger(MediatedDevice.class.getPackageName());

    /** How long calls inside may take to leave; beyond that the device is taken from under them. */
    private static final Duration DRAIN = Duration.ofSeconds(5);

    private static final String NO_RESULT = "it returned null instead of a result";

    /** Who mediates; replaced as a whole while the gate is held. */
    private record Layer(
            @Nullable Mediator mediator, @Nullable LentContext context, Mediation mediation) {}

    private static final Layer PASS_THROUGH = new Layer(null, null, Chosen.PASS_THROUGH);

    private final PciDevice device;
    private final String user;
    private final Hardware hardware;
    private final DmaMap dma;
    private final List<RegionInfo> regions;
    private final VendorFaults faults;
    private final Consumer<MediatedDevice> onClose;
    private final Gate gate = new Gate();
    private final AtomicBoolean closed = new AtomicBoolean();
    private final CountDownLatch mediationEnded;
    private final CountDownLatch released = new CountDownLatch(1);
    private volatile Layer layer;

    MediatedDevice(
            PciDevice device,
            String user,
            Hardware hardware,
            DmaMap dma,
            Chosen chosen,
            VendorFaults faults,
            Consumer<MediatedDevice> onClose) {
        this.device = device;
        this.user = user;
        this.hardware = hardware;
        this.dma = dma;
        this.regions = chosen.regions();
        this.faults = faults;
        this.onClose = onClose;
        mediationEnded = new CountDownLatch(chosen.mediator() == null ? 0 : 1);
        this.layer = new Layer(chosen.mediator(), chosen.context(), chosen.mediation());
    }

    /** Pins the device to its driver; if that has left meanwhile, goes on without it. */
    void pin() {
        Mediator mediator = layer.mediator();
        if (mediator != null && !mediator.pin(this)) {
            mediatorLeft(mediator);
        }
    }

    /** The driver's service is going: holds accesses back, closes the mediation, goes on as pass-through. */
    void mediatorLeft(Mediator mediator) {
        if (layer.mediator() != mediator || gate.isShut()) {
            awaited(mediationEnded);
            return;
        }
        drained(gate.hold(DRAIN), mediator);
        endMediation();
        LOGGER.log(
                Level.WARNING,
                "{0}: {1} has left; the device is passed through from now on",
                device.address(),
                mediator.name());
        gate.release();
    }

    @Override
    public PciDevice device() {
        return device;
    }

    @Override
    public String user() {
        return user;
    }

    @Override
    public Optional<String> mediator() {
        return Optional.ofNullable(layer.mediator()).map(Mediator::name);
    }

    @Override
    public Optional<String> awaiting() {
        return Optional.empty();
    }

    @Override
    public HandOverStatistics handOvers() {
        return new HandOverStatistics(0, Duration.ZERO, Duration.ZERO);
    }

    @Override
    public Map<String, Long> counters() {
        gate.enter();
        Layer current = layer;
        try {
            return Map.copyOf(current.mediation().counters());
        } catch (Throwable thrown) {
            throw contain(current, "counters", thrown);
        } finally {
            gate.exit();
        }
    }

    @Override
    public int regionCount() {
        return regions.size();
    }

    @Override
    public RegionInfo regionInfo(int region) {
        return regions.get(AccessCheck.region(region, regions.size()));
    }

    @Override
    public void read(RegionAccess access) {
        int region = access.region();
        AccessCheck.access(access, regionInfo(region), Flag.READ);
        long offset = access.offset();
        int length = access.length();
        gate.enter();
        try {
            if (mediatedRead(access) == Result.PASS_THROUGH) {
                hardware.read(passing(access, region, offset, length));
            }
        } finally {
            gate.exit();
        }
    }

    @Override
    public void write(RegionAccess access) {
        int region = access.region();
        AccessCheck.access(access, regionInfo(region), Flag.WRITE);
        long offset = access.offset();
        int length = access.length();
        gate.enter();
        try {
            if (mediatedWrite(access) == Result.PASS_THROUGH) {
                hardware.write(passing(access, region, offset, length));
            }
        } finally {
            gate.exit();
        }
    }

    @Override
    public @Nullable SharedMemory mmap(int region) {
        RegionInfo info = regionInfo(region);
        if (info.mappableAreas().isEmpty()) {
            return null;
        }
        gate.enter();
        try {
            SharedMemory own = mediatedMemory(info);
            if (own != null) {
                return own;
            }
            return region < hardware.regionCount() ? hardware.memory(region) : null;
        } finally {
            gate.exit();
        }
    }

    @Override
    public int interruptCount() {
        return hardware.interruptCount();
    }

    @Override
    public InterruptInfo interruptInfo(int index) {
        if (index < 0 || index >= hardware.interruptCount()) {
            throw new VfioException(Errno.EINVAL, "there is no interrupt index " + index);
        }
        return hardware.interruptInfo(index);
    }

    @Override
    public void connect(int index, InterruptAction action, int start, List<@Nullable Signal> signals) {
        AccessCheck.interrupts(interruptInfo(index), start, signals.size());
        inside(() -> hardware.connect(index, action, start, signals));
    }

    @Override
    public void act(int index, InterruptAction action, int start, int count) {
        InterruptInfo info = interruptInfo(index);
        AccessCheck.interrupts(info, start, count);
        if (action != InterruptAction.TRIGGER && !info.is(InterruptInfo.Flag.MASKABLE)) {
            throw new VfioException(Errno.EINVAL, "interrupts of index " + index + " cannot be masked");
        }
        inside(() -> hardware.act(index, action, start, count));
    }

    @Override
    public void disable(int index) {
        interruptInfo(index);
        inside(() -> hardware.disable(index));
    }

    @Override
    public void map(DmaMapping mapping) {
        if (mapping.size() == 0 || Long.compareUnsigned(mapping.last(), mapping.iova()) < 0) {
            throw new VfioException(Errno.EINVAL, "DMA range " + mapping + " is empty or wraps around");
        }
        inside(() -> dma.map(mapping, hardware));
    }

    @Override
    public void unmap(long iova, long size) {
        inside(() -> dma.unmap(iova, size, hardware));
    }

    @Override
    public List<DmaMapping> mappings() {
        return dma.list();
    }

    @Override
    public boolean resettable() {
        return hardware.resettable();
    }

    @Override
    public void reset() {
        inside(hardware::reset);
    }

    @Override
    public void trap(boolean trapped) {
        throw new VfioException(Errno.EOPNOTSUPP, "the layout of " + device.address() + " cannot change");
    }

    @Override
    public TrapStatus trapStatus() {
        return new TrapStatus(TrapStatus.Mode.NONE, "not supported", false, false, 0, 0, Duration.ZERO);
    }

    @Override
    public void track(boolean tracking) {
        inside(() -> layer.mediation().track(tracking));
    }

    @Override
    public void withdraw(String reason) {
        close();
    }

    @Override
    public void close() {
        if (!closed.compareAndSet(false, true)) {
            awaited(released);
            return;
        }
        drained(gate.shut(DRAIN), layer.mediator());
        endMediation();
        guarded("disconnecting interrupts", this::disconnectInterrupts);
        guarded("releasing DMA mappings", () -> dma.clear(hardware));
        guarded("closing the hardware", hardware::close);
        onClose.accept(this);
        released.countDown();
    }

    private void disconnectInterrupts() {
        for (int index = 0; index < hardware.interruptCount(); index++) {
            hardware.disable(index);
        }
    }

    /** One step of closing; the next is taken whatever happens, since hardware that was removed refuses everything. */
    private void guarded(String step, Runnable action) {
        try {
            action.run();
        } catch (RuntimeException e) {
            LOGGER.log(Level.DEBUG, "{0}: {1} failed: {2}", device.address(), step, e.getMessage());
        }
    }

    private Result mediatedRead(RegionAccess access) {
        Layer current = layer;
        try {
            return Objects.requireNonNull(current.mediation().read(access), NO_RESULT);
        } catch (Throwable thrown) {
            throw contain(current, "read", thrown);
        }
    }

    private Result mediatedWrite(RegionAccess access) {
        Layer current = layer;
        try {
            return Objects.requireNonNull(current.mediation().write(access), NO_RESULT);
        } catch (Throwable thrown) {
            throw contain(current, "write", thrown);
        }
    }

    private @Nullable SharedMemory mediatedMemory(RegionInfo info) {
        Layer current = layer;
        try {
            SharedMemory own = current.mediation().mmap(info.index());
            if (own != null && own.size() < info.size()) {
                throw new IllegalStateException("its memory is smaller than the region");
            }
            return own;
        } catch (Throwable thrown) {
            throw contain(current, "mmap of region " + info.index(), thrown);
        }
    }

    /** The access as it was checked; a mediation may change its data but not where it goes. */
    private RegionAccess passing(RegionAccess access, int region, long offset, int length) {
        if (access.region() != region || access.offset() != offset || access.length() != length) {
            throw new VfioException(Errno.EIO, "the mediation redirected an access, which it may not");
        }
        if (region >= hardware.regionCount()) {
            throw new VfioException(
                    Errno.EIO, "region " + region + " exists in its mediation alone and was not answered");
        }
        return access;
    }

    private void inside(Runnable call) {
        gate.enter();
        try {
            call.run();
        } finally {
            gate.exit();
        }
    }

    private VfioException contain(Layer current, String call, Throwable thrown) {
        Mediator mediator = current.mediator();
        if (mediator == null) {
            return thrown instanceof VfioException known
                    ? known
                    : new VfioException(Errno.EIO, "pass-through failed in " + call, thrown);
        }
        return faults.contain(mediator, call, thrown);
    }

    private synchronized Layer takeLayer() {
        Layer taken = layer;
        layer = PASS_THROUGH;
        return taken;
    }

    private void endMediation() {
        Layer ending = takeLayer();
        if (ending.mediator() == null) {
            awaited(mediationEnded);
            return;
        }
        try {
            ending.mediation().close();
        } catch (Throwable thrown) {
            faults.defect(ending.mediator(), "close of " + device.address(), thrown);
        }
        if (ending.context() != null) {
            ending.context().invalidate();
        }
        ending.mediator().unpin(this);
        mediationEnded.countDown();
    }

    /** Whoever comes second, a closing user or a leaving driver, waits for the first; bounded as draining is. */
    private void awaited(CountDownLatch first) {
        try {
            drained(first.await(DRAIN.toSeconds(), TimeUnit.SECONDS), null);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void drained(boolean inTime, @Nullable Mediator mediator) {
        if (!inTime) {
            LOGGER.log(
                    Level.ERROR,
                    "{0}: a call did not return within {1} s{2}; the device is taken from under it",
                    device.address(),
                    DRAIN.toSeconds(),
                    mediator == null ? "" : " from " + mediator.name());
        }
    }
}
