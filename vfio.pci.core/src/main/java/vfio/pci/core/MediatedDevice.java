package vfio.pci.core;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.DmaMapping;
import vfio.pci.api.device.DmaSpace;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.InterruptAction;
import vfio.pci.api.device.InterruptInfo;
import vfio.pci.api.device.Migratable;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.device.RegionInfo;
import vfio.pci.api.device.SharedMemory;
import vfio.pci.api.device.Signal;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.ClientFeature;
import vfio.pci.api.manage.Explanation;
import vfio.pci.api.manage.HandOverStatistics;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.manage.TrapStatus;
import vfio.pci.api.pci.PciDevice;
import vfio.pci.api.pci.PciInterrupt;
import vfio.pci.core.Deadline.Step;

/**
 * The hardware of one open device with its mediation in front.
 *
 * <p>Every call that reaches mediation or hardware is counted by the gate, so that a mediation is closed, and the hardware
 * given back, only when nobody is inside. No lock is held during such a call.
 */
final class MediatedDevice implements OpenDevice, HandOver.Owner {
    private static final Logger LOGGER = System.getLogger(MediatedDevice.class.getPackageName());

    private final PciDevice device;
    private final String user;
    private final Hardware hardware;
    private final DmaMap dma;
    private final Set<ClientFeature> features;
    private final Core core;
    private final Consumer<MediatedDevice> onClose;
    private final Gate gate = new Gate();
    private final TrapSwitch traps;
    private final TrapNews news;
    private final ClientInterrupts interrupts;
    private final HandOver handOver;
    private final ClientLayout layout;
    private final MediatedRegions regions;
    private final MediationCounters counters;
    private final AtomicBoolean closed = new AtomicBoolean();
    /** Whether the user has connected the interrupt by which it can be asked for the device. */
    private volatile boolean listensToRequests;

    private final CountDownLatch released = new CountDownLatch(1);

    /** Chooses who mediates. The hardware is owned from now on, unless this fails. */
    @SuppressWarnings("this-escape")
    MediatedDevice(
            PciDevice device,
            String user,
            Hardware hardware,
            DmaMap dma,
            Set<ClientFeature> features,
            Core core,
            Consumer<MediatedDevice> onClose) {
        this.device = device;
        this.user = user;
        this.hardware = hardware;
        this.dma = dma;
        this.features = Set.copyOf(features);
        this.core = core;
        this.onClose = onClose;
        traps = new TrapSwitch(device.address(), core.calls(), trapped -> tellLate(null, trapped));
        news = new TrapNews(device.address(), traps, core.faults());
        interrupts = new ClientInterrupts(device.address(), hardware, gate, this::layer, core.faults());
        Choice choice = new Choice(device, hardware, dma, traps, core.faults(), core.calls(), interrupts::follow);
        handOver = new HandOver(device, user, gate, choice, core, this);
        Layer first = handOver.open();
        layout = ClientLayout.of(first.regions(), settings(first).trap(), features);
        counters = new MediationCounters(device.address(), gate, handOver::layer, core);
        regions = new MediatedRegions(hardware, layout, gate, handOver, core.faults());
        adopt(first);
    }

    /** The device has got its user: pins it to its driver, or goes on without one that has left meanwhile. */
    void pin() {
        handOver.pin();
    }

    /** A driver's service is going; the result completes when its mediation has been closed. */
    CompletableFuture<Void> mediatorLeft(Mediator mediator) {
        return CompletableFuture.runAsync(() -> handOver.mediatorLeft(mediator), core.calls()::soon);
    }

    /** A driver has been registered. */
    void mediatorArrived(Mediator mediator) {
        handOver.mediatorArrived(mediator);
    }

    /** Hands the device over to the first of these that takes it. */
    Explanation rebind(List<Mediator> candidates) {
        return handOver.rebind(candidates);
    }

    @Override
    public boolean pin(Mediator mediator) {
        return mediator.pin(this);
    }

    @Override
    public void unpin(Mediator mediator) {
        mediator.unpin(this);
    }

    @Override
    public Optional<String> objection(List<RegionInfo> offered) {
        return regions.objection().or(() -> layout.objection(offered, hardware.regionCount()));
    }

