package vfio.pci.core;

import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.osgi.framework.BundleContext;
import org.osgi.framework.ServiceReference;
import org.osgi.service.component.annotations.Activate;
import org.osgi.service.component.annotations.Component;
import org.osgi.service.component.annotations.Deactivate;
import org.osgi.util.tracker.ServiceTracker;
import org.osgi.util.tracker.ServiceTrackerCustomizer;
import vfio.pci.api.device.Errno;
import vfio.pci.api.device.Hardware;
import vfio.pci.api.device.VfioException;
import vfio.pci.api.manage.ClientFeature;
import vfio.pci.api.manage.ClientMemory;
import vfio.pci.api.manage.DeviceManager;
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
    private final VendorFaults faults = new VendorFaults();
    private final Map<PciAddress, Slot> slots = new ConcurrentHashMap<>();
    private final Map<PciAddress, Explanation> explanations = new ConcurrentHashMap<>();

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
        mediators = new MediatorRegistry(context);
        functions = new ServiceTracker<>(context, PciDevice.class, new ServiceTrackerCustomizer<>() {
            @Override
            public PciDevice addingService(ServiceReference<PciDevice> reference) {
                return context.getService(reference);
            }

            @Override
            public void modifiedService(ServiceReference<PciDevice> reference, PciDevice device) {}

            @Override
            public void removedService(ServiceReference<PciDevice> reference, PciDevice device) {
                closeOpened(device);
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
            MediatedDevice opened = open(device, user, new DmaMap(clientMemory), slot);
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
        throw new VfioException(Errno.EOPNOTSUPP, address + " cannot be handed over");
    }

    @Override
    public Optional<OpenDevice> opened(PciAddress address) {
        return Optional.ofNullable(slots.get(address)).flatMap(slot -> slot.open);
    }

    @Override
    public Optional<Explanation> explain(PciAddress address) {
        return Optional.ofNullable(explanations.get(address));
    }

    private MediatedDevice open(PciDevice device, String user, DmaMap dma, Slot slot) {
        Hardware hardware = device.open(dma);
        try {
            Chosen chosen = new Choice(device, hardware, dma, faults).make(mediators.snapshot());
            explanations.put(
                    device.address(),
                    new Explanation(
                            device.address(),
                            user,
                            chosen.verdicts(),
                            chosen.outcome(device.ids().id())));
            return new MediatedDevice(
                    device, user, hardware, dma, chosen, faults, closed -> slots.remove(device.address(), slot));
        } catch (Throwable thrown) {
            hardware.close();
            throw thrown;
        }
    }

    private void closeOpened(PciDevice device) {
        Slot slot = slots.get(device.address());
        if (slot != null) {
            slot.open.filter(open -> open.device() == device).ifPresent(OpenDevice::close);
        }
    }
}
