package vfio.pci.core;

import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.osgi.framework.Bundle;
import org.osgi.framework.BundleContext;
import org.osgi.framework.Constants;
import org.osgi.framework.ServiceReference;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.service.component.annotations.Reference;
import org.osgi.service.component.annotations.ReferenceCardinality;
import org.osgi.service.component.annotations.ReferencePolicy;
import org.osgi.service.component.annotations.ReferencePolicyOption;
import org.osgi.util.tracker.ServiceTracker;
import org.osgi.util.tracker.ServiceTrackerCustomizer;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.ClientFeature;
import vfio.pci.api.manage.ClientMemory;
import vfio.pci.api.manage.DeviceManager;
import vfio.pci.api.manage.DriverLoader;
import vfio.pci.api.manage.Explanation;
import vfio.pci.api.manage.MediatorInfo;
import vfio.pci.api.manage.OpenDevice;
import vfio.pci.api.pci.PciAddress;
import vfio.pci.api.pci.PciDevice;

/** The device manager: follows functions and vendor drivers as services and keeps one open device per function. */
@Component(service = DeviceManager.class, immediate = true)
public final class DeviceManagerComponent implements DeviceManager {
    private final MediatorRegistry mediators;
    private final ServiceTracker<PciDevice, PciDevice> functions;
    private final VendorCalls calls = new VendorCalls();
    private final Core core;
    private final Map<PciAddress, Slot> slots = new ConcurrentHashMap<>();
    private final Map<PciAddress, Explanation> explanations = new ConcurrentHashMap<>();

    /** Loads drivers on demand, if there is anybody who does. */
    @Reference(
            cardinality = ReferenceCardinality.OPTIONAL,
            policy = ReferencePolicy.DYNAMIC,
            policyOption = ReferencePolicyOption.GREEDY)
    volatile @Nullable DriverLoader loader;

    /** What the administrator chose, one for each configuration. */
    @Reference(cardinality = ReferenceCardinality.MULTIPLE, policy = ReferencePolicy.DYNAMIC)
    volatile List<RuleComponent> rules = List.of();

    /** The place of the one user of a function; empty while the function is being opened. */
    private static final class Slot {
        private final String user;
        private volatile Optional<MediatedDevice> open = Optional.empty();

        Slot(String user) {
            this.user = user;
        }
    }

    /** Starts following services. */
    @Activate
    public DeviceManagerComponent(BundleContext context) {
        mediators = new MediatorRegistry(context, this::mediatorArrived);
        Bundle framework = context.getBundle(Constants.SYSTEM_BUNDLE_LOCATION);
        core = new Core(
                calls,
                new VendorFaults(),
                mediators::snapshot,
                () -> Optional.ofNullable(loader),
                (device, driver) -> RuleComponent.settings(rules, device, driver),
                explanation -> explanations.put(explanation.address(), explanation),
                () -> framework.getState() == Bundle.STOPPING,
                Core.Limits.DEFAULT);
        functions = new ServiceTracker<>(context, PciDevice.class, new ServiceTrackerCustomizer<>() {
            @Override
            public PciDevice addingService(ServiceReference<PciDevice> reference) {
                return context.getService(reference);
            }

            @Override
            public void modifiedService(ServiceReference<PciDevice> reference, PciDevice device) {}

            @Override
            public void removedService(ServiceReference<PciDevice> reference, PciDevice device) {
                withdraw(device);
                context.ungetService(reference);
            }
        });
        mediators.open();
        functions.open();
    }

    /** Closes every open device, then stops following services. */
    @Deactivate
    public void deactivate() {
        slots.values().forEach(slot -> slot.open.ifPresent(OpenDevice::close));
        functions.close();
        mediators.close();
        calls.close();
    }

    @Override
    public List<PciDevice> devices() {
        return functions.getTracked().values().stream()
                .sorted(Comparator.comparing(PciDevice::address))
                .toList();
    }

    @Override
    public List<MediatorInfo> mediators() {
        return mediators.snapshot().stream().map(Mediator::info).toList();
    }

    @Override
    public OpenDevice open(PciAddress address, String user, ClientMemory clientMemory, Set<ClientFeature> features) {
        PciDevice device = devices().stream()
                .filter(present -> present.address().equals(address))
                .findFirst()
                .orElseThrow(
                        () -> new VfioException(Errno.ENODEV, address + " is not present; vfio:devices lists what is"));
        device.unassignableReason().ifPresent(reason -> {
            throw new VfioException(Errno.EPERM, address + " cannot be given to a VMM: " + reason);
        });
        Slot slot = new Slot(user);
        Slot holder = slots.putIfAbsent(address, slot);
        if (holder != null) {
            throw new VfioException(Errno.EBUSY, address + " is in use by " + holder.user);
        }
        try {
            MediatedDevice opened = open(device, user, new DmaMap(clientMemory), features, slot);
            slot.open = Optional.of(opened);
            opened.pin();
            if (!devices().contains(device)) {
                opened.close();
                throw new VfioException(Errno.ENODEV, address + " has left while it was being opened");
            }
            return opened;
        } catch (Throwable thrown) {
            slots.remove(address, slot);
            throw thrown;
        }
    }

    @Override
    public Explanation rebind(PciAddress address, Optional<String> driver) {
        MediatedDevice open = Optional.ofNullable(slots.get(address))
                .flatMap(slot -> slot.open)
                .orElseThrow(
                        () -> new VfioException(Errno.ENODEV, address + " is not open; there is nothing to hand over"));
        List<Mediator> candidates = mediators.snapshot().stream()
                .filter(mediator -> driver.isEmpty() || driver.get().equals(mediator.name()))
                .toList();
        if (driver.isPresent() && candidates.isEmpty()) {
            throw new VfioException(
                    Errno.ENOENT, "no driver is named " + driver.get() + "; vfio:mediators lists those there are");
        }
        return open.rebind(candidates);
    }

    @Override
    public Optional<OpenDevice> opened(PciAddress address) {
        return Optional.ofNullable(slots.get(address)).flatMap(slot -> slot.open);
    }

    @Override
    public Optional<Explanation> explain(PciAddress address) {
        return Optional.ofNullable(explanations.get(address));
    }

    private MediatedDevice open(PciDevice device, String user, DmaMap dma, Set<ClientFeature> features, Slot slot) {
        Hardware hardware = device.open(dma);
        try {
            return new MediatedDevice(device, user, hardware, dma, features, core, closed -> closed(device, slot));
        } catch (Throwable thrown) {
            hardware.close();
            throw thrown;
        }
    }

    private void closed(PciDevice device, Slot slot) {
        slots.remove(device.address(), slot);
        DriverLoader present = loader;
        if (present != null) {
            present.closed(device);
        }
    }

    private void withdraw(PciDevice device) {
        Slot slot = slots.get(device.address());
        if (slot != null) {
            slot.open
                    .filter(open -> open.device() == device)
                    .ifPresent(open -> open.withdraw("the function is being removed"));
        }
    }

    private void mediatorArrived(Mediator mediator) {
        slots.values().forEach(slot -> slot.open.ifPresent(device -> device.mediatorArrived(mediator)));
    }
}