    @Override
    public void adopt(Layer next) {
        interrupts.follow(next);
        DeviceSettings settings = settings(next);
        TrapMode mode = TrapMode.of(next.regions(), layout, settings.trap());
        LentContext context = next.context();
        TrapSwitch.News due = context == null
                ? traps.adopt(mode, settings.trapTimeout(), false, false)
                : context.hold(mode, settings.trapTimeout());
        // On another thread, since the gate is held for as long as this takes.
        due.tell(trapped -> core.calls().soon(() -> tellLate(next.context(), trapped)));
    }

    @Override
    public void fail(String reason) {
        LOGGER.log(Level.ERROR, "{0} is failed: {1}", device.address(), reason);
        if (closed.compareAndSet(false, true)) {
            String firstLine = reason.lines().findFirst().orElse(reason);
            dispose(
                    "the device was failed: " + firstLine,
                    Duration.ZERO,
                    new Deadline(core.limits().vendor()));
        }
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
        return Optional.ofNullable(handOver.layer().mediator()).map(Mediator::name);
    }

    @Override
    public Optional<String> awaiting() {
        return handOver.awaiting();
    }

    @Override
    public HandOverStatistics handOvers() {
        return handOver.statistics();
    }

    @Override
    public Map<String, Long> counters() {
        return handOver.awaiting().isPresent() ? Map.of() : counters.ask();
    }

    @Override
    public int regionCount() {
        return layout.count();
    }

    @Override
    public RegionInfo regionInfo(int region) {
        RegionInfo known = layout.region(region);
        return traps.hidesAreas() ? ClientLayout.withoutDisablable(known) : known;
    }

    @Override
    public void read(RegionAccess access) {
        regions.read(access);
    }

    @Override
    public void write(RegionAccess access) {
        regions.write(access);
    }

    @Override
    public @Nullable SharedMemory mmap(int region) {
        return regions.mmap(region);
    }

    @Override
    public int interruptCount() {
        return knowsDynamicTrap() ? PciInterrupt.TRAP_CHANGED + 1 : hardware.interruptCount();
    }

    @Override
    public InterruptInfo interruptInfo(int index) {
        if (index < 0 || index >= interruptCount()) {
            throw new VfioException(Errno.EINVAL, "there is no interrupt index " + index);
        }
        if (isTrapInterrupt(index)) {
            return TrapSwitch.INTERRUPT;
        }
        return index < hardware.interruptCount() ? hardware.interruptInfo(index) : InterruptInfo.absent(index);
    }

    @Override
    public void connect(int index, InterruptAction action, int start, List<@Nullable Signal> signals) {
        AccessCheck.interrupts(interruptInfo(index), start, signals.size());
        if (isTrapInterrupt(index)) {
            inside(() -> signals.forEach(signal -> traps.connect(action, signal)));
        } else {
            inside(() -> {
                if (action == InterruptAction.TRIGGER) {
                    interrupts.connect(index, start, signals);
                } else {
                    hardware.connect(index, action, start, signals);
                }
            });
            if (index == PciInterrupt.REQ && action == InterruptAction.TRIGGER) {
                listensToRequests = signals.stream().anyMatch(Objects::nonNull);
            }
        }
    }

    @Override
    public void act(int index, InterruptAction action, int start, int count) {
        InterruptInfo info = interruptInfo(index);
        AccessCheck.interrupts(info, start, count);
        if (action != InterruptAction.TRIGGER && !info.is(InterruptInfo.Flag.MASKABLE)) {
            throw new VfioException(Errno.EINVAL, "interrupts of index " + index + " cannot be masked");
        }
        if (!isTrapInterrupt(index)) {
            inside(() -> hardware.act(index, action, start, count));
        } else if (count > 0) {
            inside(() -> traps.act(action).tell(trapped -> news.tell(handOver.layer(), trapped)));
        }
    }

