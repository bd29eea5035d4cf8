package vfio.pci.core;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import vfio.pci.api.device.RegionAccess;
import vfio.pci.api.manage.ClientFeature;
import vfio.pci.api.manage.ClientMemory;
import vfio.pci.api.manage.DriverLoader;
import vfio.pci.api.manage.Explanation;
import vfio.pci.api.mediate.Decision;
import vfio.pci.api.mediate.MediateOps;
import vfio.pci.api.mediate.Mediation;

/** What it takes to open a device: hardware, one driver named {@code vendor}, a DMA map, settings. */
final class Setting {
    /** Longer than anything takes that returns. */
    static final Duration VENDOR_LIMIT = Duration.ofSeconds(40);

    /** For tests of what does not return: short, but a fraction of it can be told from a busy machine. */
    static final Duration SHORT_LIMIT = Duration.ofSeconds(2);

    final FakeHardware hardware;
    final FakeReference reference = FakeReference.of(7, 0, "vendor");
    final DmaMap dma = new DmaMap(ClientMemory.NONE);
    final List<MediatedDevice> closed = new CopyOnWriteArrayList<>();
    final VendorCalls calls = new VendorCalls();

    /** The drivers that are registered, in order; those that arrive later are announced by {@link #arrive}. */
    final List<Mediator> registered = new CopyOnWriteArrayList<>();

    final List<Explanation> explanations = new CopyOnWriteArrayList<>();
    final Set<ClientFeature> features = EnumSet.noneOf(ClientFeature.class);
    /** Hears for which driver settings are looked up: for a successor, when it is about to serve. */
    volatile Consumer<@Nullable String> onSettings = driver -> {};

    volatile DeviceSettings settings =
            new DeviceSettings(TrapPolicy.DYNAMIC, Duration.ofSeconds(60), Duration.ZERO, true);
    volatile @Nullable DriverLoader loader;
    volatile boolean stopping;
    private MediateOps ops = context -> Decision.decline("not set up");
    final Mediator mediator = new Mediator(reference, context -> ops.open(context));
    final Core core;

    Setting() {
        this(new FakeHardware(), VENDOR_LIMIT);
    }

    Setting(FakeHardware hardware) {
        this(hardware, VENDOR_LIMIT);
    }

    Setting(FakeHardware hardware, Duration limit) {
        this.hardware = hardware;
        core = new Core(
                calls,
                new VendorFaults(),
                () -> List.copyOf(registered),
                () -> Optional.ofNullable(loader),
                (device, driver) -> {
                    onSettings.accept(driver);
                    return settings;
                },
                explanations::add,
                () -> stopping,
                new Core.Limits(limit, limit));
    }

    /** A driver that answers as given. */
    static Mediator mediator(long serviceId, int ranking, String name, MediateOps ops) {
        return new Mediator(FakeReference.of(serviceId, ranking, name), ops);
    }

    /** Opens the device with this mediation, which must be accepted. */
    MediatedDevice open(Mediation mediation) {
        return open(context -> Decision.accept(mediation));
    }

    /** Opens the device with this driver, which must accept. */
    MediatedDevice open(MediateOps driver) {
        ops = driver;
        registered.add(mediator);
        MediatedDevice device = open();
        if (explanation().outcome().startsWith("passed through: ")) {
            throw new AssertionError("not accepted: " + explanation());
        }
        return device;
    }

    /** Opens the device without drivers. */
    MediatedDevice openPassThrough() {
        return open();
    }

    /** Opens the device with the drivers that are registered. */
    MediatedDevice open() {
        MediatedDevice device =
                new MediatedDevice(new FakeFunction(hardware), "test", hardware, dma, features, core, closed::add);
        device.pin();
        return device;
    }

    /** A driver is unregistered. */
    void leave(Mediator leaving) {
        registered.remove(leaving);
        leaving.leave();
    }

    /** A driver is registered, behind those that are. */
    void arrive(Mediator arriving, MediatedDevice device) {
        registered.add(arriving);
        device.mediatorArrived(arriving);
    }

    /** How the last choice or hand-over went. */
    Explanation explanation() {
        return explanations.get(explanations.size() - 1);
    }

    Choice choice() {
        TrapSwitch traps = new TrapSwitch(FakeFunction.ADDRESS, calls, trapped -> {});
        return new Choice(new FakeFunction(hardware), hardware, dma, traps, core.faults(), calls, () -> {});
    }

    /** What the vendor got wrong, as an administrator sees it. */
    long failures() {
        return mediator.info().failures();
    }

    /** An access with a buffer of its own. */
    static RegionAccess access(int region, long offset, int length) {
        ByteBuffer data = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
        return new RegionAccess().wrap(region, offset, length, data, 0);
    }
}