    @Override
    public void disable(int index) {
        interruptInfo(index);
        inside(isTrapInterrupt(index) ? traps::disable : () -> interrupts.disable(index));
        listensToRequests &= index != PciInterrupt.REQ;
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
    public DmaSpace memory() {
        return dma;
    }

    @Override
    public boolean resettable() {
        return hardware.resettable();
    }

    @Override
    public void reset() {
        inside(() -> {
            hardware.reset();
            Layer current = handOver.layer();
            try {
                current.mediation().reset();
            } catch (Throwable thrown) {
                throw core.faults().contain(current.mediator(), "reset", thrown);
            }
        });
    }

    @Override
    public void trap(boolean trapped) {
        inside(() -> traps.administratorAsks(trapped).tell(inForce -> news.tell(handOver.layer(), inForce)));
    }

    @Override
    public TrapStatus trapStatus() {
        return traps.status();
    }

    @Override
    public void track(boolean tracking) {
        inside(() -> {
            Layer current = handOver.layer();
            try {
                current.mediation().track(tracking);
            } catch (Throwable thrown) {
                throw core.faults().contain(current.mediator(), "track", thrown);
            }
        });
    }

    @Override
    public Migratable migration(String user) {
        GuardedMigration migration = new GuardedMigration(device.address(), user, gate, handOver::layer, core.faults());
        migration.require();
        return migration;
    }

    @Override
    public void withdraw(String reason) {
        if (!core.stopping().getAsBoolean() && askBack()) {
            LOGGER.log(Level.INFO, "{0} is asked back from {1}: {2}", device.address(), user, reason);
            awaitReleased(core.limits().withdrawal());
        }
        close();
    }

    @Override
    public void close() {
        if (!closed.compareAndSet(false, true)) {
            awaitReleased(core.limits().vendor().multipliedBy(2));
            return;
        }
        boolean alone = handOver.transition().begin();
        try {
            Deadline deadline = new Deadline(core.limits().vendor());
            dispose("the device has been closed", deadline.remaining(Step.CALLS_INSIDE), deadline);
        } finally {
            if (alone) {
                handOver.transition().end();
            }
        }
    }

    private Layer layer() {
        return handOver.layer();
    }

    private void dispose(String reason, Duration patience, Deadline deadline) {
        boolean drained = gate.shut(reason, patience);
        if (!drained && !patience.isZero()) {
            LOGGER.log(Level.ERROR, "{0} is taken from under its calls: {1}", device.address(), gate.report(patience));
        }
        handOver.close(drained, deadline);
        traps.close();
        guarded("disconnecting interrupts", this::disconnectInterrupts);
        guarded("stopping DMA", hardware::stopDma);
        guarded("releasing DMA mappings", () -> dma.clear(hardware));
        guarded("closing the hardware", hardware::close);
        guarded("telling that it is free", () -> onClose.accept(this));
        released.countDown();
    }

    private void disconnectInterrupts() {
        for (int index = 0; index < hardware.interruptCount(); index++) {
            interrupts.disable(index);
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

    private void inside(Runnable call) {
        gate.enter();
        try {
            call.run();
        } finally {
            gate.exit();
        }
    }

    private boolean knowsDynamicTrap() {
        return features.contains(ClientFeature.DYNAMIC_TRAP);
    }

    private boolean isTrapInterrupt(int index) {
        return index == PciInterrupt.TRAP_CHANGED && knowsDynamicTrap();
    }

    private DeviceSettings settings(Layer of) {
        Mediator mediator = of.mediator();
        return core.settings().of(device, mediator == null ? null : mediator.name());
    }

    /** Tells whoever mediates by then; nobody but the one that is meant, if one is meant. */
    private void tellLate(@Nullable LentContext meant, boolean trapped) {
        try {
            inside(() -> {
                Layer listener = handOver.layer();
                if (meant == null || meant == listener.context()) {
                    news.tell(listener, trapped);
                }
            });
        } catch (VfioException e) {
            LOGGER.log(Level.DEBUG, "{0} was closed before its mediation could be told of the trap", device.address());
        }
    }

    /** Fires the interrupt that asks a user to give the device back. Returns whether there was somebody to ask. */
    private boolean askBack() {
        if (!listensToRequests) {
            return false;
        }
        try {
            hardware.act(PciInterrupt.REQ, InterruptAction.TRIGGER, 0, 1);
            return true;
        } catch (RuntimeException e) {
            LOGGER.log(Level.DEBUG, "{0} cannot be asked back: {1}", device.address(), e.getMessage());
            return false;
        }
    }

    private void awaitReleased(Duration patience) {
        try {
            if (!released.await(patience.toMillis(), TimeUnit.MILLISECONDS)) {
                LOGGER.log(Level.DEBUG, "{0} was not released within {1} ms", device.address(), patience.toMillis());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
